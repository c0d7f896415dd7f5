"""Availability and latency of targets in 24 hours, 7 days and 30 days, on both stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from exporter.ledger.service_figures import WINDOWS, Figures, ServiceFigures, figures
from exporter.ledger.store import Store
from exporter.ledger.tables import metrics

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def row(at: datetime, target: str = "web", replica: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "timestamp": at,
        "target": target,
        "replica": replica,
        "kind": "http",
        "seconds": 300,
        "probes": 60,
        "successes": 60,
        "degraded": 0,
        "duration_sum": 0.6,
        "buckets": {"0.01": 60},
        **more,
    }


async def add(store: Store, *rows: dict[str, Any]) -> None:
    async with store.begin() as connection:
        await connection.execute(insert(metrics), list(rows))


async def probes(store: Store, target: str = "web") -> dict[str, int]:
    told = await figures(store, [target], NOW)
    return {window: of.probes for window, of in told[target].items()}


async def test_a_target_without_rows_has_no_figures(store: Store) -> None:
    assert await figures(store, ["web"], NOW) == {"web": dict.fromkeys(WINDOWS, Figures())}
    assert await figures(store, [], NOW) == {}


async def test_a_target_that_was_always_down_has_no_latency(store: Store) -> None:
    await add(store, row(NOW - HOUR, successes=0, buckets={}, duration_sum=0.0))
    told = (await figures(store, ["web"], NOW))["web"]["24h"]
    assert told == Figures(probes=60, availability=0.0)


@pytest.mark.parametrize(
    ("age", "windows"),
    [
        (DAY, {"24h", "7d", "30d"}),
        (DAY + timedelta(microseconds=1), {"7d", "30d"}),
        (7 * DAY, {"7d", "30d"}),
        (7 * DAY + timedelta(microseconds=1), {"30d"}),
        (30 * DAY, {"30d"}),
        (30 * DAY + timedelta(microseconds=1), set()),
    ],
)
async def test_a_row_counts_in_the_windows_that_it_began_in(
    store: Store, age: timedelta, windows: set[str]
) -> None:
    await add(store, row(NOW - age))
    told = await probes(store)
    assert {window for window, number in told.items() if number} == windows


async def test_what_replicas_and_intervals_have_seen_is_added_up(store: Store) -> None:
    await add(
        store,
        row(NOW - HOUR, replica="a", successes=50, buckets={"0.01": 50}),
        row(NOW - HOUR, replica="b", successes=60, degraded=7, buckets={"0.01": 58, "0.1": 2}),
        row(NOW - 2 * HOUR, replica="a", successes=0, buckets={}),
        row(NOW - HOUR, target="other", successes=1, buckets={"10.0": 1}),
    )
    told = (await figures(store, ["web", "other"], NOW))["web"]["24h"]
    assert (told.probes, told.successes, told.degraded) == (180, 110, 7)
    assert told.availability == pytest.approx(110 / 180)
    # 108 of 110 lie between 8 and 10 ms, and two between 80 and 100.
    assert told.p50 == pytest.approx(0.008 + 0.002 * 55 / 108)
    assert told.p95 == pytest.approx(0.008 + 0.002 * 104.5 / 108)
    assert told.p99 == pytest.approx(0.08 + 0.02 * 0.9 / 2)


async def test_all_targets_are_told_at_once_and_no_others(store: Store) -> None:
    await add(store, *(row(NOW - HOUR, target=name) for name in ("one", "two", "three")))
    told = await figures(store, ["one", "two", "none"], NOW)
    assert {name: of["30d"].probes for name, of in told.items()} == {
        "one": 60,
        "two": 60,
        "none": 0,
    }


async def test_what_was_archived_by_hand_within_a_window_still_counts(store: Store) -> None:
    await add(store, row(NOW - 20 * DAY), row(NOW - HOUR))
    async with store.begin() as connection:
        await connection.execute(
            text("CREATE TABLE metrics_archive_2026_11 AS SELECT * FROM metrics")
        )
        await connection.execute(text("DELETE FROM metrics"))
    await add(store, row(NOW - 2 * HOUR))
    assert await probes(store) == {"24h": 120, "7d": 120, "30d": 180}


async def test_the_store_is_asked_once_in_a_while(store: Store) -> None:
    known = ServiceFigures(store, fresh=60)
    await add(store, row(NOW - HOUR))
    for later, expected in ((0, 60), (59, 60), (60, 120)):
        told = await known.of(["web"], NOW + timedelta(seconds=later))
        assert told["web"]["24h"].probes == expected
        if later == 0:
            await add(store, row(NOW - HOUR, replica="b"))
    # A target that was not asked for before is not known.
    assert set(await known.of(["web", "new"], NOW + timedelta(seconds=61))) == {"web", "new"}
