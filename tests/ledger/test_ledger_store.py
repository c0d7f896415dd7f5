"""The store: transactions that end by a deadline, on SQLite and on a real Postgres."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, inspect, select, text
from stores import new_database, opened, sqlite

from exporter.ledger.errors import SecondReplicaError, StoreUnavailableError
from exporter.ledger.store import APPLICATION_NAME, DEADLINE, Store, StoreOptions
from exporter.ledger.tables import alert_audit, facts, metadata
from programs import Postgres

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@contextmanager
def suspended(server: Postgres) -> Iterator[None]:
    """A server of which no process runs."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


async def add_fact(store: Store, name: str, deadline: float = DEADLINE) -> None:
    async with store.begin(deadline) as connection:
        await connection.execute(insert(facts).values(name=name, value={"n": 1}))


async def add_line(store: Store, at: datetime) -> None:
    line = {"at": at, "action": "acknowledge", "actor": "me", "channel": "api"}
    async with store.begin() as connection:
        await connection.execute(insert(alert_audit).values(line))


async def known_facts(store: Store) -> list[str]:
    async with store.read() as connection:
        return list((await connection.execute(select(facts.c.name))).scalars())


# --- what is refused ----------------------------------------------------------------------------


async def test_a_store_that_is_not_open_refuses_every_transaction(options: StoreOptions) -> None:
    store = Store(options)
    with pytest.raises(StoreUnavailableError, match="not open yet"):
        await add_fact(store, "a")
    await store.close()


async def test_nothing_is_kept_of_a_transaction_that_fails(store: Store) -> None:
    async def fail() -> None:
        async with store.begin() as connection:
            await connection.execute(insert(facts).values(name="a", value={}))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await known_facts(store) == []


async def test_a_second_replica_on_one_sqlite_file_is_refused_with_what_to_do(
    tmp_path: Path,
) -> None:
    async with opened(sqlite(tmp_path)):
        second = Store(sqlite(tmp_path))
        with pytest.raises(SecondReplicaError, match="DATABASE_URL"):
            await second.open()
        await second.close()
    async with opened(sqlite(tmp_path)) as third:
        assert await known_facts(third) == []


@pytest.mark.parametrize(
    "change", ["UPDATE alert_audit SET actor = 'x'", "DELETE FROM alert_audit"]
)
async def test_the_audit_trail_can_only_grow(store: Store, change: str) -> None:
    await add_line(store, NOON)
    with pytest.raises(Exception, match="append-only"):
        async with store.begin() as connection:
            await connection.execute(text(change))
    async with store.read() as connection:
        assert (await connection.execute(select(alert_audit.c.actor))).scalars().all() == ["me"]


async def test_a_time_without_its_zone_is_refused(store: Store) -> None:
    with pytest.raises(StoreUnavailableError, match="zone"):
        await add_line(store, NOON.replace(tzinfo=None))


# --- what is told -------------------------------------------------------------------------------


async def test_times_come_back_in_utc_whatever_their_zone_was(store: Store) -> None:
    await add_line(store, NOON.astimezone(timezone(timedelta(hours=9))))
    async with store.read() as connection:
        (at,) = (await connection.execute(select(alert_audit.c.at))).scalars()
    assert (at, at.tzinfo) == (NOON, UTC)


async def test_opening_twice_migrates_once(store: Store) -> None:
    await add_fact(store, "a")
    await store.open()
    assert await known_facts(store) == ["a"]


async def test_the_migrations_make_what_the_tables_say(store: Store) -> None:
    async with store.read() as connection:
        found = await connection.run_sync(
            lambda sync: {
                table: {
                    "columns": [column["name"] for column in inspect(sync).get_columns(table)],
                    "indexes": {index["name"] for index in inspect(sync).get_indexes(table)},
                }
                for table in inspect(sync).get_table_names()
            }
        )
    del found["ledger_version"]
    assert found == {
        name: {
            "columns": [column.name for column in table.columns],
            "indexes": {index.name for index in table.indexes},
        }
        for name, table in metadata.tables.items()
    }


async def test_the_pool_tells_how_many_connections_are_in_use(store: Store) -> None:
    assert store.pool.in_use == 0
    async with store.read():
        assert (store.pool.in_use, store.pool.available) == (1, 9)
    assert store.pool.in_use == 0


async def test_whoever_waits_for_a_full_pool_is_counted(postgres: Postgres) -> None:
    one = StoreOptions(url=new_database(postgres), pool_min=1, pool_max=1)
    async with opened(one) as store:
        async with store.read():
            waiting = asyncio.create_task(known_facts(store))
            while not store.pool.waiting:  # noqa: ASYNC110 - it is the pool that changes
                await asyncio.sleep(0.01)
            assert store.pool.available == 0
        assert await waiting == []
        assert store.pool.waiting == 0


async def test_connections_carry_the_name_that_the_runbook_looks_for(postgres: Postgres) -> None:
    async with (
        opened(StoreOptions(url=new_database(postgres))) as store,
        store.read() as connection,
    ):
        found = await connection.scalar(text("SELECT current_setting('application_name')"))
    assert found == APPLICATION_NAME


# --- a server that is ill -----------------------------------------------------------------------


async def test_connections_that_the_server_has_closed_are_made_anew(postgres: Postgres) -> None:
    async with opened(StoreOptions(url=new_database(postgres))) as store:
        await add_fact(store, "a")
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE application_name = '{APPLICATION_NAME}'"
        )
        assert await known_facts(store) == ["a"]


async def test_a_server_that_hangs_is_given_up_by_the_deadline_and_used_again_later(
    postgres: Postgres,
) -> None:
    async with opened(StoreOptions(url=new_database(postgres))) as store:
        await add_fact(store, "a")
        with suspended(postgres):
            started = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                async with store.begin(deadline=0.5) as connection:
                    await connection.execute(text("SELECT 1"))
            assert time.monotonic() - started < 5
            assert store.pool.in_use == 0
        assert await known_facts(store) == ["a"]


async def test_a_statement_that_takes_too_long_is_given_up(postgres: Postgres) -> None:
    async with opened(StoreOptions(url=new_database(postgres))) as store:
        with pytest.raises(StoreUnavailableError):
            async with store.begin(deadline=0.3) as connection:
                await connection.execute(text("SELECT pg_sleep(60)"))
        await add_fact(store, "a")


async def test_no_error_repeats_the_password(postgres: Postgres) -> None:
    url = postgres.dsn(user="nobody", password="hidden-word")
    store = Store(StoreOptions(url=url))
    with pytest.raises(StoreUnavailableError) as refused:
        await store.open()
    assert "hidden-word" not in str(refused.value)
    await store.close()


async def test_writers_of_one_sqlite_file_take_turns(tmp_path: Path) -> None:
    async with opened(sqlite(tmp_path)) as store:
        # The last one waits for 49 commits, each as long as a disk takes.
        await asyncio.gather(*(add_fact(store, f"{number:03}", 60) for number in range(50)))
        assert len(await known_facts(store)) == 50
