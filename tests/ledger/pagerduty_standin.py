"""PagerDuty's Events API as a stand-in, and incidents that it is to be told of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from chatting import GROUP, ROUTING_KEY, Spoken
from episodes import fingerprint

from exporter.ledger.actions import acknowledge
from exporter.ledger.actor import Actor, Via
from exporter.ledger.groups import dedup_key, remember_groups
from exporter.ledger.incoming import Group, Incoming
from exporter.ledger.store import Store


class Events:
    """A stand-in for the Events API with chosen answers. While `silent` it never answers."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.silent = False

    async def take(self, request: web.Request) -> web.Response:
        """Keep an event."""
        self.received.append(await request.json())
        if self.silent:
            await asyncio.Event().wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 202)


@asynccontextmanager
async def events_api() -> AsyncIterator[tuple[Events, str]]:
    """Serve it; the address is the second."""
    events = Events()
    app = web.Application()
    app.router.add_post("/v2/enqueue", events.take)
    # What it never answers is not waited for at its end.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield events, f"http://127.0.0.1:{runner.addresses[0][1]}/v2/enqueue"
    finally:
        await runner.cleanup()


def hurry(served: Spoken) -> None:
    """Let it not wait long between its tries."""
    assert served.chat.pagerduty is not None
    served.chat.pagerduty._pause = 0.01


async def told(served: Spoken, events: tuple[Events, str]) -> list[dict[str, Any]]:
    """All that was sent, once all is sent that is to be sent."""
    assert served.chat.pagerduty is not None
    await served.chat.pagerduty.look()
    await served.settled()
    return events[0].received


async def in_group(
    store: Store, *numbers: int, group: str = GROUP, receiver: str = "slack+pagerduty"
) -> None:
    """Let Alertmanager have told people of these alerts by one group."""
    now = datetime.now(UTC)
    labels = {"alertname": "ServiceDown", "severity": "critical"}
    incoming = [
        Incoming(fingerprint(number), labels, now, group=Group(receiver, group))
        for number in numbers
    ]
    async with store.begin() as connection:
        await remember_groups(connection, incoming, now)


async def acknowledged(store: Store, alert_id: str, via: Via = "api", **ago: float) -> None:
    """Let Jane have acknowledged it."""
    await acknowledge(store, alert_id, Actor("jane", via), datetime.now(UTC) - timedelta(**ago))


def acknowledgement(group: str = GROUP, key: str = ROUTING_KEY) -> dict[str, str]:
    """What PagerDuty is told."""
    return {
        "routing_key": key,
        "event_action": "acknowledge",
        "dedup_key": dedup_key(group),
    }


def errors(served: Spoken) -> float:
    """How many acknowledgements were not told."""
    return served.service.telemetry.errors.labels("pagerduty").get()
