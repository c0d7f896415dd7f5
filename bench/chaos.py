"""Faults at random on simulated services and on a real Postgres and Redis, and their repair."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from demo.platform import SimulatedService
from programs.server import Server

_CALM = (0.5, 6.0)
_FAULT = (0.5, 6.0)
_DATABASE_CALM = (3.0, 15.0)
_DATABASE_FAULT = (1.0, 6.0)
_STATUSES = (500, 503, 404, 204)
_LONGEST_DELAY = 1.5


class Chaos:
    """Breaks and repairs until it is cancelled; counts the faults.

    A service in `crashing` may refuse connections too; the others see every request. `databases`
    are stopped and started in the thread that started them.
    """

    def __init__(
        self,
        services: Sequence[SimulatedService],
        crashing: Sequence[SimulatedService],
        databases: Sequence[Server],
        thread: ThreadPoolExecutor,
        seed: int,
    ) -> None:
        self._services = services
        self._crashing = crashing
        self._databases = databases
        self._thread = thread
        self._choice = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self.faults: dict[str, int] = {}

    async def run(self, seconds: float) -> None:
        """Go on for so long, then repair all."""
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for service in self._services:
                group.create_task(self._vex(service, end))
            for database in self._databases:
                group.create_task(self._vex_database(database, end))

    async def _vex(self, service: SimulatedService, end: float) -> None:
        while await self._wait(_CALM, end):
            kinds = ["hang", "fail", "degrade", "delay", "fail_once"]
            if service in self._crashing:
                kinds.append("crash")
            kind = self._choice.choice(kinds)
            self._count(kind)
            if kind == "crash":
                await service.crash()
            else:
                self._break(service, kind)
            await self._wait(_FAULT, end)
            await service.repair()

    def _break(self, service: SimulatedService, kind: str) -> None:
        faults: dict[str, Callable[[], None]] = {
            "hang": service.hang,
            "fail": lambda: service.fail(self._choice.choice(_STATUSES)),
            "degrade": service.degrade,
            "delay": lambda: service.delay(self._choice.uniform(0, _LONGEST_DELAY)),
            "fail_once": service.fail_once,
        }
        faults[kind]()

    async def _vex_database(self, database: Server, end: float) -> None:
        while await self._wait(_DATABASE_CALM, end):
            kind = self._choice.choice(("pause", "restart", "crash"))
            self._count(f"{database.name} {kind}")
            begin, finish = {
                "pause": ((database.pause,), (database.resume,)),
                "restart": ((database.stop,), (database.start, database.wait_ready)),
                "crash": ((database.kill,), (database.start, database.wait_ready)),
            }[kind]
            await self._do(begin)
            await self._wait(_DATABASE_FAULT, end)
            await self._do(finish)

    async def _do(self, steps: Sequence[Callable[[], None]]) -> None:
        loop = asyncio.get_running_loop()
        for step in steps:
            await loop.run_in_executor(self._thread, step)

    async def _wait(self, between: tuple[float, float], end: float) -> bool:
        """Sleep for a random time, no longer than until the end; whether there is time left."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(min(self._choice.uniform(*between), max(0.0, end - now)))
        return asyncio.get_running_loop().time() < end

    def _count(self, kind: str) -> None:
        self.faults[kind] = self.faults.get(kind, 0) + 1
