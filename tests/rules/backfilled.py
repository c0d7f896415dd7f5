"""A real Prometheus with a history that a test has made up."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from programs import Prometheus, find

# A series, as PromQL selects it, to its values, one a step; None where there is no sample.
History = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Past:
    """Series from `start`, in unix seconds, on, a value every `step` seconds."""

    start: int
    step: int = 5
    series: dict[str, Sequence[float | None]] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The time of the last value."""
        return self.start + self.step * (max(map(len, self.series.values())) - 1)

    def lines(self) -> Iterator[str]:
        """The history as OpenMetrics."""
        for series, values in self.series.items():
            for number, value in enumerate(values):
                if value is not None:
                    yield f"{series} {value!r} {self.start + number * self.step}\n"
        yield "# EOF\n"


@contextmanager
def remembering(past: Past, directory: Path, *args: str) -> Iterator[Prometheus]:
    """A Prometheus that has this history and scrapes nothing; `args` are some of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    server = Prometheus(directory, config, retention="10y", args=args)
    server.data.mkdir(parents=True)
    text = directory / "history.om"
    with text.open("w", encoding="utf-8") as file:
        file.writelines(past.lines())
    create = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=486h")
    done = subprocess.run(
        [find("promtool"), *create, text, server.data], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with server:
        yield server
