"""A standby that no longer keeps up with its primary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.scenarios.scenario import Scenario, Stage
from demo.stack import Stack
from programs import Postgres, ServerError

_SLOT = "standby"
# Of 16 MB: two more than the gibibyte that a standby may lack.
_SEGMENTS = 66
_BEGIN_A_SEGMENT = "SELECT pg_logical_emit_message(false, 'demo', 'x'); SELECT pg_switch_wal();\n"
# Until it has told how far it is, nobody knows how far it lags behind.
_STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn IS NOT NULL"
_HANG_UP = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"
_DROP = f"SELECT pg_drop_replication_slot('{_SLOT}')"
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.2


@asynccontextmanager
async def _stands_still(stack: Stack) -> AsyncIterator[None]:
    standby = Postgres()
    try:
        await asyncio.to_thread(standby.follow, stack.postgres, _SLOT)
        try:
            standby.start()
            await asyncio.to_thread(standby.wait_ready)
            await _until_streaming(stack.postgres)
            standby.pause()
            await asyncio.to_thread(stack.postgres.execute, _BEGIN_A_SEGMENT * _SEGMENTS)
            yield
        finally:
            await asyncio.to_thread(standby.close)
            await _forget(stack.postgres)
    finally:
        await asyncio.to_thread(standby.close)


async def _until_streaming(primary: Postgres) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while await asyncio.to_thread(primary.execute, _STREAMING) == "0":
        if time.monotonic() > deadline:
            raise TimeoutError(f"the standby does not stream after {_WAIT_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _forget(primary: Postgres) -> None:
    """Drop the slot, and with it what is kept for the standby, once nobody holds it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        await asyncio.to_thread(primary.execute, _HANG_UP)
        try:
            await asyncio.to_thread(primary.execute, _DROP)
        except ServerError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


SCENARIOS = (
    Scenario(
        fires={"DataLossRisk": {"cause": "standby_lag"}},
        done=f"a standby stands still, SIGSTOP, while {_SEGMENTS} segments of WAL are written",
        undone="it is stopped, and its slot dropped",
        means=_stands_still,
        # Another stage than that of the slot that nobody reads, so that it holds less disk at once.
        stage=Stage.REDIS_IS_DOWN,
    ),
)
