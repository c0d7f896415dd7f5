"""`python -m bench.compiling`: how long the compiler takes, each time in a new process.

Of the default config all of `make check`, with what promtool and amtool have proved before; of
1,000 services and 300 alerts compiling and proving without the two.
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

_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_LARGE = ROOT / "tests" / "rules" / "large_config.py"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took, in seconds: on the clock, and of all processors together."""

    wall: float
    cpu: float


@click.command()
@click.option("--rounds", default=5, help="How many runs of each.")
def main(*, rounds: int) -> None:
    """Measure the compiler; the runs of the two take turns."""
    runs = {
        "default config, --check": (ROOT / "config.py", "--check"),
        "1,000 services, 300 alerts, --alone": (_LARGE, "--alone"),
    }
    taken: dict[str, list[Taken]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as directory:
        bytecode = Path(directory)
        # What is proved for the first time is another matter, and so is Python compiling modules.
        for config, option in runs.values():
            _run(config, option, bytecode)
        for _ in range(rounds):
            for name, (config, option) in runs.items():
                taken[name].append(_run(config, option, bytecode))
    for name, found in taken.items():
        walls = sorted(one.wall for one in found)
        cpu = statistics.median(one.cpu for one in found)
        click.echo(
            f"{name}: {statistics.median(walls):.2f} s ({walls[0]:.2f} to {walls[-1]:.2f}), "
            f"CPU {cpu:.2f} s"
        )
    click.echo(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _run(config: Path, option: str, bytecode: Path) -> Taken:
    """One run, with the bytecode that earlier ones have left in a directory."""
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    started, before = time.monotonic(), _used()
    done = subprocess.run(
        [sys.executable, "-m", "rules", option],
        cwd=ROOT,
        env={**kept, VARIABLE: str(config), "PYTHONPYCACHEPREFIX": str(bytecode)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise click.ClickException(f"{config}: {(done.stderr or done.stdout).strip()}")
    return Taken(time.monotonic() - started, _used() - before)


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
