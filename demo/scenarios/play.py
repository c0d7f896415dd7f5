"""Plays a scenario: makes its condition true, follows the alert to the people, and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime

from demo.scenario import Event, Tell
from demo.scenarios.scenario import Scenario
from demo.sinks import Receipt, Status
from demo.stack import Stack
from model.alerts import Alert
from model.platform import Platform
from model.telling import channels_of
from rules.demands import at_work

# What every way takes at most, on a busy machine.
DEADLINE = 120.0
_POLL_SECONDS = 0.25


class LackingError(Exception):
    """A scenario that this machine cannot play; says what it lacks."""


async def play(stack: Stack, scenario: Scenario, name: str, tell: Tell) -> None:
    """Make an alert fire until all of its channels were told, undo it until they were told again.

    Raises LackingError, and TimeoutError, which says what is missing.
    """
    if (lacking := scenario.lacks()) is not None:
        raise LackingError(f"{name} cannot be shown on this machine: {lacking}")
    labels = scenario.fires[name]
    alert = declared(stack.platform, name, labels)
    begun = time.time()
    async with scenario.means(stack):
        tell(Event(0.0, "done", scenario.done))
        await _fires(stack, name, labels, begun, tell)
        if _waits(alert, stack.platform):
            tell(Event(time.time() - begun, "nobody is told", "until business hours begin"))
        await _told(stack, alert, begun, "firing", tell)
    undone = time.time()
    tell(Event(0.0, "undone", scenario.undone))
    if scenario.lingers:
        tell(Event(0.0, "goes on firing", scenario.lingers))
        return
    await _until_over(stack, name, labels)
    tell(Event(time.time() - undone, "alert resolved", name))
    await _told(stack, alert, undone, "resolved", tell)


def declared(platform: Platform, name: str, labels: Mapping[str, str]) -> Alert:
    """The alert of a name that fires with these labels. Raises KeyError if there is none."""
    for alert in platform.alerts:
        if alert.name == name and alert.labels.items() <= labels.items():
            return alert
    raise KeyError(name)


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


async def _told(stack: Stack, alert: Alert, since: float, status: Status, tell: Tell) -> None:
    missing = set(_channels(alert, stack.platform))
    deadline = time.monotonic() + DEADLINE
    while missing:
        for receipt in _receipts(stack, alert.name, since, status):
            if receipt.channel in missing:
                missing.remove(receipt.channel)
                tell(Event(receipt.received_at - since, receipt.channel, receipt.summary))
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{alert.name} is {status}, and {', '.join(sorted(missing))} heard nothing of it "
                f"in {DEADLINE:g} s"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _receipts(stack: Stack, alert: str, since: float, status: Status) -> Iterator[Receipt]:
    return (
        receipt
        for receipt in stack.sinks.receipts
        if receipt.received_at >= since and receipt.status == status and alert in receipt.alerts
    )


def _channels(alert: Alert, platform: Platform) -> tuple[str, ...]:
    """None for what only the dead man's switch hears of, or what waits for business hours."""
    if alert.severity is None or _waits(alert, platform):
        return ()
    return channels_of(alert, platform.severity(alert.severity))


def _waits(alert: Alert, platform: Platform) -> bool:
    """Whether nobody is told before business hours begin."""
    if alert.severity is None or not platform.severity(alert.severity).business_hours_only:
        return False
    return not at_work(platform, datetime.now(UTC))
