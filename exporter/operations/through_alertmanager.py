"""Sends a test alert through the real Alertmanager, and waits until it says that it was sent."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

import aiohttp

from exporter.ledger.http_body import NoAnswerError, get
from exporter.operations.checks.answers import ask
from exporter.operations.console import OperationError
from model.people import Severity
from model.platform import Platform

ALERT = "NotificationTest"
_LOOK_SECONDS = 0.5
# Alertmanager waits for group_wait, connects, and sends.
_PATIENCE = timedelta(seconds=60)
_SECONDS = aiohttp.ClientTimeout(total=10)
_COUNTER = re.compile(
    r'^alertmanager_notification_requests_(failed_)?total\{[^}]*integration="(\w+)"[^}]*\} (\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """How often an integration has tried to send, and how often that has failed."""

    tried: float
    failed: float


async def send(session: aiohttp.ClientSession, platform: Platform, channel: str) -> str:
    """Post an alert that the routes lead to a channel; answers what became of it.

    It ends as soon as it was sent. Raises OperationError where it was not.
    """
    addresses = platform.watched_by.alertmanagers
    severity = _severity(platform, channel)
    kind = next(one.kind for one in platform.channels if one.name == channel)
    before = await _counts(session, addresses, kind)
    labels = {
        "alertname": ALERT,
        "severity": severity.name,
        "service": "monitoring-service",
        # So that it is a new alert each time, and joins no group that was told before.
        "test": secrets.token_hex(4),
    }
    begun = datetime.now(UTC)
    await _post(session, addresses, labels, begun, begun + timedelta(minutes=5))
    try:
        await _check_receivers(session, addresses, labels, channel)
        await _sent(session, addresses, kind, before, severity.group_wait + _PATIENCE)
    finally:
        await _post(session, addresses, labels, begun, datetime.now(UTC))
    return f"Alertmanager has sent an alert of severity {severity.name} by {channel}"


def _severity(platform: Platform, channel: str) -> Severity:
    """One that tells as few other channels as there can be, and at any hour."""
    telling = [one for one in platform.severities if channel in one.channels]
    if not telling:
        raise OperationError(f"no severity of the config tells anybody by {channel}")
    return min(telling, key=lambda one: (one.business_hours_only, len(one.channels)))


async def _post(
    session: aiohttp.ClientSession,
    addresses: Sequence[str],
    labels: dict[str, str],
    begun: datetime,
    ends: datetime,
) -> None:
    """To all of them, as Prometheus does; they agree who sends. Raises OperationError."""
    annotations = {
        "summary": "A test of the notifications: nothing is wrong",
        "description": "Somebody has run `python -m exporter test-notifications`.",
    }
    alert = {
        "labels": labels,
        "annotations": annotations,
        "startsAt": begun.isoformat(),
        "endsAt": ends.isoformat(),
    }
    for address in addresses:
        try:
            async with session.post(
                f"http://{address}/api/v2/alerts", json=[alert], timeout=_SECONDS
            ) as answer:
                if answer.status != 200:
                    raise OperationError(f"Alertmanager at {address} answers {answer.status}")
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or type(error).__name__
            raise OperationError(f"Alertmanager at {address} does not answer: {why}") from None


async def _check_receivers(
    session: aiohttp.ClientSession, addresses: Sequence[str], labels: dict[str, str], channel: str
) -> None:
    asked = {"filter": f'test="{labels["test"]}"'}
    try:
        listed = await ask(session, f"http://{addresses[0]}/api/v2/alerts", asked)
        receivers = [one["name"] for alert in listed for one in alert["receivers"]]
    except (NoAnswerError, KeyError, TypeError) as error:
        raise OperationError(f"Alertmanager at {addresses[0]}: {error}") from None
    if not any(channel in name.split("+") for name in receivers):
        raise OperationError(
            f"Alertmanager's routes lead an alert of severity {labels['severity']} to "
            f"{', '.join(receivers) or 'nobody'}, not to {channel}: has it this config's "
            "alertmanager.yml? (`make rules`)"
        )


async def _sent(
    session: aiohttp.ClientSession,
    addresses: Sequence[str],
    kind: str,
    before: Counts,
    patience: timedelta,
) -> None:
    deadline = monotonic() + patience.total_seconds()
    now = before
    while monotonic() < deadline:
        now = await _counts(session, addresses, kind)
        failed = now.failed - before.failed
        if now.tried - before.tried > failed:
            return
        if failed:
            raise OperationError(
                f"Alertmanager has tried to send by {kind}, and failed: its log says why"
            )
        await asyncio.sleep(_LOOK_SECONDS)
    raise OperationError(
        f"Alertmanager has not tried to send by {kind} in {patience.total_seconds():g} s: is it "
        "silenced, or muted by its hours?"
    )


async def _counts(session: aiohttp.ClientSession, addresses: Sequence[str], kind: str) -> Counts:
    """Of all of them together."""
    tried = failed = 0.0
    for address in addresses:
        try:
            page = (await get(session, f"http://{address}/metrics")).decode(errors="replace")
        except NoAnswerError as error:
            raise OperationError(f"Alertmanager at {address} does not answer: {error}") from None
        for is_failed, integration, number in _COUNTER.findall(page):
            if integration == kind:
                failed += float(number) if is_failed else 0.0
                tried += 0.0 if is_failed else float(number)
    return Counts(tried, failed)
