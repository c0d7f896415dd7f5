"""What the rows share: a place to work, the plan, nginx, and taking turns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.nginx import Nginx
from bench.rounds import Plan
from bench.scraper import Scraper
from programs.server import Server


class BenchError(Exception):
    """A side that did not do the work that it was to be measured at."""


@dataclass(frozen=True)
class Workshop:
    """Where the rows are measured. `quick` asks for the least that gives a figure."""

    directory: Path
    plan: Plan
    quick: bool
    nginx: Nginx

    def place(self, name: str) -> Path:
        """A directory of its own for a server."""
        return self.directory / name


@contextmanager
def turn(settle: float, *servers: Server) -> Iterator[None]:
    """Let servers run that are paused otherwise, after `settle` seconds to find their pace."""
    for server in servers:
        server.resume()
    try:
        time.sleep(settle)
        yield
    finally:
        for server in servers[::-1]:
            server.pause()


def probes(exporter: Server, kind: str) -> tuple[int, int]:
    """How many probes of targets of a kind have succeeded so far, and how many have failed."""
    counts = {"success": 0, "failure": 0}
    with Scraper(exporter.port) as scraper:
        for line in scraper.scrape()[1].decode().splitlines():
            if line.startswith("monitoring_probes_total{"):
                labels, _, value = line.rpartition(" ")
                if f'kind="{kind}"' not in labels:
                    continue
                counts["success" if 'result="success"' in labels else "failure"] += int(value)
    return counts["success"], counts["failure"]
