"""cleanup: what is archived, what is dropped, and what stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, text
from test_archives import alert, measured

from exporter.ledger.archives import archive_tables
from exporter.ledger.errors import ArchiveRefusedError
from exporter.ledger.store import Store
from exporter.ledger.tables import alert_groups, alert_notes, alerts, deliveries, metrics, replicas
from exporter.workers.cleanup import clean_up
from model.workers import Workers

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
DAY = timedelta(days=1)


async def add(store: Store, table: Table, *rows: dict[str, Any]) -> None:
    async with store.begin() as connection:
        await connection.execute(insert(table), list(rows))


async def clean(store: Store, kept: Workers | None = None) -> None:
    async with store.session() as session:
        await clean_up(session, kept or Workers(), NOW)


async def left(store: Store, table: Table) -> int:
    async with store.read() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


async def archived(store: Store) -> list[str]:
    async with store.read() as connection:
        return [
            *await archive_tables(connection, alerts),
            *await archive_tables(connection, metrics),
        ]


async def test_an_archive_that_cannot_be_filled_is_told_when_all_else_is_done(
    store: Store,
) -> None:
    old = NOW - 100 * DAY
    await add(store, alerts, alert(old))
    await add(store, metrics, measured(old))
    async with store.begin() as connection:
        await connection.execute(text(f"CREATE TABLE metrics_archive_{old:%Y_%m} AS SELECT 1 AS x"))
    with pytest.raises(ArchiveRefusedError, match="it has no timestamp, target, replica"):
        await clean(store)
    assert (await left(store, metrics), await left(store, alerts)) == (1, 0)


@pytest.mark.parametrize(
    ("row", "stays"),
    [
        (alert(NOW - 30 * DAY, ends_at=NOW - 30 * DAY - INSTANT), True),
        (alert(NOW - 30 * DAY - INSTANT, ends_at=NOW - 30 * DAY), True),
        (alert(NOW - 30 * DAY - INSTANT, ends_at=NOW - 30 * DAY - INSTANT), False),
        # It fired for longer than alerts are kept: what comes late must still find it.
        (alert(NOW - 100 * DAY, ends_at=NOW - DAY), True),
        # A person has ended it, and Alertmanager has not.
        (alert(NOW - 100 * DAY, firing=True), True),
        (alert(NOW - 100 * DAY, status="active"), True),
        (alert(NOW - 100 * DAY, status="acknowledged"), True),
    ],
)
async def test_an_alert_is_archived_when_it_ended_long_ago(
    store: Store, row: dict[str, Any], stays: bool
) -> None:
    await add(store, alerts, row)
    await clean(store)
    assert await left(store, alerts) == int(stays)
    assert bool(await archived(store)) != stays


@pytest.mark.parametrize(("age", "stays"), [(90 * DAY, True), (90 * DAY + INSTANT, False)])
async def test_metrics_are_archived_after_ninety_days(
    store: Store, age: timedelta, stays: bool
) -> None:
    await add(store, metrics, measured(NOW - age))
    await clean(store)
    assert await left(store, metrics) == int(stays)


async def test_how_long_rows_are_kept_is_the_configs(store: Store) -> None:
    await add(store, alerts, alert(NOW - 3 * DAY))
    await add(store, metrics, measured(NOW - 3 * DAY))
    await clean(store, Workers(keep_metrics=2 * DAY, keep_alerts=2 * DAY))
    assert (await left(store, alerts), await left(store, metrics)) == (0, 0)


async def test_notes_stay_where_they_are(store: Store) -> None:
    row = alert(NOW - 100 * DAY)
    note = {"alert_id": row["id"], "created_at": NOW, "author": "me", "channel": "api", "text": "x"}
    await add(store, alerts, row)
    await add(store, alert_notes, note)
    await clean(store)
    assert (await left(store, alerts), await left(store, alert_notes)) == (0, 1)


@pytest.mark.parametrize(
    ("table", "row", "seen", "kept"),
    [
        (deliveries, {"source": "pagerduty", "event_id": "1"}, "received_at", DAY),
        (
            alert_groups,
            {"fingerprint": "1", "receiver": "x", "group_key": "g", "dedup_key": "d"},
            "seen_at",
            30 * DAY,
        ),
        (replicas, {"name": "a", "started_at": NOW, "version": "1"}, "seen_at", DAY),
    ],
)
async def test_what_only_served_a_while_goes(
    store: Store, table: Table, row: dict[str, Any], seen: str, kept: timedelta
) -> None:
    key = next(iter(row))
    young, old = {**row, seen: NOW - kept}, {**row, key: "other", seen: NOW - kept - INSTANT}
    await add(store, table, young, old)
    await clean(store)
    assert await left(store, table) == 1
