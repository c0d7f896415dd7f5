"""A replica that lags behind, and a transaction on it that has been open for long.

Minutes of a server are not waited for: its clock is set ahead (programs/faketime.py).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg

from demo.scenarios.scenario import Scenario, Stage
from demo.scenarios.standby import following
from demo.stack import Stack, load_alerts
from programs import Clock, MissingProgramError, Postgres
from programs.faketime import library

_LAGGING, _REPORTING = "replica", "reporting"
_APPLICATION = "month-end-report"
_AHEAD = timedelta(minutes=16)
_LATER = f"its clock goes {_AHEAD // timedelta(minutes=1)} minutes ahead"
_BEGIN_A_TRANSACTION = "SELECT pg_logical_emit_message(true, 'demo', 'x')"


@asynccontextmanager
async def _lags(stack: Stack) -> AsyncIterator[None]:
    async with _replica(stack, _LAGGING) as (replica, clock):
        await asyncio.to_thread(replica.execute, "SELECT pg_wal_replay_pause()")
        await asyncio.to_thread(stack.postgres.execute, _BEGIN_A_TRANSACTION)
        clock.set_ahead(_AHEAD)
        yield


@asynccontextmanager
async def _reports(stack: Stack) -> AsyncIterator[None]:
    async with (
        _replica(stack, _REPORTING) as (replica, clock),
        await psycopg.AsyncConnection.connect(
            replica.dsn(), application_name=_APPLICATION
        ) as reader,
    ):
        await reader.execute("SELECT 1")
        clock.set_ahead(_AHEAD)
        yield


@asynccontextmanager
async def _replica(stack: Stack, name: str) -> AsyncIterator[tuple[Postgres, Clock]]:
    """A replica of the stack's Postgres that is watched, and its clock."""
    clock = Clock(stack.directory / f"{name}-clock")
    async with following(stack, name, clock) as replica, _watched(stack, name, replica.dsn()):
        await stack.api.until(f'pg_replication_is_replica{{target="{name}"}} == 1')
        yield replica, clock


@asynccontextmanager
async def _watched(stack: Stack, name: str, url: str) -> AsyncIterator[None]:
    """The config has one more Postgres, for the exporter and for the rules."""
    before = stack.config.read_text(encoding="utf-8")
    told = {"name": name, "url": url, "variable": f"{name.upper()}_URL"}
    one_more = (
        f"REPLICA = CONFIG.postgres[0].model_copy(update={told!r})\n"
        'CONFIG = CONFIG.model_copy(update={"postgres": (*CONFIG.postgres, REPLICA)})\n'
    )
    try:
        await _deployed(stack, before + one_more)
        yield
    finally:
        await _deployed(stack, before)


async def _deployed(stack: Stack, config: str) -> None:
    stack.config.write_text(config, encoding="utf-8")
    stack.exporter.send_signal(signal.SIGHUP)
    await asyncio.to_thread(load_alerts, stack)


def _lacking() -> str | None:
    try:
        library()
    except MissingProgramError as error:
        return str(error)
    return None


SCENARIOS = (
    Scenario(
        fires={"DataLossRisk": {"cause": "replication_lag", "target": _LAGGING}},
        done=f"a replica pauses its replay, and {_LATER}",
        undone="it is stopped, and no longer watched",
        means=_lags,
        # The slot that it reads is to be in use where all parts run.
        stage=Stage.REDIS_IS_DOWN,
        lacks=_lacking,
    ),
    Scenario(
        fires={"LongTransaction": {"target": _REPORTING, "application_name": _APPLICATION}},
        done=f"a report has begun a transaction on a replica, and {_LATER}",
        undone="it is stopped, and no longer watched",
        means=_reports,
        stage=Stage.REDIS_IS_DOWN,
        lacks=_lacking,
    ),
)
