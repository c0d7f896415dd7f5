"""What is acknowledged elsewhere is told to PagerDuty, once, and as often as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chatting import Spoken, spoken
from episodes import add_ended_episode, add_episode
from pagerduty_standin import (
    Events,
    acknowledged,
    acknowledgement,
    errors,
    events_api,
    hurry,
    in_group,
    told,
)
from standins import until
from stores import new_database

from exporter.ledger.actions import resolve
from exporter.ledger.actor import Actor, Via
from exporter.ledger.store import StoreOptions
from programs import Postgres


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


# --- what is told -------------------------------------------------------------------------------


@pytest.mark.parametrize("via", ["api", "console", "slack"])
async def test_an_acknowledgement_made_elsewhere_is_told_once(
    exporter: Spoken, events: tuple[Events, str], via: Via
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1)
    await acknowledged(exporter.store, alert_id, via)
    for _ in range(3):
        assert await told(exporter, events) == [acknowledgement()]


async def test_it_is_told_when_the_incident_is_known_only_later(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await acknowledged(exporter.store, alert_id)
    assert await told(exporter, events) == []
    await in_group(exporter.store, 1)
    assert await told(exporter, events) == [acknowledgement()]


async def test_an_acknowledgement_of_pagerdutys_own_is_not_told(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1)
    await acknowledged(exporter.store, alert_id, "pagerduty")
    assert await told(exporter, events) == []


async def test_an_incident_is_not_acknowledged_while_one_of_its_alerts_waits(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    first, second = await add_episode(exporter.store, 1), await add_episode(exporter.store, 2)
    await in_group(exporter.store, 1, 2)
    await acknowledged(exporter.store, first)
    assert await told(exporter, events) == []
    await acknowledged(exporter.store, second)
    assert await told(exporter, events) == [acknowledgement()]


async def test_what_joins_an_incident_later_is_told_when_it_is_acknowledged_too(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    await acknowledged(exporter.store, await add_episode(exporter.store, 1), minutes=1)
    await in_group(exporter.store, 1)
    assert len(await told(exporter, events)) == 1
    late = await add_episode(exporter.store, 2)
    await in_group(exporter.store, 1, 2)
    assert len(await told(exporter, events)) == 1
    await acknowledged(exporter.store, late)
    assert await told(exporter, events) == [acknowledgement(), acknowledgement()]


async def test_what_is_suppressed_or_has_ended_holds_no_incident_up(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store, 1)
    await add_episode(exporter.store, 2, suppressed=True)
    await add_ended_episode(exporter.store, 3)
    await in_group(exporter.store, 1, 2, 3)
    await acknowledged(exporter.store, alert_id)
    assert await told(exporter, events) == [acknowledgement()]


async def test_what_has_ended_meanwhile_is_not_told(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1)
    await acknowledged(exporter.store, alert_id)
    await resolve(exporter.store, alert_id, Actor("jane", "api"), datetime.now(UTC))
    assert await told(exporter, events) == []


@pytest.mark.parametrize(("minutes", "number"), [(59, 1), (61, 0)])
async def test_what_was_acknowledged_over_an_hour_ago_is_old_news(
    exporter: Spoken, events: tuple[Events, str], minutes: float, number: int
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1)
    await acknowledged(exporter.store, alert_id, minutes=minutes)
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
            await in_group(one.store, number, group=f"group {number}")
            await acknowledged(one.store, alert_id)
        await asyncio.gather(told(one, events), told(other, events))
        assert len(events[0].received) == 10


async def test_the_incident_of_somebodys_own_service_is_not_ours_to_acknowledge(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1, receiver="contact-manager")
    await acknowledged(exporter.store, alert_id)
    assert await told(exporter, events) == []


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_it_is_tried_again_when_pagerduty_cannot_take_it(
    exporter: Spoken, events: tuple[Events, str], status: int
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1)
    await acknowledged(exporter.store, alert_id)
    events[0].answers = [status, status]
    assert len(await told(exporter, events)) == 3
    assert errors(exporter) == 0


async def test_it_is_given_up_at_last_and_counted(
    exporter: Spoken, events: tuple[Events, str]
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1)
    await acknowledged(exporter.store, alert_id)
    events[0].answers = [500] * 100
    assert len(await told(exporter, events)) == 8
    assert errors(exporter) == 1
    assert len(await told(exporter, events)) == 8


@pytest.mark.parametrize("status", [200, 302, 400, 404])
async def test_what_pagerduty_refuses_is_not_tried_again(
    exporter: Spoken, events: tuple[Events, str], status: int
) -> None:
    alert_id = await add_episode(exporter.store)
    await in_group(exporter.store, 1)
    await acknowledged(exporter.store, alert_id)
    events[0].answers = [status]
    assert len(await told(exporter, events)) == 1
    assert errors(exporter) == 1


async def test_nobody_at_its_address_is_an_error_and_no_crash(
    options: StoreOptions, tmp_path: Path, events: tuple[Events, str]
) -> None:
    async with spoken(tmp_path, options) as served:
        hurry(served)
        alert_id = await add_episode(served.store)
        await in_group(served.store, 1)
        await acknowledged(served.store, alert_id)
        assert await told(served, events) == []
        assert errors(served) == 1


async def test_what_the_end_of_the_process_cuts_off_is_told_by_the_next_one(
    options: StoreOptions, tmp_path: Path, events: tuple[Events, str]
) -> None:
    async with spoken(tmp_path, options, pagerduty_url=events[1]) as first:
        alert_id = await add_episode(first.store)
        await in_group(first.store, 1)
        await acknowledged(first.store, alert_id)
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
        await in_group(served.store, 1)
        await acknowledged(served.store, alert_id)
        await until(lambda: events[0].received, 60)
        running.cancel()
        await asyncio.wait([running])


async def test_without_a_routing_key_nothing_is_told(options: StoreOptions, tmp_path: Path) -> None:
    async with spoken(tmp_path, options, PAGERDUTY_ROUTING_KEY="") as served:
        assert served.chat.pagerduty is None
