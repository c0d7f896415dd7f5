"""Requests that fail, that are slow, and that are too many, after days of history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from demo.history import OUTAGES, RUSHED, USUAL_REQUESTS_PER_SECOND, Outage
from demo.platform import API_PATH, REQUESTS_PER_SECOND, SimulatedService
from demo.scenarios.background import going_on
from demo.scenarios.scenario import Means, Scenario
from demo.stack import Stack
from model import hours
from model.durations import prometheus

_CLIENTS = 10
_PACE_SECONDS = 0.5
# Over the objective's half second, and under the probe's two: slow is not down.
_SLOW_SECONDS = 0.6
# In no step with probes and scrapes, which would see it up every time.
_DOWN_SECONDS, _UP_SECONDS = 2.2, 3.3
_RUSH_SECONDS = hours(1).total_seconds()


@asynccontextmanager
async def _asked(service: SimulatedService) -> AsyncIterator[None]:
    """Clients that ask a service's API again and again, whatever it answers."""
    async with aiohttp.ClientSession() as session:

        async def client() -> None:
            while True:
                async with session.get(f"{service.url}{API_PATH}") as response:
                    await response.read()
                await asyncio.sleep(_PACE_SECONDS)

        async with going_on(*(client() for _ in range(_CLIENTS))):
            yield


def _asked_while(name: str, fault: Callable[[SimulatedService], None]) -> Means:
    @asynccontextmanager
    async def means(stack: Stack) -> AsyncIterator[None]:
        service = stack.simulated.services[name]
        fault(service)
        try:
            async with _asked(service):
                yield
        finally:
            await service.repair()

    return means


def _failing(name: str) -> Means:
    return _asked_while(name, lambda service: service.fail_requests())


def _slow(name: str) -> Means:
    return _asked_while(name, lambda service: service.delay(_SLOW_SECONDS))


def _flapping(name: str) -> Means:
    """Down too shortly for ServiceDown, which would silence the objective's alert."""

    @asynccontextmanager
    async def means(stack: Stack) -> AsyncIterator[None]:
        service = stack.simulated.services[name]

        async def flap() -> None:
            while True:
                service.fail()
                await asyncio.sleep(_DOWN_SECONDS)
                await service.repair()
                await asyncio.sleep(_UP_SECONDS)

        try:
            async with going_on(flap()):
                yield
        finally:
            await service.repair()

    return means


_FAULTS = {
    "availability": (_failing, "{} answers real requests with 500"),
    "latency": (_slow, f"{{}} takes {_SLOW_SECONDS:g} s for real requests"),
    "uptime": (_flapping, f"{{}} is down for {_DOWN_SECONDS:g} s again and again"),
}


@asynccontextmanager
async def _rush(stack: Stack) -> AsyncIterator[None]:
    stack.simulated.services[RUSHED].advance(_RUSH_SECONDS)
    yield


def _burning(outage: Outage) -> Scenario:
    means, fault = _FAULTS[outage.objective]
    burning = {
        "service": outage.service,
        "objective": outage.objective,
        "window": outage.window.name,
    }
    failing = {"APIErrorRateHigh": {"service": outage.service}}
    return Scenario(
        fires={
            "ErrorBudgetBurn": burning,
            **(failing if outage.objective == "availability" else {}),
        },
        done=f"{fault.format(outage.service)}; {_before(outage)}",
        undone=f"{outage.service} is as it was",
        means=means(outage.service),
        lingers=f"it looks back over {prometheus(outage.window.short)}",
    )


def _before(outage: Outage) -> str:
    """What its history has of the same."""
    length, ago = outage.length.total_seconds(), outage.ago.total_seconds()
    return f"so it was for {length / 60:.1f} minutes, {ago / 3600:.2g} hours ago"


SCENARIOS = (
    *map(_burning, OUTAGES),
    Scenario(
        fires={"TrafficSpike": {"service": RUSHED}},
        done=(
            f"{RUSHED} gets {_RUSH_SECONDS * REQUESTS_PER_SECOND:.0f} requests at once, after a "
            f"week of {USUAL_REQUESTS_PER_SECOND:g} a second"
        ),
        undone="no more come than before",
        means=_rush,
        lingers="it is the rate of an hour",
    ),
)
