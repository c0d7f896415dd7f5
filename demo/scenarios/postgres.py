"""Postgres under load, and what is to survive a fault of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg

from demo.scenarios.background import going_on
from demo.scenarios.scenario import Scenario
from demo.stack import Stack

_POSTGRES = "postgresql"
_SLOT = "gone_standby"
# Of the 100 that there may be; the ledger and the exporter have some of them.
_CONNECTIONS = 86
_COUNTED = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
# More blocks than shared_buffers has, one row a block, read so often that they count.
_BLOCKS, _SCANS = 12_000, 14
_DEADLOCKS = 4
_PACE_SECONDS = 1.0


@asynccontextmanager
async def _connected(stack: Stack) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(
        stack.postgres.dsn(), autocommit=True
    ) as connection:
        yield connection


async def _again_and_again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(_PACE_SECONDS)


@asynccontextmanager
async def _slot_nobody_reads(stack: Stack) -> AsyncIterator[None]:
    """Each segment that is begun stays, for a standby that does not come."""
    async with _connected(stack) as connection:
        await connection.execute(
            "SELECT pg_create_physical_replication_slot(%s, immediately_reserve => true)", (_SLOT,)
        )
        try:

            async def begin_a_segment() -> None:
                await connection.execute("SELECT pg_logical_emit_message(false, 'demo', 'x')")
                await connection.execute("SELECT pg_switch_wal()")

            async with going_on(_again_and_again(begin_a_segment)):
                yield
        finally:
            await connection.execute("SELECT pg_drop_replication_slot(%s)", (_SLOT,))


@asynccontextmanager
async def _archive_is_full(stack: Stack) -> AsyncIterator[None]:
    async with _connected(stack) as connection:
        await connection.execute("ALTER SYSTEM SET archive_command = 'exit 1'")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute("SELECT pg_logical_emit_message(false, 'demo', 'x')")
        await connection.execute("SELECT pg_switch_wal()")
        try:
            yield
        finally:
            await connection.execute("ALTER SYSTEM RESET archive_command")
            await connection.execute("SELECT pg_reload_conf()")


@asynccontextmanager
async def _crowded(stack: Stack) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as opened:
        first = await opened.enter_async_context(_connected(stack))
        for _ in range(_CONNECTIONS):
            row = await (await first.execute(_COUNTED)).fetchone()
            if row is None or row[0] >= _CONNECTIONS:
                break
            await opened.enter_async_context(_connected(stack))
        yield


@asynccontextmanager
async def _scanned_and_growing(stack: Stack) -> AsyncIterator[None]:
    """A table without an index that is read whole, and gets a megabyte a second."""
    rows = "INSERT INTO events (body) SELECT repeat('x', 7000) FROM generate_series(1, {})"
    async with _connected(stack) as connection:
        await connection.execute("CREATE TABLE events (body text NOT NULL)")
        await connection.execute("ALTER TABLE events ALTER COLUMN body SET STORAGE PLAIN")
        await connection.execute(rows.format(_BLOCKS))
        try:
            for _ in range(_SCANS):
                await connection.execute("SELECT count(*) FROM events")

            async def grow() -> None:
                await connection.execute(rows.format(130))

            async with going_on(_again_and_again(grow)):
                yield
        finally:
            await connection.execute("DROP TABLE events")


@asynccontextmanager
async def _deadlocked(stack: Stack) -> AsyncIterator[None]:
    async with _connected(stack) as one, _connected(stack) as other:
        await one.execute("CREATE TABLE seats (id int PRIMARY KEY, held int NOT NULL)")
        await one.execute("INSERT INTO seats VALUES (1, 0), (2, 0)")
        for connection in (one, other):
            await connection.execute("SET deadlock_timeout = '100ms'")
        try:
            for _ in range(_DEADLOCKS):
                await _in_opposite_order(one, other)
            yield
        finally:
            await one.execute("DROP TABLE seats")


async def _in_opposite_order(one: psycopg.AsyncConnection, other: psycopg.AsyncConnection) -> None:
    hold = "UPDATE seats SET held = held + 1 WHERE id = %s"
    for connection, seat in ((one, 1), (other, 2)):
        await connection.execute("BEGIN")
        await connection.execute(hold, (seat,))
    found = await asyncio.gather(
        one.execute(hold, (2,)), other.execute(hold, (1,)), return_exceptions=True
    )
    for connection in (one, other):
        await connection.execute("ROLLBACK")
    if not any(isinstance(each, psycopg.errors.DeadlockDetected) for each in found):
        raise RuntimeError(f"Postgres found no deadlock: {found}")


SCENARIOS = (
    Scenario(
        fires={
            "DataLossRisk": {"cause": "inactive_slot", "slot_name": _SLOT},
            "DiskFilling": {"target": _POSTGRES},
        },
        done=f"the slot {_SLOT} keeps 16 MB of WAL a second for a standby that does not come",
        undone="the slot is dropped",
        means=_slot_nobody_reads,
        lingers="it predicts from the pace of the last hour",
    ),
    Scenario(
        fires={"DataLossRisk": {"cause": "wal_archiving"}},
        done="archive_command fails: exit 1",
        undone="archive_command succeeds again",
        means=_archive_is_full,
    ),
    Scenario(
        fires={"ConnectionsSaturated": {"target": _POSTGRES}},
        done=f"connections to Postgres are opened until there are {_CONNECTIONS}",
        undone="they are closed",
        means=_crowded,
    ),
    Scenario(
        fires={
            "CacheHitRatioLow": {"target": _POSTGRES, "datname": "postgres"},
            "DatabaseGrowing": {"target": _POSTGRES},
        },
        done=f"{_BLOCKS} blocks without an index are read {_SCANS} times, and 1 MB a second added",
        undone="the table is dropped",
        means=_scanned_and_growing,
        lingers="they look back 10 minutes and 6 hours",
    ),
    Scenario(
        fires={"Deadlocks": {"target": _POSTGRES, "datname": "postgres"}},
        done=f"two transactions update two rows in opposite order, {_DEADLOCKS} times",
        undone="nothing: they have been aborted",
        means=_deadlocked,
        lingers="it counts the last 10 minutes",
    ),
)
