"""The PostgreSQL servers that can be had here: each that runs is tested, each that does not named.

Debian's suites offer 15 (bookworm), 17 (trixie) and newer (sid). A build of another suite runs only
where its C library does. `POSTGRES_BINARIES` names further directories of server programs,
separated as in PATH.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from programs import fetch, find
from programs.errors import FetchError

_OTHER_SUITES = (("trixie", 17), ("sid", 18))
_PROGRAMS = ("postgres", "initdb", "psql")


@dataclass(frozen=True)
class Candidate:
    """One build: where it comes from, and its directory, or why it does not run."""

    origin: str
    binaries: Path | None
    said: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.said}"


@functools.cache
def candidates() -> tuple[Candidate, ...]:
    """Every build that was looked for, the system's own first."""
    return tuple(_candidates())


def runnable() -> list[Candidate]:
    """Those that run, each version once."""
    found = {one.said: one for one in reversed(candidates()) if one.binaries is not None}
    return list(reversed(found.values()))


def _candidates() -> Iterator[Candidate]:
    yield _tried("this system", find("postgres").parent)
    for named in filter(None, os.environ.get("POSTGRES_BINARIES", "").split(os.pathsep)):
        yield _tried("POSTGRES_BINARIES", Path(named))
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        yield _tried("/usr/lib/postgresql", directory)
    for suite, major in _OTHER_SUITES:
        origin = f"Debian {suite}, postgresql-{major}"
        try:
            packages = (f"postgresql-{major}", f"postgresql-client-{major}")
            directory = fetch(packages, suite).program("postgres").parent
        except FetchError as error:
            yield Candidate(origin, None, f"NOT RUN: {error}")
        else:
            yield _tried(origin, directory)


def _why(said: str) -> str:
    lacks = re.search(r"version `(\S+)' not found", said)
    return f"needs {lacks[1]}, which this system lacks" if lacks else said.strip()[-160:]


def _tried(origin: str, directory: Path) -> Candidate:
    """Whether the programs of a directory start here."""
    for program in _PROGRAMS:
        try:
            done = subprocess.run(
                [directory / program, "--version"], capture_output=True, text=True, check=False
            )
        except OSError as error:
            return Candidate(origin, None, f"NOT RUN: {program}: {error.strerror}")
        if done.returncode != 0:
            return Candidate(origin, None, f"NOT RUN: {program}: {_why(done.stderr)}")
    version = subprocess.run(
        [directory / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return Candidate(origin, directory, version.stdout.strip())
