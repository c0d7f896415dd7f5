"""Processes that take nearly all the memory that they may have."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from demo.hurry import LIMITED, MEMORY_LIMIT_BYTES
from demo.scenarios import second
from demo.scenarios.scenario import Scenario, Stage
from demo.stack import Stack, stop
from model import names
from programs import child

_TIGHT = "tight-exporter"
_CGROUPS = "/sys/fs/cgroup"

_LEAKED_BYTES = MEMORY_LIMIT_BYTES * 9 // 10
# Zeros would be one page of the kernel's, however often they are mapped.
_LEAK = "import time; leaked = b'x' * {}; time.sleep(3600)"


@asynccontextmanager
async def _leaking(stack: Stack) -> AsyncIterator[None]:
    service = stack.simulated.services[LIMITED]
    process = child([sys.executable, "-I", "-c", _LEAK.format(_LEAKED_BYTES)])
    try:
        service.run_in(process.pid)
        yield
    finally:
        await service.repair()
        await asyncio.to_thread(stop, process)


@asynccontextmanager
async def _tight(stack: Stack) -> AsyncIterator[None]:
    """The second exporter sees another limit than the kernel's, which only root could set."""
    groups = stack.directory / "cgroup"
    _limit(groups, "max")
    async with second.exporter(stack, _TIGHT, inside=_seeing(groups)) as other:
        used = f'{names.RESIDENT_MEMORY.name}{{instance="{_TIGHT}"}}'
        _limit(groups, (await stack.api.instant(used))[0]["value"][1])
        await asyncio.to_thread(other.stop)
        await other.start()
        yield


def _limit(groups: Path, limit: str) -> None:
    """Write a cgroup's limit as both versions of cgroups tell it."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(limit, encoding="utf-8")


def _seeing(groups: Path) -> tuple[str, ...]:
    """Starts a command in a mount namespace of its own, where these are the cgroups."""
    others = () if os.geteuid() == 0 else ("--map-root-user",)
    mount = f'mount --bind "$0" {_CGROUPS} && exec "$@"'
    return ("unshare", "--mount", *others, "--", "sh", "-c", mount, str(groups))


def _no_namespaces() -> str | None:
    """Why there are none, as in many a container; None if there are."""
    with tempfile.TemporaryDirectory() as groups:
        tried = subprocess.run(
            [*_seeing(Path(groups)), "true"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if tried.returncode == 0:
        return None
    said = tried.stdout.strip()
    return f"no mount namespace of its own ({said}): run this as root, outside of a container"


SCENARIOS = (
    Scenario(
        fires={"HighMemoryUsage": {"process": "service", "service": LIMITED}},
        done=(
            f"a process of {LIMITED} takes {_LEAKED_BYTES >> 20} MB of the "
            f"{MEMORY_LIMIT_BYTES >> 20} that it may have"
        ),
        undone="it ends",
        means=_leaking,
    ),
    Scenario(
        fires={"HighMemoryUsage": {"process": "exporter", "instance": _TIGHT}},
        done="a second exporter is started again, with a limit of what it took before",
        undone="it is stopped",
        means=_tight,
        # Whoever is told of targets by two exporters does not miss those that one forgets.
        stage=Stage.REDIS_IS_DOWN,
        lacks=_no_namespaces,
    ),
)
