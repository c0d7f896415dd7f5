"""What is acknowledged elsewhere is told to PagerDuty, once, and as often as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chatting import GROUP, ROUTING_KEY, Spoken, spoken
from episodes import add_ended_episode, add_episode, fingerprint
from standins import until
from stores import new_database

from exporter.ledger.actions import acknowledge, resolve
from exporter.ledger.actor import Actor, Via
from exporter.ledger.groups import dedup_key, remember_groups
from exporter.ledger.incoming import Group, Incoming
from exporter.ledger.store import StoreOptions
from programs import Postgres


class Events:
    """A stand-in for the Events API whose answers can be chosen."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []

    async def take(self, request: web.Request) -> web.Response:
        self.received.append(await request.json())
        return web.Response(status=self.answers.pop(0) if self.answers else 202)


@asynccontextmanager
async def events_api() -> AsyncIterator[tuple[Events, str]]:
    events = Events()
    app = web.Application()
    app.router.add_post("/v2/enqueue", events.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield events, f"http://127.0.0.1:{runner.addresses[0][1]}/v2/enqueue"
    finally:
        await runner.cleanup()


@pytest.fixture
async def events() -> AsyncIterator[tuple[Events, str]]:
    """The stand-in, and its address."""
    async with events_api() as made:
        yield made


@pytest.fixture
async def exporter(
    options: StoreOptions, tmp_path: Path, events: tuple[Events, str]
) -> AsyncIterator[Spoken]:
    """One on a store of each kind, which does not wait long between its tries."""
    async with spoken(tmp_path, options, pagerduty_url=events[1]) as served:
        hurry(served)
        yield served


def hurry(served: Spoken) -> None:
    assert served.chat.pagerduty is not None
    served.chat.pagerduty._pause = 0.01


async def told(served: Spoken, events: tuple[Events, str]) -> list[dict[str, Any]]:
    """All that was sent, once all is sent that is to be sent."""
    assert served.chat.pagerduty is not None
    await served.chat.pagerduty.look()
    await served.settled()
    return events[0].received


async def in_group(
    served: Spoken, *numbers: int, group: str = GROUP, receiver: str = "slack+pagerduty"
) -> None:
    now = datetime.now(UTC)
    labels = {"alertname": "ServiceDown", "severity": "critical"}
    incoming = [
        Incoming(fingerprint(number), labels, now, group=Group(receiver, group))
        for number in numbers
    ]
    async with served.store.begin() as connection:
        await remember_groups(connection, incoming, now)


async def acknowledged(served: Spoken, alert_id: str, via: Via = "api", **ago: float) -> None:
    await acknowledge(
        served.store, alert_id, Actor("jane", via), datetime.now(UTC) - timedelta(**ago)
    )


def acknowledgement(group: str = GROUP) -> dict[str, str]:
    return {
        "routing_key": ROUTING_KEY,
        "event_action": "acknowledge",
        "dedup_key": dedup_key(group),
    }


# --- what is told -------------------------------------------------------------------------------


@pytest.mark.parametrize("via", ["api", "console", "slack"])
async def test_an_acknowledgement_made_elsewhere_is_told_once(
    exporter: Spoken, events: tuple[Events, str], via: Via
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1)
    await acknowledged(exporter, alert_id, via)
    for _ in range(3):
        assert await told(exporter, events) == [acknowledgement()]


async def test_it_is_told_when_the_incident_is_known_only_later(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await acknowledged(exporter, alert_id)
    assert await told(exporter, events) == []
    await in_group(exporter, 1)
    assert await told(exporter, events) == [acknowledgement()]


async def test_an_acknowledgement_of_pagerdutys_own_is_not_told(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1)
    await acknowledged(exporter, alert_id, "pagerduty")
    assert await told(exporter, events) == []


async def test_an_incident_is_not_acknowledged_while_one_of_its_alerts_waits(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    first, second = await add_episode(exporter.store, 1), await add_episode(exporter.store, 2)
    await in_group(exporter, 1, 2)
    await acknowledged(exporter, first)
    assert await told(exporter, events) == []
    await acknowledged(exporter, second)
    assert await told(exporter, events) == [acknowledgement()]


async def test_what_joins_an_incident_later_is_told_when_it_is_acknowledged_too(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    await acknowledged(exporter, await add_episode(exporter.store, 1), minutes=1)
    await in_group(exporter, 1)
    assert len(await told(exporter, events)) == 1
    late = await add_episode(exporter.store, 2)
    await in_group(exporter, 1, 2)
    assert len(await told(exporter, events)) == 1
    await acknowledged(exporter, late)
    assert await told(exporter, events) == [acknowledgement(), acknowledgement()]


async def test_what_is_suppressed_or_has_ended_holds_no_incident_up(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store, 1)
    await add_episode(exporter.store, 2, suppressed=True)
    await add_ended_episode(exporter.store, 3)
    await in_group(exporter, 1, 2, 3)
    await acknowledged(exporter, alert_id)
    assert await told(exporter, events) == [acknowledgement()]


async def test_what_has_ended_meanwhile_is_not_told(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1)
    await acknowledged(exporter, alert_id)
    await resolve(exporter.store, alert_id, Actor("jane", "api"), datetime.now(UTC))
    assert await told(exporter, events) == []


@pytest.mark.parametrize(("minutes", "number"), [(59, 1), (61, 0)])
async def test_what_was_acknowledged_over_an_hour_ago_is_old_news(
    exporter: Spoken, events: tuple[Events, str], minutes: float, number: int
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1)
    await acknowledged(exporter, alert_id, minutes=minutes)
    assert len(await told(exporter, events)) == number


async def test_of_two_replicas_one_tells(
    postgres: Postgres, tmp_path: Path, events: tuple[Events, str]
) -> None:
    shared = StoreOptions(url=new_database(postgres))
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    async with (
        spoken(tmp_path / "one", shared, pagerduty_url=events[1]) as one,
        spoken(tmp_path / "other", shared, pagerduty_url=events[1]) as other,
    ):
        for number in range(1, 11):
            alert_id = await add_episode(one.store, number)
            await in_group(one, number, group=f"group {number}")
            await acknowledged(one, alert_id)
        await asyncio.gather(told(one, events), told(other, events))
        assert len(events[0].received) == 10


async def test_the_incident_of_somebodys_own_service_is_not_ours_to_acknowledge(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1, receiver="contact-manager")
    await acknowledged(exporter, alert_id)
    assert await told(exporter, events) == []


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_it_is_tried_again_when_pagerduty_cannot_take_it(
    exporter: Spoken, events: tuple[Events, str], status: int
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1)
    await acknowledged(exporter, alert_id)
    events[0].answers = [status, status]
    assert len(await told(exporter, events)) == 3
    assert errors(exporter) == 0


async def test_it_is_given_up_at_last_and_counted(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1)
    await acknowledged(exporter, alert_id)
    events[0].answers = [500] * 100
    assert len(await told(exporter, events)) == 8
    assert errors(exporter) == 1
    assert len(await told(exporter, events)) == 8


@pytest.mark.parametrize("status", [200, 302, 400, 404])
async def test_what_pagerduty_refuses_is_not_tried_again(
    exporter: Spoken, events: tuple[Events, str], status: int
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter, 1)
    await acknowledged(exporter, alert_id)
    events[0].answers = [status]
    assert len(await told(exporter, events)) == 1
    assert errors(exporter) == 1


async def test_nobody_at_its_address_is_an_error_and_no_crash(
    options: StoreOptions, tmp_path: Path, events: tuple[Events, str]
) -> None:
    async with spoken(tmp_path, options) as served:
        hurry(served)
        alert_id = await add_episode(served.store)
        await in_group(served, 1)
        await acknowledged(served, alert_id)
        assert await told(served, events) == []
        assert errors(served) == 1


async def test_what_the_end_of_the_process_cuts_off_is_told_by_the_next_one(
    options: StoreOptions, tmp_path: Path, events: tuple[Events, str]
) -> None:
    async with spoken(tmp_path, options, pagerduty_url=events[1]) as first:
        alert_id = await add_episode(first.store)
        await in_group(first, 1)
        await acknowledged(first, alert_id)
        events[0].answers = [500] * 100
        assert first.chat.pagerduty is not None
        await first.chat.pagerduty.look()
    tried = len(events[0].received)
    events[0].answers.clear()
    async with spoken(tmp_path, options, pagerduty_url=events[1]) as second:
        assert len(await told(second, events)) == tried + 1


async def test_it_is_told_in_the_background_and_goes_on_after_the_store_was_away(
    options: StoreOptions, tmp_path: Path, events: tuple[Events, str]
) -> None:
    async with spoken(tmp_path, options, pagerduty_url=events[1], opened=False) as served:
        running = asyncio.create_task(served.chat.run())
        await asyncio.sleep(0.1)
        await served.store.open()
        alert_id = await add_episode(served.store)
        await in_group(served, 1)
        await acknowledged(served, alert_id)
        await until(lambda: events[0].received, 20)
        running.cancel()
        await asyncio.wait([running])


async def test_without_a_routing_key_nothing_is_told(options: StoreOptions, tmp_path: Path) -> None:
    async with spoken(tmp_path, options, PAGERDUTY_ROUTING_KEY="") as served:
        assert served.chat.pagerduty is None


def errors(served: Spoken) -> float:
    return served.service.telemetry.errors.labels("pagerduty").get()
