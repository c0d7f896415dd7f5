"""A server with a clock of its own, with the real library."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from programs import Clock, MissingProgramError, Postgres
from programs.faketime import library
from programs.system import System

AHEAD = timedelta(minutes=20)
# It looks once a second at what its clock is set to; only what hangs, or waits for its clock, takes
# so long.
LOOKS_SECONDS = 60.0


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the server's user may read."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def is_ahead(server: Postgres, seconds: float) -> bool:
    """Whether a server's clock is so far ahead of the real one, within a second."""
    before = time.time()
    told = float(server.execute("SELECT extract(epoch FROM clock_timestamp())"))
    # It was asked at some moment in between.
    return before + seconds - 1 < told < time.time() + seconds + 1


def test_a_server_has_the_real_time_until_its_clock_is_set_ahead_and_again_after_that(
    place: Path,
) -> None:
    clock = Clock(place / "clock")
    with Postgres(clock=clock) as server:
        assert is_ahead(server, 0)
        clock.set_ahead(AHEAD)
        until(server, AHEAD.total_seconds())
        # A wait lasts as long as it is.
        started = time.monotonic()
        server.execute("SELECT pg_sleep(0.2)")
        assert 0.2 <= time.monotonic() - started < LOOKS_SECONDS
        clock.set_ahead(timedelta(0))
        until(server, 0)


def until(server: Postgres, seconds: float) -> None:
    deadline = time.monotonic() + LOOKS_SECONDS
    while not is_ahead(server, seconds):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_library_that_is_named_and_not_there_is_told(place: Path) -> None:
    missing = place / "libfaketimeMT.so.1"
    system = System(environment={"FAKETIME_LIBRARY": str(missing)})
    with pytest.raises(MissingProgramError, match=f"FAKETIME_LIBRARY={missing} is not a file"):
        library(system)


def test_a_library_that_is_named_is_taken(place: Path) -> None:
    own = place / "libfaketimeMT.so.1"
    own.touch()
    assert library(System(environment={"FAKETIME_LIBRARY": str(own)})) == own
