"""metric-aggregation: what probes found is written by the interval, once, also after an outage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from standins import failure, redis_target, success
from stores import opened

from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import metrics
from exporter.workers.aggregation import Aggregation
from exporter.workers.compaction import AGE, ALL_REPLICAS, compact
from model.sql import SqlMetrics, SqlValue

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
TARGET = redis_target("redis")


@pytest.fixture
def aggregation() -> Aggregation:
    """One that began at noon."""
    return Aggregation("a", NOON)


def feed(aggregation: Aggregation, intervals: int, since: datetime = NOON) -> datetime:
    """Let intervals pass in which one probe succeeds; when the last one ended."""
    now = since
    for _ in range(intervals):
        aggregation.count(TARGET, success())
        now += STEP
        aggregation.end_interval(now)
    return now


async def write(store: Store, aggregation: Aggregation) -> None:
    async with store.session() as session:
        await aggregation.write(session, NOON)


async def pass_time(store: Store, aggregation: Aggregation, intervals: int) -> None:
    """Let intervals pass and be written, one after the other."""
    now = NOON
    for _ in range(intervals):
        now = feed(aggregation, 1, now)
        await write(store, aggregation)


async def rows(store: Store) -> list[Any]:
    async with store.read() as connection:
        found = await connection.execute(select(metrics).order_by(metrics.c.timestamp))
        return list(found.all())


# --- what is not written ------------------------------------------------------------------------


async def test_nothing_is_written_of_an_interval_that_has_not_ended(
    store: Store, aggregation: Aggregation
) -> None:
    aggregation.count(TARGET, success())
    await write(store, aggregation)
    assert await rows(store) == []


async def test_business_figures_are_not_counted(store: Store, aggregation: Aggregation) -> None:
    value = SqlValue(column="n", metric_name="payments", help="How many.")
    target = SqlMetrics(name="payments", query="SELECT 1 AS n", values=(value,))
    aggregation.count(target, success())
    aggregation.end_interval(NOON + STEP)
    await write(store, aggregation)
    assert await rows(store) == []


def test_a_clock_that_is_set_back_ends_no_interval(aggregation: Aggregation) -> None:
    aggregation.end_interval(NOON - STEP)
    aggregation.end_interval(NOON)
    assert aggregation.waiting == ()


# --- what is written ----------------------------------------------------------------------------


async def test_a_row_tells_what_was_seen_of_a_target_in_an_interval(
    store: Store, aggregation: Aggregation
) -> None:
    for result in (success(), success(), failure()):
        aggregation.count(TARGET, result)
    aggregation.end_interval(NOON + STEP)
    await write(store, aggregation)
    (row,) = await rows(store)
    assert row._asdict() == {
        "timestamp": NOON,
        "target": "redis",
        "replica": "a",
        "kind": "redis",
        "seconds": 300,
        "probes": 3,
        "successes": 2,
        "degraded": 0,
        "duration_sum": 0.002,
        "buckets": {"0.001": 2},
    }


async def test_an_interval_begins_where_the_one_before_has_ended(
    store: Store, aggregation: Aggregation
) -> None:
    feed(aggregation, 3)
    await write(store, aggregation)
    assert [row.timestamp for row in await rows(store)] == [NOON, NOON + STEP, NOON + 2 * STEP]


async def test_a_row_that_is_written_again_is_there_once(
    store: Store, aggregation: Aggregation
) -> None:
    # Whether a commit that was cut off has happened, nobody knows.
    feed(aggregation, 1)
    (waiting,) = aggregation.waiting
    await write(store, aggregation)
    aggregation._waiting.append(waiting)
    await write(store, aggregation)
    assert [row.probes for row in await rows(store)] == [1]


async def test_many_targets_are_written_in_several_batches(
    store: Store, aggregation: Aggregation
) -> None:
    for number in range(1200):
        aggregation.count(redis_target(f"redis-{number}"), success())
    aggregation.end_interval(NOON + STEP)
    await write(store, aggregation)
    assert len(await rows(store)) == 1200


# --- a store that is away -----------------------------------------------------------------------


async def test_what_could_not_be_written_waits_and_is_written_by_the_hour(
    options: StoreOptions, aggregation: Aggregation
) -> None:
    async with opened(options) as store:
        await store.close()
        now = feed(aggregation, 30)
        with pytest.raises(StoreUnavailableError):
            await write(store, aggregation)
        await store.open()
        await write(store, aggregation)
        written = await rows(store)
    assert sum(row.probes for row in written) == 30
    assert sum(row.seconds for row in written) == (now - NOON).total_seconds()
    # That of two o'clock is not over.
    assert [row.seconds for row in written] == [3600, 3600, *[300] * 6]
    assert aggregation.waiting == ()


def test_what_may_be_in_the_store_already_is_added_to_nothing(aggregation: Aggregation) -> None:
    now = feed(aggregation, 2)
    aggregation.waiting[1].tried = True
    feed(aggregation, 22, now)
    lengths = [(waiting.end - waiting.start) / STEP for waiting in aggregation.waiting]
    assert lengths == [1, 1, 10, 12]


def test_no_more_than_a_day_waits(aggregation: Aggregation) -> None:
    now = feed(aggregation, 3 * 288)
    assert len(aggregation.waiting) <= 24 + 12 + 1
    assert now - aggregation.waiting[0].start <= timedelta(hours=25)
    probes = sum(waiting.tallies["redis"].probes for waiting in aggregation.waiting)
    assert 288 <= probes <= 300


# --- rows by the hour ---------------------------------------------------------------------------


async def test_after_a_day_all_replicas_rows_of_an_hour_are_one(store: Store) -> None:
    for replica in "ab":
        aggregation = Aggregation(replica, NOON)
        await pass_time(store, aggregation, 24)
    async with store.session() as session:
        assert await compact(session, NOON + AGE) == 0
        assert await compact(session, NOON + AGE + timedelta(hours=1)) == 1
        assert await compact(session, NOON + AGE + timedelta(hours=1)) == 0
    first, *others = await rows(store)
    assert (first.timestamp, first.replica, first.seconds) == (NOON, ALL_REPLICAS, 3600)
    assert (first.probes, first.successes, first.buckets) == (24, 24, {"0.001": 24})
    assert len(others) == 24


async def test_rows_that_come_late_join_their_hour(store: Store) -> None:
    async with store.session() as session:
        for replica in "ab":
            aggregation = Aggregation(replica, NOON)
            await pass_time(store, aggregation, 12)
            assert await compact(session, NOON + 2 * AGE) == 1
    async with store.read() as connection:
        counted = select(func.count(), func.sum(metrics.c.probes))
        assert tuple((await connection.execute(counted)).one()) == (1, 24)
