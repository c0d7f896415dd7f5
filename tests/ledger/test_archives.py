"""Archives: what is old is moved in batches, and history reads it as if it had never been."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from stores import new_database, opened
from structlog.testing import capture_logs

from exporter.ledger.archives import archive_tables, everywhere
from exporter.ledger.archiving import Archiving, archive
from exporter.ledger.errors import ArchiveRefusedError, StoreUnavailableError
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import RESOLVED, alerts, metrics
from programs import Postgres

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
ALERTS = Archiving(alerts, alerts.c.created_at, (alerts.c.status == RESOLVED,))
METRICS = Archiving(metrics, metrics.c.timestamp)


def alert(at: datetime, status: str = RESOLVED, **more: Any) -> dict[str, Any]:
    """A row of an episode that came at a time, and ended an hour later if it is resolved."""
    identity = str(uuid.uuid4())
    return {
        "id": identity,
        "fingerprint": identity[-12:],
        "name": "ServiceDown",
        "severity": "critical",
        "service": "web",
        "status": status,
        "labels": {"service": "web"},
        "annotations": {},
        "starts_at": at,
        "ends_at": at + timedelta(hours=1) if status == RESOLVED else None,
        "created_at": at,
        "updated_at": at,
        "source": "webhook",
        "firing": status != RESOLVED,
        **more,
    }


def measured(at: datetime, target: str = "web") -> dict[str, Any]:
    """A row of what a replica has seen of a target in five minutes."""
    return {
        "timestamp": at,
        "target": target,
        "replica": "a",
        "kind": "http",
        "seconds": 300,
        "probes": 60,
        "successes": 60,
        "degraded": 0,
        "duration_sum": 0.6,
        "buckets": {"0.01": 60},
    }


async def add(store: Store, *rows: dict[str, Any]) -> None:
    async with store.begin(deadline=120) as connection:
        for start in range(0, len(rows), 500):
            batch = rows[start : start + 500]
            await connection.execute(insert(alerts if "id" in batch[0] else metrics), batch)


async def move(store: Store, what: Archiving = ALERTS, days: int = 30) -> int:
    async with store.session() as session:
        return await archive(session, what, NOW - timedelta(days=days))


async def known(store: Store) -> Sequence[str]:
    async with store.read() as connection:
        everything = await everywhere(connection, alerts)
        ids = await connection.execute(select(everything.c.id).order_by(everything.c.id))
        return ids.scalars().all()


async def archives(store: Store) -> list[str]:
    async with store.read() as connection:
        return await archive_tables(connection, alerts)


async def count(store: Store, table: str) -> int:
    async with store.read() as connection:
        return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


# --- what is not touched ------------------------------------------------------------------------


async def test_a_table_without_archives_is_read_alone(store: Store) -> None:
    row = alert(OLD)
    await add(store, row)
    assert (await archives(store), await known(store)) == ([], [row["id"]])


async def test_what_is_young_or_open_stays_where_it_is(store: Store) -> None:
    cutoff = NOW - timedelta(days=30)
    await add(store, alert(cutoff), alert(OLD, status="active"), alert(OLD, status="acknowledged"))
    assert await move(store) == 0
    assert (await count(store, "alerts"), await archives(store)) == (3, [])


async def test_tables_with_other_names_are_no_archives(store: Store) -> None:
    others = ("alerts_archive_2025_13", "alerts_archive_2025_1", "alerts_archive_2025_01_x")
    async with store.begin() as connection:
        for name in others:
            await connection.execute(text(f"CREATE TABLE {name} AS SELECT * FROM alerts"))
    assert await archives(store) == []


# --- what is moved ------------------------------------------------------------------------------


async def test_a_row_moves_as_soon_as_it_is_older_than_the_limit(store: Store) -> None:
    cutoff = NOW - timedelta(days=30)
    await add(store, alert(cutoff - timedelta(microseconds=1)), alert(cutoff))
    assert await move(store) == 1
    assert (await count(store, "alerts"), await count(store, "alerts_archive_2026_10")) == (1, 1)


async def test_each_row_goes_to_the_archive_of_its_own_month(store: Store) -> None:
    december = datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    await add(store, alert(december), alert(december + timedelta(microseconds=1)))
    assert await move(store) == 2
    assert await archives(store) == ["alerts_archive_2025_12", "alerts_archive_2026_01"]
    assert await count(store, "alerts_archive_2025_12") == 1


async def test_a_row_is_in_its_archive_what_it_was(store: Store) -> None:
    row = alert(
        OLD,
        labels={"a": "ü", "b": "{}"},
        response_due_at=OLD + timedelta(minutes=5),
        false_positive=True,
        acknowledged_by="me",
    )
    await add(store, row)
    async with store.read() as connection:
        before = (await connection.execute(select(alerts))).one()
    await move(store)
    async with store.read() as connection:
        everything = await everywhere(connection, alerts)
        after = (await connection.execute(select(everything))).one()
    assert after._asdict() == before._asdict()
    assert await count(store, "alerts") == 0


async def test_what_becomes_old_later_joins_its_month(store: Store) -> None:
    await add(store, alert(OLD))
    await move(store)
    await add(store, alert(OLD), alert(OLD + timedelta(minutes=1)))
    assert await move(store) == 2
    assert await count(store, "alerts_archive_2026_08") == 3


async def test_metrics_are_archived_by_their_time_in_batches(store: Store) -> None:
    rows = [measured(OLD + timedelta(minutes=5 * n), target) for n in range(30) for target in "ab"]
    await add(store, *rows, measured(NOW))
    assert await move(store, Archiving(metrics, metrics.c.timestamp, batch=7), days=90) == 60
    async with store.read() as connection:
        everything = await everywhere(connection, metrics)
        total = await connection.scalar(select(func.sum(everything.c.probes)))
    assert (total, await count(store, "metrics")) == (61 * 60, 1)


async def test_a_row_that_somebody_is_changing_waits_for_the_next_time(postgres: Postgres) -> None:
    async with opened(StoreOptions(url=new_database(postgres))) as store:
        held, free = alert(OLD), alert(OLD)
        await add(store, held, free)
        async with store.begin() as connection:
            await connection.execute(
                select(alerts).where(alerts.c.id == held["id"]).with_for_update()
            )
            assert await move(store) == 1
        assert await move(store) == 1


async def test_every_reader_sees_each_of_8_000_rows_once_while_they_move(store: Store) -> None:
    months = [NOW - timedelta(days=31 * n) for n in range(2, 10)]
    rows = [alert(months[n % len(months)]) for n in range(8_000)]
    await add(store, *rows)
    expected = (len(rows), len(rows))
    seen: list[tuple[int, int]] = []
    done = asyncio.Event()

    async def look() -> None:
        while not done.is_set():
            async with store.read(deadline=60) as connection:
                everything = await everywhere(connection, alerts)
                # Other transactions come in between, as they may.
                await asyncio.sleep(0.01)
                counts = select(func.count(), func.count(everything.c.id.distinct()))
                row = (await connection.execute(counts.select_from(everything))).one()
                seen.append((row[0], row[1]))

    async with asyncio.TaskGroup() as readers:
        for _ in range(2):
            readers.create_task(look())
        while not seen:  # noqa: ASYNC110 - it is the readers that make progress
            await asyncio.sleep(0.01)
        assert await move(store, replace(ALERTS, batch=100)) == len(rows)
        before = len(seen)
        done.set()
    assert before > 1
    assert set(seen) == {expected}
    assert await count(store, "alerts") == 0


# --- archives that others have made -------------------------------------------------------------

ARCHIVE = "alerts_archive_2025_01"


async def by_hand(store: Store, *statements: str) -> None:
    async with store.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_an_archive_made_by_hand_is_read_whatever_its_month(store: Store) -> None:
    row = alert(OLD)
    await add(store, row)
    await by_hand(store, f"CREATE TABLE {ARCHIVE} AS SELECT * FROM alerts", "DELETE FROM alerts")
    assert (await archives(store), await known(store)) == ([ARCHIVE], [row["id"]])


async def test_columns_that_an_archive_lacks_are_their_defaults_and_others_are_left_out(
    store: Store,
) -> None:
    await add(store, alert(OLD, acknowledged_by="me", suppressed=True, generator_url="x"))
    await by_hand(
        store,
        f"CREATE TABLE {ARCHIVE} AS SELECT 7 AS mine, status, name, created_at, id FROM alerts",
        "DELETE FROM alerts",
    )
    async with store.read() as connection:
        everything = await everywhere(connection, alerts)
        (row,) = (await connection.execute(select(everything))).all()
    assert (row.name, row.status, row.created_at) == ("ServiceDown", RESOLVED, OLD)
    assert (row.acknowledged_by, row.labels, row.suppressed, row.generator_url) == (
        None,
        None,
        False,
        "",
    )


async def test_rows_join_an_archive_of_their_month_that_was_made_by_hand(store: Store) -> None:
    await add(store, alert(OLD))
    await by_hand(
        store,
        "CREATE TABLE alerts_archive_2026_08 AS SELECT * FROM alerts",
        "DELETE FROM alerts",
    )
    await add(store, alert(OLD))
    assert await move(store) == 1
    assert len(await known(store)) == 2


async def test_an_archive_that_would_lose_columns_is_refused_and_the_others_are_filled(
    store: Store,
) -> None:
    later = OLD + timedelta(days=31)
    await add(store, alert(OLD), alert(later))
    await by_hand(store, "CREATE TABLE alerts_archive_2026_08 AS SELECT id, status FROM alerts")
    await by_hand(store, "DELETE FROM alerts_archive_2026_08")
    with pytest.raises(
        ArchiveRefusedError, match=r"alerts_archive_2026_08: it has no .*ADD COLUMN"
    ):
        await move(store)
    assert (await count(store, "alerts"), await count(store, "alerts_archive_2026_09")) == (1, 1)
    assert len(await known(store)) == 2


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("SELECT 1 AS x", "it has no id"),
        ("SELECT id, status, created_at::text AS created_at FROM alerts", "created_at: of another"),
    ],
)
async def test_an_archive_that_is_none_is_named_in_the_log_and_not_read(
    postgres: Postgres, made: str, why: str
) -> None:
    async with opened(StoreOptions(url=new_database(postgres))) as store:
        await add(store, alert(OLD))
        await by_hand(store, f"CREATE TABLE {ARCHIVE} AS {made}")
        with capture_logs() as lines:
            assert len(await known(store)) == 1
            assert len(await known(store)) == 1
        assert [line["archive"] for line in lines] == [ARCHIVE]
        assert why in lines[0]["why"]


async def test_an_archive_of_somebody_who_does_not_let_us_read_is_named_and_skipped(
    postgres: Postgres,
) -> None:
    url = new_database(postgres)
    database = url.rpartition("/")[2]
    role = f"service_{uuid.uuid4().hex}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    postgres.execute(f'GRANT ALL ON DATABASE "{database}" TO {role}')
    postgres.execute(f"GRANT ALL ON SCHEMA public TO {role}", database)
    options = StoreOptions(url=postgres.dsn(role, "secret", database))
    async with opened(options) as store:
        await add(store, alert(OLD))
        postgres.execute(f"CREATE TABLE {ARCHIVE} AS SELECT * FROM alerts", database)
        with capture_logs() as lines:
            assert len(await known(store)) == 1
        (line,) = lines
        assert line["archive"] == ARCHIVE
        assert "postgres" in line["why"]
        assert "GRANT SELECT" in line["why"]
        postgres.execute(f"GRANT SELECT ON {ARCHIVE} TO {role}", database)
        assert len(await known(store)) == 2


async def test_a_session_whose_connection_is_lost_refuses_to_go_on(postgres: Postgres) -> None:
    async with opened(StoreOptions(url=new_database(postgres))) as store:
        async with store.session() as session:
            async with session.begin() as connection:
                pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            postgres.execute(f"SELECT pg_terminate_backend({pid})")
            for _ in range(2):
                with pytest.raises(StoreUnavailableError):
                    async with session.begin() as connection:
                        await connection.execute(text("SELECT 1"))
        assert store.pool.in_use == 0
        assert await known(store) == []
