"""Where a program is: named in the environment, on the PATH, in the cache, or fetched."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from programs.errors import FetchError, MissingProgramError
from programs.fetch import by_version, cached, fetch
from programs.relocate import behind
from programs.sources import distribution
from programs.system import System
from programs.table import PROGRAMS, Program


def find(name: str, system: System | None = None) -> Path:
    """The path to run a program of PROGRAMS by, fetched if it is nowhere.

    Raises MissingProgramError, whose one line says what to do.
    """
    program, system = PROGRAMS[name], system or System()
    found = _named(program, system) or _installed(program, system)
    return found or _fetched(program, system)


def version(path: Path, argument: str = "--version") -> str:
    """What the program says is its version; raises MissingProgramError if it does not run."""
    try:
        result = subprocess.run(
            [path, *argument.split()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise MissingProgramError(f"{path} does not run: {error.strerror}") from error
    number = re.search(r"\d+(\.\d+)+", result.stdout)
    if result.returncode != 0 or number is None:
        said = result.stdout.strip().partition("\n")[0]
        raise MissingProgramError(f"{path} {argument} ends with {result.returncode}: {said}")
    return number[0]


def identity(path: Path) -> str | None:
    """What tells a program from every other one and from other versions of itself.

    None for a script that is not ours: what it runs may change while it stays the same.
    """
    file = behind(path.resolve())
    with file.open("rb") as opened:
        if opened.read(2) == b"#!":
            return None
    status = file.stat()
    return f"{file} {status.st_size} {status.st_mtime_ns}"


def _named(program: Program, system: System) -> Path | None:
    value = system.environment.get(program.variable)
    if not value:
        return None
    path = Path(value).absolute()
    if program.together:
        path /= program.name
    if not _runs(path):
        raise MissingProgramError(
            f"{program.variable}={value}: {path} is not a program that can be run; "
            f"correct {program.variable} or unset it"
        )
    return path


def _installed(program: Program, system: System) -> Path | None:
    directories = [Path(entry).absolute() for entry in system.path.split(os.pathsep) if entry]
    if program.together:
        # Debian keeps Postgres' server programs off the PATH.
        directories += sorted(system.postgresql.glob("*/bin"), key=by_version, reverse=True)
    return _first(program, directories)


def _fetched(program: Program, system: System) -> Path:
    try:
        distribution(system)
        unpacked = cached(program.selection, system, program.suite)
        if unpacked is None:
            # It takes some seconds, in which a person should know what is going on.
            print(f"fetching {program.name} …", file=sys.stderr, flush=True)
            unpacked = fetch(program.selection, program.suite, system)
    except FetchError as error:
        raise _missing(program, str(error)) from error
    found = _first(program, unpacked.directories())
    if found is None:
        raise _missing(program, f"the packages in {unpacked.directory} do not hold it")
    return found


def _first(program: Program, directories: list[Path]) -> Path | None:
    return next(_candidates(program, directories), None)


def _candidates(program: Program, directories: list[Path]) -> Iterator[Path]:
    for directory in directories:
        if all(_runs(directory / name) for name in program.together):
            found = filter(_runs, (directory / name for name in program.files))
            yield from (path for path in found if _is_new_enough(path, program))


def _is_new_enough(path: Path, program: Program) -> bool:
    if not program.least:
        return True
    try:
        number = version(path, program.version_argument)
    except MissingProgramError:
        return False
    return int(number.partition(".")[0]) >= program.least


def _runs(path: Path) -> bool:
    # Asked first: is_file raises where a directory of the PATH is closed to this user.
    return os.access(path, os.X_OK) and path.is_file()


def _missing(program: Program, reason: str) -> MissingProgramError:
    packages = " and ".join(program.packages)
    plural = "packages" if len(program.packages) > 1 else "package"
    return MissingProgramError(
        f"{program.name} is not on the PATH and could not be fetched: {reason}; install Debian's "
        f"{plural} {packages}, put {program.name} on the PATH, or name it in {program.variable}"
    )
