"""One run: lamps blink, things are killed, and at the end the ledger is compared with ALERTS."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from demo.chaos.episodes import Key, Span, differences, shown
from demo.chaos.havoc import Havoc, Report
from demo.chaos.scene import Scene, Wanted, running

# How long a lamp takes to go on and off, on average.
_CYCLE_SECONDS = 17.5
# By when the ledger has caught up: Alertmanager gathers for ten seconds, and reconciling takes its
# turn every five.
_CATCH_UP_SECONDS = 120.0
# What is right must stay right.
_CALM_SECONDS = 12.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, and how the ledger differs from ALERTS at the end."""

    wanted: Wanted
    havoc: Havoc
    episodes: int
    rows: int
    seconds: float
    caught_up_seconds: float
    differences: tuple[str, ...]

    @property
    def transitions(self) -> int:
        """Starts and ends that ALERTS shows."""
        return 2 * self.episodes


async def run(
    wanted: Wanted, havoc: Havoc, transitions: int, lamps: int, report: Report
) -> Outcome:
    """Let so many lamps be switched so often while havoc is done. Raises programs.ServerError."""
    async with running(wanted, lamps, havoc.seed) as scene:
        started = time.time()
        report(f"{wanted}: running")
        havoc_over = asyncio.Event()
        playing = asyncio.create_task(scene.lamps.play(transitions, havoc_over))
        try:
            await havoc.run(scene, transitions / 2 / lamps * _CYCLE_SECONDS, report)
            havoc_over.set()
            await playing
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        over = time.time()
        await _caught_up(scene, started, over)
        caught_up = time.time() - over
        await asyncio.sleep(_CALM_SECONDS)
        seen, rows = await _seen(scene, started), await asyncio.to_thread(scene.rows)
        return Outcome(
            wanted=wanted,
            havoc=havoc,
            episodes=sum(map(len, seen.values())),
            rows=len(rows),
            seconds=over - started,
            caught_up_seconds=caught_up,
            differences=tuple(differences(seen, rows)),
        )


async def _caught_up(scene: Scene, started: float, over: float) -> None:
    """Wait until nothing fires and nothing differs, or for as long as that may take."""
    while time.time() < over + _CATCH_UP_SECONDS:
        await asyncio.sleep(_LOOK_SECONDS)
        if await scene.api.instant('ALERTS{alertstate="firing"}'):
            continue
        seen = await _seen(scene, started)
        if not differences(seen, await asyncio.to_thread(scene.rows)):
            return


async def _seen(scene: Scene, started: float) -> dict[Key, list[Span]]:
    return await shown(scene.api, f"{math.ceil(time.time() - started) + 5}s")
