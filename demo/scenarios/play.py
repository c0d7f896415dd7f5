"""Plays a scenario: makes its condition true, follows the alert to the people, and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping

from demo.scenario import Event, Tell
from demo.scenarios.scenario import Scenario
from demo.sinks import Receipt, Status
from demo.stack import Stack
from model.telling import channels_of

# What every way takes at most, on a busy machine.
DEADLINE = 120.0
_POLL_SECONDS = 0.25


async def play(stack: Stack, scenario: Scenario, alert: str, tell: Tell) -> None:
    """Make an alert fire until all of its channels were told, undo it until they were told again.

    Raises TimeoutError, which says what is missing.
    """
    begun = time.time()
    async with scenario.means(stack):
        tell(Event(0.0, "done", scenario.done))
        await _fires(stack, alert, scenario.fires[alert], begun, tell)
        await _told(stack, alert, begun, "firing", tell)
    undone = time.time()
    tell(Event(0.0, "undone", scenario.undone))
    if scenario.lingers:
        tell(Event(0.0, "goes on firing", scenario.lingers))
        return
    await _until_over(stack, alert, scenario.fires[alert])
    tell(Event(time.time() - undone, "alert resolved", alert))
    await _told(stack, alert, undone, "resolved", tell)


async def states(stack: Stack, alert: str, labels: Mapping[str, str]) -> set[str]:
    """Which of pending and firing an alert with these labels is in Prometheus."""
    wanted = {"alertname": alert, **labels}
    matchers = ",".join(f'{name}="{value}"' for name, value in wanted.items())
    return {one["metric"]["alertstate"] for one in await stack.api.instant(f"ALERTS{{{matchers}}}")}


async def _fires(
    stack: Stack, alert: str, labels: Mapping[str, str], since: float, tell: Tell
) -> None:
    told: set[str] = set()
    async for found in _polled(stack, alert, labels, "does not fire"):
        for state in sorted(found - told, reverse=True):
            tell(Event(time.time() - since, f"alert {state}", alert))
        told |= found
        if "firing" in found:
            return


async def _until_over(stack: Stack, alert: str, labels: Mapping[str, str]) -> None:
    async for found in _polled(stack, alert, labels, "still fires"):
        if "firing" not in found:
            return


async def _polled(
    stack: Stack, alert: str, labels: Mapping[str, str], otherwise: str
) -> AsyncIterator[set[str]]:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        yield await states(stack, alert, labels)
        await asyncio.sleep(_POLL_SECONDS)
    raise TimeoutError(f"{alert} {otherwise} after {DEADLINE:g} s")


async def _told(stack: Stack, alert: str, since: float, status: Status, tell: Tell) -> None:
    missing = set(_channels(stack, alert))
    deadline = time.monotonic() + DEADLINE
    while missing:
        for receipt in _receipts(stack, alert, since, status):
            if receipt.channel in missing:
                missing.remove(receipt.channel)
                tell(Event(receipt.received_at - since, receipt.channel, receipt.summary))
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{alert} is {status}, and {', '.join(sorted(missing))} heard nothing of it in "
                f"{DEADLINE:g} s"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _receipts(stack: Stack, alert: str, since: float, status: Status) -> Iterator[Receipt]:
    return (
        receipt
        for receipt in stack.sinks.receipts
        if receipt.received_at >= since and receipt.status == status and alert in receipt.alerts
    )


def _channels(stack: Stack, name: str) -> tuple[str, ...]:
    """None for an alert that only the dead man's switch hears of."""
    alert = next(one for one in stack.platform.alerts if one.name == name)
    if alert.severity is None:
        return ()
    return channels_of(alert, stack.platform.severity(alert.severity))
