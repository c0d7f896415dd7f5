"""What is done to the chain meanwhile: exporters killed, Postgres restarted."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from demo.chaos.exporter import Exporter
from demo.chaos.scene import Scene
from programs import Postgres
from programs.process import send

# How long what was stopped stays away.
_AWAY_SECONDS = (0.0, 6.0)
_READY_SECONDS = 90.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Havoc:
    """How often what is killed; the first of Postgres' restarts is `immediate`, the rest fast."""

    kills: int
    restarts: int
    seed: int

    async def run(self, scene: Scene, seconds: float, report: Report) -> None:
        """Do all of it in about so many seconds, in an order that the seed decides."""
        choice = random.Random(self.seed)  # noqa: S311 - reproducible, not secret
        restarts = self.restarts if scene.postgres is not None else 0
        faults = ["kill"] * self.kills + ["restart"] * restarts
        choice.shuffle(faults)
        pause = max(1.0, seconds / (len(faults) + 1))
        immediate = True
        for fault in faults:
            await asyncio.sleep(pause * choice.uniform(0.5, 1.0))
            away = choice.uniform(*_AWAY_SECONDS)
            if fault == "kill":
                report(f"kill -9 of an exporter, back after {away:.1f} s")
                await _kill(scene.exporters, away, choice)
                continue
            assert scene.postgres is not None
            mode = "immediate" if immediate else "fast"
            report(f"Postgres restarted ({mode}), back after {away:.1f} s")
            await _restart(scene.postgres, away, immediate=immediate)
            immediate = False


async def _kill(exporters: Sequence[Exporter], away: float, choice: random.Random) -> None:
    exporter = choice.choice(exporters)
    exporter.kill()
    await asyncio.sleep(away)
    exporter.start()
    await asyncio.to_thread(exporter.wait_ready, _READY_SECONDS)


async def _restart(postgres: Postgres, away: float, *, immediate: bool) -> None:
    if immediate:
        send([postgres.pid], signal.SIGQUIT)
    await asyncio.to_thread(postgres.stop)
    await asyncio.sleep(away)
    postgres.start()
    await asyncio.to_thread(postgres.wait_ready, _READY_SECONDS)
