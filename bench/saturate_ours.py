"""Our HTTP prober, saturated: what the exporter does for a probe, without waiting for a clock.

A process of its own (`python -m bench.saturate_ours`): it reads one job from standard input, probes
as the exporter does, on uvloop, with one Network for all, renders each result to the lines that a
scrape joins, and prints what it used.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import uvloop

from exporter.exposition import Renderer
from exporter.probers.http import HttpProber
from exporter.probers.http.network import Network
from model.targets import Service

_TIMEOUT = 3.0
# How long rendering takes is measured at one probe of so many: the clock of a thread's CPU time is
# a system call, which costs more in a virtual machine than the rendering (10 µs a probe in all).
_TIMED_EVERY = 16


@dataclass(frozen=True, slots=True)
class Job:
    """What to probe: base URLs, how many at once, for how long, after how long a warm-up."""

    urls: tuple[str, ...]
    concurrency: int
    seconds: float
    warm_up: float
    ca_file: str | None = None

    def json(self) -> str:
        """For standard input."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it; `cpu` is in seconds, and so are the parts of it that are known.

    All but `connections` and `failures` are of the time after the warm-up.
    """

    probes: int
    connections: int
    failures: int
    cpu: float
    kernel: float
    rendering: float
    series: int


class _Saturation:
    def __init__(self, job: Job) -> None:
        self._job = job
        self.probes = self.failures = self.series = 0
        self.rendering = 0.0

    async def run(self) -> Done:
        network = Network()
        probers = [
            (
                HttpProber(_service(number, url, self._job.ca_file), url, network),
                Renderer(f"target-{number}"),
            )
            for number, url in enumerate(self._job.urls)
        ]
        # No prober is in two hands: probes of one target never overlap.
        hands = [probers[start :: self._job.concurrency] for start in range(self._job.concurrency)]
        end = time.monotonic() + self._job.warm_up + self._job.seconds
        tasks = [asyncio.create_task(self._work(itertools.cycle(hand), end)) for hand in hands]
        await asyncio.sleep(self._job.warm_up)
        warm, rendering = self.probes, self.rendering
        cpu, kernel = time.process_time(), os.times().system
        await asyncio.gather(*tasks)
        cpu, kernel = time.process_time() - cpu, os.times().system - kernel
        network.close()
        return Done(
            self.probes - warm,
            self.probes,
            self.failures,
            cpu,
            kernel,
            self.rendering - rendering,
            self.series,
        )

    async def _work(self, probers: Iterator[tuple[HttpProber, Renderer]], end: float) -> None:
        for prober, renderer in probers:
            result = await prober.probe(_TIMEOUT)
            self.probes += 1
            if self.probes % _TIMED_EVERY:
                lines = renderer.fragments(result.samples)
            else:
                started = time.thread_time()
                lines = renderer.fragments(result.samples)
                self.rendering += (time.thread_time() - started) * _TIMED_EVERY
            self.failures += not result.success
            if time.monotonic() >= end:
                self.series = sum(text.count(b"\n") for text in lines.values())
                return


def _service(number: int, url: str, ca_file: str | None) -> Service:
    return Service(
        name=f"target-{number}",
        url=url,
        interval=timedelta(seconds=5),
        ca_file=Path(ca_file) if ca_file else None,
    )


def main() -> None:
    """Do the job on standard input."""
    given = json.load(sys.stdin)
    job = Job(**{**given, "urls": tuple(given["urls"])})
    print(json.dumps(asdict(uvloop.run(_Saturation(job).run()))))


if __name__ == "__main__":
    main()
