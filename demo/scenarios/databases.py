"""Faults of Postgres and Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from demo.scenarios.scenario import Scenario, Stage
from demo.stack import Stack

_POSTGRES, _REDIS = "postgresql", "redis"
# Over the alert's second, and under the probe's two: slow is not down.
_LOCKED_SECONDS = 1.7
_FREE_SECONDS = 0.1
_LOCK = "LOCK TABLE pg_catalog.pg_type IN ACCESS EXCLUSIVE MODE"


@asynccontextmanager
async def _locked(stack: Stack) -> AsyncIterator[None]:
    """Every new session's first answer needs the row of its type."""
    async with await psycopg.AsyncConnection.connect(stack.postgres.dsn()) as connection:
        locking = asyncio.create_task(_lock_again_and_again(connection))
        try:
            yield
        finally:
            locking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await locking


async def _lock_again_and_again(connection: psycopg.AsyncConnection) -> None:
    while True:
        async with connection.transaction():
            await connection.execute(_LOCK)
            await asyncio.sleep(_LOCKED_SECONDS)
        await asyncio.sleep(_FREE_SECONDS)


@asynccontextmanager
async def _renamed(stack: Stack) -> AsyncIterator[None]:
    rename = "ALTER TABLE payments RENAME COLUMN {} TO {}"
    await asyncio.to_thread(stack.postgres.execute, rename.format("amount", "total"))
    try:
        yield
    finally:
        await asyncio.to_thread(stack.postgres.execute, rename.format("total", "amount"))


@asynccontextmanager
async def _postgres_stopped(stack: Stack) -> AsyncIterator[None]:
    stack.postgres.stop()
    try:
        yield
    finally:
        stack.postgres.start()
        stack.postgres.wait_ready()


@asynccontextmanager
async def _redis_hangs(stack: Stack) -> AsyncIterator[None]:
    stack.redis.pause()
    try:
        yield
    finally:
        stack.redis.resume()


SCENARIOS = (
    Scenario(
        fires={"DatabaseSlow": {"target": _POSTGRES}},
        done=f"a lock on pg_type is held for {_LOCKED_SECONDS:g} s, again and again",
        undone="the lock is released",
        means=_locked,
        lingers="its percentile is one of 5 minutes",
    ),
    Scenario(
        fires={"SqlMetricsFailing": {"target": "revenue"}},
        done="a migration renames the column payments.amount to total",
        undone="the migration is rolled back",
        means=_renamed,
        # While it cannot be read what is paid, nothing can be told of it.
        stage=Stage.REDIS_IS_DOWN,
    ),
    Scenario(
        fires={
            "DatabaseDown": {"target": _POSTGRES},
            "AlertLedgerDown": {},
            "EscalationFailOpenCritical": {"source_alertname": "DatabaseDown"},
            # What Alertmanager cannot tell the ledger.
            "EscalationFailOpenError": {"source_alertname": "NotificationsFailing"},
        },
        done="Postgres is stopped, in which the ledger is kept too",
        undone="Postgres is started",
        means=_postgres_stopped,
        stage=Stage.POSTGRES_IS_DOWN,
    ),
    Scenario(
        fires={"RedisDown": {"target": _REDIS}},
        done="Redis hangs: SIGSTOP",
        undone="Redis goes on: SIGCONT",
        means=_redis_hangs,
        stage=Stage.REDIS_IS_DOWN,
    ),
)
