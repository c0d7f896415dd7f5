"""What a replica has claimed to tell PagerDuty is told, whoever dies meanwhile, and to whom."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chatting import CONFIG, environment, spoken
from episodes import add_episode
from pagerduty_standin import (
    Events,
    acknowledged,
    acknowledgement,
    events_api,
    in_group,
    told,
)
from sqlalchemy import select, update
from standins import until
from stores import opened

from exporter.ledger import deliveries
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import deliveries as table
from programs import free_port

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SOON = NOON + timedelta(minutes=5)


async def claimed(store: Store, now: datetime = NOON) -> bool:
    async with store.begin() as connection:
        until_ = now + timedelta(minutes=5)
        return await deliveries.claim(connection, "pagerduty-out", "event", now, until_)


async def is_known(store: Store, now: datetime) -> bool:
    async with store.read() as connection:
        return bool(await deliveries.known(connection, "pagerduty-out", ["event"], now))


# --- a claim ------------------------------------------------------------------------------------


async def test_what_somebody_has_claimed_is_nobody_elses_until_the_claim_has_run_out(
    store: Store,
) -> None:
    assert await claimed(store)
    assert not await claimed(store)
    assert not await claimed(store, SOON)
    assert await is_known(store, SOON)
    late = SOON + timedelta(seconds=1)
    assert not await is_known(store, late)
    assert await claimed(store, late)
    assert not await claimed(store, late)


async def test_what_is_settled_is_never_claimed_again(store: Store) -> None:
    assert await claimed(store)
    async with store.begin() as connection:
        await deliveries.settle(connection, "pagerduty-out", "event")
    assert await is_known(store, NOON + timedelta(days=1))
    assert not await claimed(store, NOON + timedelta(days=1))


async def test_what_is_forgotten_may_be_claimed_at_once(store: Store) -> None:
    assert await claimed(store)
    async with store.begin() as connection:
        await deliveries.forget(connection, "pagerduty-out", "event")
    assert await claimed(store)


async def test_of_many_that_claim_it_at_once_one_has_it(store: Store) -> None:
    assert sum(await asyncio.gather(*(claimed(store) for _ in range(20)))) == 1


# --- kill -9 ------------------------------------------------------------------------------------


@asynccontextmanager
async def exporter(directory: Path, options: StoreOptions, url: str) -> AsyncIterator[int]:
    """A process of its own; its pid. It is gone at the end."""
    config = directory / "killed.py"
    config.write_text(CONFIG.replace("PAGERDUTY_URL", url))
    variables = {"MONITORING_CONFIG": str(config), "HOST": "127.0.0.1", "PORT": str(free_port())}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exporter",
        "serve",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        | environment(options)
        | variables,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_what_kill_9_cuts_off_between_claim_and_answer_is_told_by_another_one(
    options: StoreOptions, tmp_path: Path
) -> None:
    async with events_api() as (events, url):
        events.silent = True
        async with opened(options) as store:
            alert_id = await add_episode(store)
            await in_group(store, 1)
            await acknowledged(store, alert_id)
        async with exporter(tmp_path, options, url):
            await until(lambda: events.received, 120)
        events.silent = False
        async with spoken(tmp_path, options, pagerduty_url=url) as second:
            # As long as the dead one may still be at it, nobody else is.
            assert len(await told(second, (events, url))) == 1
            await run_out(second.store)
            assert await told(second, (events, url)) == [acknowledgement()] * 2
            await run_out(second.store)
            assert len(await told(second, (events, url))) == 2


async def run_out(store: Store) -> None:
    """Let all claims be older than they may be. What is settled has none."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with store.begin() as connection:
        await connection.execute(
            update(table).where(table.c.claimed_until.is_not(None)).values(claimed_until=past)
        )


async def test_a_claim_lasts_longer_than_all_tries(options: StoreOptions, tmp_path: Path) -> None:
    async with (
        events_api() as (events, url),
        spoken(tmp_path, options, pagerduty_url=url) as served,
    ):
        events.silent = True
        alert_id = await add_episode(served.store)
        await in_group(served.store, 1)
        await acknowledged(served.store, alert_id)
        assert served.chat.pagerduty is not None
        await served.chat.pagerduty.look()
        await until(lambda: events.received, 60)
        async with served.store.read() as connection:
            row = (await connection.execute(select(table))).one()
        # Eight answers of 10 s each, and pauses of 1, 2, 4, 8, 16, 32 and 60 s.
        assert row.claimed_until - row.received_at >= timedelta(seconds=8 * 10 + 123)
        # The replica that has claimed it does not begin again either.
        await served.chat.pagerduty.look()
        assert len(events.received) == 1


# --- several channels ---------------------------------------------------------------------------

SEVERAL = CONFIG.replace(
    'PagerDuty(routing_key_file="/secrets/pagerduty", url="PAGERDUTY_URL"),',
    'PagerDuty(routing_key_file="/secrets/pagerduty", url="PAGERDUTY_URL"),\n'
    '        PagerDuty(name="database", routing_key_file="/secrets/b", url="PAGERDUTY_URL"),\n'
    '        PagerDuty(name="network", routing_key_file="/secrets/c", url="PAGERDUTY_URL"),',
).replace('("slack", "pagerduty")', '("slack", "pagerduty", "database", "network")')


@pytest.mark.parametrize(
    ("receiver", "keys"),
    [
        ("slack+pagerduty", {"1" * 32}),
        ("database", {"2" * 32}),
        ("slack+pagerduty+database", {"1" * 32, "2" * 32}),
        # Nobody has given its key.
        ("network", set()),
        ("pagerduty+network", {"1" * 32}),
        ("contact-database", set()),
    ],
)
async def test_of_several_channels_those_are_told_that_have_opened_the_incident(
    tmp_path: Path, options: StoreOptions, receiver: str, keys: set[str]
) -> None:
    given = f"pagerduty={'1' * 32}, database={'2' * 32}"
    async with (
        events_api() as (events, url),
        spoken(
            tmp_path, options, text=SEVERAL, pagerduty_url=url, PAGERDUTY_ROUTING_KEY=given
        ) as served,
    ):
        alert_id = await add_episode(served.store)
        await in_group(served.store, 1, receiver=receiver)
        await acknowledged(served.store, alert_id)
        for _ in range(2):
            sent = await told(served, (events, url))
            assert sorted(one["routing_key"] for one in sent) == sorted(keys)
            assert all(one == acknowledgement(key=one["routing_key"]) for one in sent)


async def test_of_two_channels_the_refusal_of_one_does_not_keep_the_other_from_being_told(
    tmp_path: Path, options: StoreOptions
) -> None:
    given = f"pagerduty={'1' * 32},database={'2' * 32}"
    events: Events
    async with (
        events_api() as (events, url),
        spoken(
            tmp_path, options, text=SEVERAL, pagerduty_url=url, PAGERDUTY_ROUTING_KEY=given
        ) as served,
    ):
        events.answers = [400]
        alert_id = await add_episode(served.store)
        await in_group(served.store, 1, receiver="pagerduty+database")
        await acknowledged(served.store, alert_id)
        assert len(await told(served, (events, url))) == 2
        assert served.service.telemetry.errors.labels("pagerduty").get() == 1
