"""`python -m bench.compiling`: how long the compiler takes, each time in a new process.

Of the default config all of `make check`, with what promtool and amtool have proved before; of
1,000 services and 300 alerts compiling and proving without the two. And of the default config
the same where promtool has proved nothing yet; `bench.unit_tests` measures its part alone.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from bench.ours import ROOT
from model.load import VARIABLE
from programs import find

_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_DEFAULT = ROOT / "config.py"
_LARGE = ROOT / "tests" / "rules" / "large_config.py"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took, in seconds: on the clock, and of all processors together."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Run:
    """A config, how it is compiled, and whether promtool has proved nothing of it yet."""

    config: Path
    option: str
    is_new: bool = False


_RUNS = {
    "default config, --check": Run(_DEFAULT, "--check"),
    "1,000 services, 300 alerts, --alone": Run(_LARGE, "--alone"),
    "default config, nothing proved before": Run(_DEFAULT, "--check", is_new=True),
}


@click.command()
@click.option("--rounds", default=5, help="How many runs of each.")
def main(*, rounds: int) -> None:
    """Measure the compiler; the runs take turns."""
    taken: dict[str, list[Taken]] = {name: [] for name in _RUNS}
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        # Python compiles modules at first, and promtool proves what it is to remember.
        for run in _RUNS.values():
            _run(run, scratch)
        for _ in range(rounds):
            for name, run in _RUNS.items():
                taken[name].append(_run(run, scratch))
    for name, found in taken.items():
        walls = sorted(one.wall for one in found)
        cpu = statistics.median(one.cpu for one in found)
        click.echo(
            f"{name}: {statistics.median(walls):.2f} s ({walls[0]:.2f} to {walls[-1]:.2f}), "
            f"CPU {cpu:.2f} s"
        )
    click.echo(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _run(run: Run, scratch: Path) -> Taken:
    """One run, with the bytecode that earlier ones have left in a directory."""
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    environment = {
        **kept,
        VARIABLE: str(run.config),
        "PYTHONPYCACHEPREFIX": str(scratch / "bytecode"),
    }
    if run.is_new:
        environment |= {"PROMTOOL": str(find("promtool")), "AMTOOL": str(find("amtool"))}
        environment["MONITORING_CACHE"] = tempfile.mkdtemp(dir=scratch)
    started, before = time.monotonic(), _used()
    done = subprocess.run(
        [sys.executable, "-m", "rules", run.option],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise click.ClickException(f"{run.config}: {(done.stderr or done.stdout).strip()}")
    return Taken(time.monotonic() - started, _used() - before)


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
