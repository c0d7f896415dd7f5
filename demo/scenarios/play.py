"""Plays a scenario: makes its condition true, follows the alert to the people, and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Set
from datetime import UTC, datetime

from demo.scenario import CHANNELS, Event, Tell
from demo.scenarios.scenario import Scenario
from demo.sinks import Receipt, Status
from demo.stack import Stack
from model.alerts import Alert
from model.escalation import EscalationRule, escalation_rules
from model.platform import Platform
from rules.demands import at_work, demanded
from rules.label_sets import Sent

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
        channels = _channels(alert, labels, stack.platform)
        if _waits(alert, stack.platform):
            tell(Event(time.time() - begun, "nobody is told", "until business hours begin"))
        await _told(stack, name, channels, begun, "firing", tell)
    undone = time.time()
    tell(Event(0.0, "undone", scenario.undone))
    if scenario.lingers:
        tell(Event(0.0, "goes on firing", scenario.lingers))
        return
    await _until_over(stack, name, labels)
    tell(Event(time.time() - undone, "alert resolved", name))
    await _told(stack, name, channels, undone, "resolved", tell)


def declared(platform: Platform, name: str, labels: Mapping[str, str]) -> Alert | EscalationRule:
    """The alert of a name that fires with these labels. Raises KeyError if there is none."""
    for alert in platform.alerts:
        if alert.name == name and alert.labels.items() <= labels.items():
            return alert
    for rule in escalation_rules(platform):
        if rule.name == name:
            return rule
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


async def _told(
    stack: Stack, alert: str, channels: Set[str], since: float, status: Status, tell: Tell
) -> None:
    missing = {*channels}
    deadline = time.monotonic() + DEADLINE
    while missing:
        for receipt in _receipts(stack, alert, since, status):
            if receipt.channel in missing:
                missing.remove(receipt.channel)
                tell(Event(receipt.received_at - since, receipt.channel, receipt.summary))
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{alert} is {status}, and {', '.join(sorted(missing))} heard nothing of it "
                f"in {DEADLINE:g} s"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _receipts(stack: Stack, alert: str, since: float, status: Status) -> Iterator[Receipt]:
    return (
        receipt
        for receipt in stack.sinks.receipts
        if receipt.received_at >= since and receipt.status == status and alert in receipt.alerts
    )


def _channels(
    alert: Alert | EscalationRule, labels: Mapping[str, str], platform: Platform
) -> frozenset[str]:
    """None for what only the dead man's switch hears of, or what waits for business hours."""
    sent = Sent({**labels, **alert.labels}, alert)
    told = demanded(sent, platform, datetime.now(UTC))
    return frozenset(kind for kind, _ in told).intersection(CHANNELS)


def _waits(alert: Alert | EscalationRule, platform: Platform) -> bool:
    """Whether nobody is told before business hours begin."""
    if isinstance(alert, EscalationRule) or alert.severity is None:
        return False
    if not platform.severity(alert.severity).business_hours_only:
        return False
    return not at_work(platform, datetime.now(UTC))
