"""A standby that no longer keeps up with its primary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.scenarios.scenario import Scenario, Stage
from demo.stack import Stack
from programs import Clock, Postgres, ServerError

_SLOT = "standby"
# Of 16 MB: two more than the gibibyte that a standby may lack.
_SEGMENTS = 66
_BEGIN_A_SEGMENT = "SELECT pg_logical_emit_message(false, 'demo', 'x'); SELECT pg_switch_wal();\n"
# Until it has told how far it is, nobody knows how far it lags behind.
_STREAMING = (
    "SELECT count(*) FROM pg_stat_replication JOIN pg_replication_slots ON pid = active_pid "
    "WHERE slot_name = '{}' AND replay_lsn IS NOT NULL"
)
_HANG_UP = (
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
    "WHERE slot_name = '{}' AND active_pid IS NOT NULL"
)
_DROP = "SELECT pg_drop_replication_slot('{}')"
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.2


@asynccontextmanager
async def following(stack: Stack, slot: str, clock: Clock | None = None) -> AsyncIterator[Postgres]:
    """A standby of the stack's Postgres that streams from a slot of its own, by this clock."""
    standby = Postgres(clock=clock)
    try:
        await asyncio.to_thread(standby.follow, stack.postgres, slot)
        try:
            standby.start()
            await asyncio.to_thread(standby.wait_ready)
            await _until_streaming(stack.postgres, slot)
            yield standby
        finally:
            await asyncio.to_thread(standby.close)
            await _forget(stack.postgres, slot)
    finally:
        await asyncio.to_thread(standby.close)


@asynccontextmanager
async def _stands_still(stack: Stack) -> AsyncIterator[None]:
    async with following(stack, _SLOT) as standby:
        standby.pause()
        await asyncio.to_thread(stack.postgres.execute, _BEGIN_A_SEGMENT * _SEGMENTS)
        yield


async def _until_streaming(primary: Postgres, slot: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while await asyncio.to_thread(primary.execute, _STREAMING.format(slot)) == "0":
        if time.monotonic() > deadline:
            raise TimeoutError(f"the standby does not stream after {_WAIT_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _forget(primary: Postgres, slot: str) -> None:
    """Drop the slot, and with it what is kept for the standby, once nobody holds it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        await asyncio.to_thread(primary.execute, _HANG_UP.format(slot))
        try:
            await asyncio.to_thread(primary.execute, _DROP.format(slot))
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
