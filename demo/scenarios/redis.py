"""Redis that is full, refuses clients, or cannot write to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.scenarios.scenario import Scenario
from demo.stack import Stack
from programs import find

_REDIS = "redis"
_ROOM_BYTES = 1 << 20
_KEYS, _VALUE_BYTES = 600, 4096
# For the probe that may come meanwhile; redis-cli itself may be one of those that are refused.
_SPARE_CLIENTS = 3
_REFUSED = 5
_SAVE_SECONDS = 20.0


async def _say(stack: Stack, *commands: str) -> str:
    """What redis-cli prints of commands, one a line. RuntimeError if Redis refuses one."""
    process = await asyncio.create_subprocess_exec(
        find("redis-cli"),
        "-u",
        stack.redis.url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate("".join(f"{line}\n" for line in commands).encode())
    printed = output.decode(errors="replace")
    if process.returncode or any(line.startswith("ERR") for line in printed.splitlines()):
        raise RuntimeError(f"{commands[0]} …: {printed.strip()[-300:]}")
    return printed


async def _figure(stack: Stack, section: str, name: str) -> str:
    """A field of INFO."""
    fields = (await _say(stack, f"INFO {section}")).splitlines()
    return next(line.partition(":")[2] for line in fields if line.startswith(f"{name}:"))


@asynccontextmanager
async def _full(stack: Stack) -> AsyncIterator[None]:
    most = int(await _figure(stack, "memory", "used_memory")) + _ROOM_BYTES
    # None of a policy for caches: keys without a time to live are to stay.
    await _say(stack, f"CONFIG SET maxmemory-policy volatile-lru maxmemory {most}")
    keys = [f"demo:{number}" for number in range(_KEYS)]
    try:
        await _say(stack, *(f"SET {key} {'x' * _VALUE_BYTES} EX 3600" for key in keys))
        yield
    finally:
        await _say(stack, "CONFIG SET maxmemory-policy noeviction maxmemory 0")
        await _say(stack, f"UNLINK {' '.join(keys)}")


@asynccontextmanager
async def _refusing(stack: Stack) -> AsyncIterator[None]:
    """Only for a moment: the exporter is to be let in."""
    allowed = (await _say(stack, "CONFIG GET maxclients")).split()[1]
    connected = int(await _figure(stack, "clients", "connected_clients"))
    await _say(stack, f"CONFIG SET maxclients {connected + _SPARE_CLIENTS}")
    opened = [
        await asyncio.open_connection(stack.redis.host, stack.redis.port)
        for _ in range(_SPARE_CLIENTS + _REFUSED)
    ]
    # Refused ones are told so.
    await asyncio.wait(
        [asyncio.create_task(reader.read(1)) for reader, _ in opened],
        return_when=asyncio.FIRST_COMPLETED,
        timeout=_SAVE_SECONDS,
    )
    for _, writer in opened:
        writer.close()
    await _say(stack, f"CONFIG SET maxclients {allowed}")
    yield


@asynccontextmanager
async def _unwritable(stack: Stack) -> AsyncIterator[None]:
    in_the_way = stack.redis.directory / "dump.rdb"
    in_the_way.mkdir()
    try:
        await _save(stack, "err")
        yield
    finally:
        in_the_way.rmdir()
        await _save(stack, "ok")


async def _save(stack: Stack, expected: str) -> None:
    async with asyncio.timeout(_SAVE_SECONDS):
        await _say(stack, "BGSAVE")
        while await _figure(stack, "persistence", "rdb_last_bgsave_status") != expected:  # noqa: ASYNC110 - Redis cannot be waited for
            await asyncio.sleep(0.2)


SCENARIOS = (
    Scenario(
        fires={"RedisMemoryHigh": {"target": _REDIS}, "RedisEvicting": {"target": _REDIS}},
        done=f"{_KEYS} keys of {_VALUE_BYTES} bytes are put where {_ROOM_BYTES} bytes are left",
        undone="the keys are deleted and the limit lifted",
        means=_full,
        lingers="evictions of the last 10 minutes count",
    ),
    Scenario(
        fires={"RedisConnectionsRejected": {"target": _REDIS}},
        done=f"maxclients is reached, and {_REFUSED} more clients come",
        undone="nothing: there is room again",
        means=_refusing,
        lingers="it counts the last 5 minutes",
    ),
    Scenario(
        fires={"DataLossRisk": {"cause": "redis_persistence"}},
        done="a directory is in the way of dump.rdb, so that BGSAVE fails",
        undone="it is removed, and BGSAVE succeeds",
        means=_unwritable,
    ),
)
