"""Break a service, follow the alert to the people, repair it, follow the all-clear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from demo.api import unix
from demo.sinks import Channel, Receipt, Status
from demo.stack import Stack

Fault = Literal["crash", "hang"]

CHANNELS: tuple[Channel, ...] = ("pagerduty", "slack", "email")
ALERT = "ServiceDown"
# Long enough for the slowest way through every interval, with room for a busy machine.
PAGE_DEADLINE = 90.0
RESOLVE_DEADLINE = 180.0
_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: seconds after the break or the repair, and what."""

    after: float
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Round:
    """One break: what was broken, how, and how many seconds each channel's page took."""

    service: str
    fault: Fault
    pages: dict[Channel, float]
    resolves: dict[Channel, float]


Tell = Callable[[Event], None]


async def break_and_repair(
    stack: Stack,
    service: str,
    fault: Fault,
    tell: Tell,
    when_paged: Callable[[float], Awaitable[None]] | None = None,
) -> Round:
    """Break a service until all channels were paged, repair it until all have the all-clear.

    `when_paged` is called in between, with when the service broke, in unix seconds.
    Raises TimeoutError, which says what did arrive.
    """
    broken_at = time.time()
    await _break(stack, service, fault)
    tell(Event(0.0, "broken", _BREAKS[fault].format(service=service)))
    pages = await _follow(stack, service, broken_at, "firing", PAGE_DEADLINE, tell)
    if when_paged is not None:
        await when_paged(broken_at)
    repaired_at = time.time()
    await stack.simulated.services[service].repair()
    tell(Event(0.0, "repaired", f"{service} answers again"))
    resolves = await _follow(stack, service, repaired_at, "resolved", RESOLVE_DEADLINE, tell)
    return Round(service, fault, pages, resolves)


_BREAKS = {
    "crash": "{service} is gone: connections are refused",
    "hang": "{service} hangs: it accepts connections and never answers",
}


async def _break(stack: Stack, service: str, fault: Fault) -> None:
    simulated = stack.simulated.services[service]
    if fault == "crash":
        await simulated.crash()
    else:
        simulated.hang()


async def _follow(
    stack: Stack, service: str, since: float, status: Status, deadline: float, tell: Tell
) -> dict[Channel, float]:
    """Tell what happens as it happens, until every channel has its notification."""
    told: set[str] = set()
    arrived: dict[Channel, float] = {}
    watch = _firing if status == "firing" else _resolving
    try:
        async with asyncio.timeout(deadline):
            while len(arrived) < len(CHANNELS):
                # The other way round than things happen: what has come of something that is not
                # told yet is then not seen before it.
                receipts = _receipts(stack, service, since, status)
                for name, at, detail in await watch(stack, service, since):
                    if name not in told:
                        told.add(name)
                        tell(Event(at - since, name, detail))
                for receipt in receipts:
                    if receipt.channel not in arrived:
                        arrived[receipt.channel] = receipt.received_at - since
                        tell(Event(arrived[receipt.channel], receipt.channel, receipt.summary))
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        sent = [f"{one.channel}: {one.summary}" for one in stack.sinks.receipts[-6:]]
        raise TimeoutError(
            f"after {deadline:g} s {service} is {status} at {sorted(arrived) or 'no sink'} only; "
            f"seen: {', '.join(sorted(told)) or 'nothing'}; last receipts: {sent}"
        ) from None
    return arrived


def _receipts(stack: Stack, service: str, since: float, status: Status) -> list[Receipt]:
    return [
        receipt
        for receipt in stack.sinks.receipts
        if receipt.received_at >= since
        and receipt.status == status
        and ALERT in receipt.alerts
        and service in receipt.alerts
    ]


async def _firing(stack: Stack, service: str, since: float) -> list[tuple[str, float, str]]:
    """What there is to see of a page on its way, in the order in which it happens."""
    seen = []
    for alert in await stack.api.alertmanager_alerts(ALERT, service):
        if unix(alert["startsAt"]) >= since:
            receivers = ", ".join(receiver["name"] for receiver in alert["receivers"])
            detail = f"Alertmanager has it, for {receivers}"
            seen.append(("routed", unix(alert["startsAt"]), detail))
    for state in ("firing", "pending"):
        selector = f'ALERTS{{alertname="{ALERT}",service="{service}",alertstate="{state}"}}'
        if points := await stack.api.raw(selector, since):
            seen.append((f"alert {state}", points[0].at, f"{ALERT} for {service}"))
    scraped = await _scraped(stack, service, since, 0)
    if scraped is not None:
        seen.append(("scraped", scraped, "Prometheus reads probe_success 0"))
    health = await stack.api.service_health(service)
    if health["status"] == "unhealthy" and unix(health["details"]["since"]) >= since:
        at, reason = unix(health["details"]["since"]), health["details"]["reason"]
        seen.append(("probe failed", at, f"reason: {reason}"))
    return seen[::-1]


async def _resolving(stack: Stack, service: str, since: float) -> list[tuple[str, float, str]]:
    """What there is to see of an all-clear on its way, in the order in which it happens."""
    seen = []
    scraped = await _scraped(stack, service, since, 1)
    if scraped is not None:
        seen.append(("scraped", scraped, "Prometheus reads probe_success 1"))
    health = await stack.api.service_health(service)
    if health["status"] == "healthy" and unix(health["details"]["since"]) >= since:
        seen.append(("probe succeeded", unix(health["details"]["since"]), "healthy again"))
    return seen[::-1]


async def _scraped(stack: Stack, service: str, since: float, value: float) -> float | None:
    """When Prometheus first read this value after a time."""
    points = await stack.api.raw(f'probe_success{{target="{service}"}}', since)
    return next((point.at for point in points if point.value == value), None)


async def one_failed_probe(stack: Stack, service: str, seconds: float) -> list[Receipt]:
    """Let exactly one probe fail; what was sent about the service in the seconds after."""
    since = time.time()
    stack.simulated.services[service].fail_once()
    await asyncio.sleep(seconds)
    return [
        receipt
        for receipt in stack.sinks.receipts
        if receipt.received_at >= since and service in receipt.alerts
    ]
