"""A clock of its own for a server, by libfaketime, which is loaded into it."""

import os
import platform
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from programs.errors import FetchError, MissingProgramError
from programs.fetch import cached, fetch
from programs.system import System

VARIABLE = "FAKETIME_LIBRARY"
_PACKAGES = ("libfaketime",)
_FILE = f"usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketimeMT.so.1"
# Seconds: whoever asks for the time looks so often at what the clock is set to.
_LOOKS_EVERY = 1


class Clock:
    """What time it is for whatever is started with it: the real time, until it is set ahead.

    `file` is where it is kept, which whoever is started has to be allowed to read. How long
    something takes is not changed. Raises MissingProgramError.
    """

    def __init__(self, file: Path) -> None:
        self._library = library()
        self._file = file.absolute()
        self.set_ahead(timedelta(0))

    def set_ahead(self, by: timedelta) -> None:
        """It is so much later than it is, a second after this at the latest."""
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(f"+{by.total_seconds():.0f}s\n")
        unfinished.replace(self._file)

    def within(self, command: Sequence[str | Path]) -> list[str | Path]:
        """The command line that runs `command` with this clock."""
        settings = {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": self._file,
            "FAKETIME_CACHE_DURATION": _LOOKS_EVERY,
            # Waits are to last as long as they are.
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }
        return ["env", *(f"{name}={value}" for name, value in settings.items()), *command]


def library(system: System | None = None) -> Path:
    """The library: named in the environment, installed, in the cache, or fetched.

    Raises MissingProgramError, whose one line says what to do.
    """
    system = system or System()
    if named := system.environment.get(VARIABLE):
        return _readable(Path(named).absolute())
    installed = Path("/") / _FILE
    return installed if installed.is_file() else _fetched(system)


def _readable(path: Path) -> Path:
    if not os.access(path, os.R_OK) or not path.is_file():
        raise MissingProgramError(
            f"{VARIABLE}={path} is not a file that can be read; correct {VARIABLE} or unset it"
        )
    return path


def _fetched(system: System) -> Path:
    try:
        unpacked = cached(_PACKAGES, system) or fetch(_PACKAGES, None, system)
    except FetchError as error:
        raise _missing(str(error)) from error
    found = unpacked.root / _FILE
    if not found.is_file():
        raise _missing(f"the packages in {unpacked.directory} do not hold it")
    return found


def _missing(reason: str) -> MissingProgramError:
    return MissingProgramError(
        f"libfaketime is not installed and could not be fetched: {reason}; install Debian's "
        f"package {_PACKAGES[0]}, or name libfaketimeMT.so.1 in {VARIABLE}"
    )
