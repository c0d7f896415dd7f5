"""The private directory for what was fetched or prepared."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from programs.errors import FetchError

NAME = "tickettoken-monitoring"
_UNFINISHED = ".unfinished-"


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Where the cache is, made if need be.

    Raises FetchError if it cannot be made or could hold programs that somebody else put there.
    """
    directory = _place(environment)
    try:
        make(directory)
        status = directory.stat()
    except OSError as error:
        raise FetchError(
            f"the cache {directory} cannot be made ({error.strerror}); "
            "set MONITORING_CACHE to a directory that can"
        ) from error
    _refuse_foreign(directory, status)
    return directory


def make(directory: Path) -> None:
    """Makes a directory, and those above it, that every user can read, whatever the umask."""
    if directory.is_dir():
        return
    make(directory.parent)
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Waits until no other process works in the directory, and keeps others out meanwhile."""
    with (directory / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def appearing(final: Path) -> Iterator[Path]:
    """A directory to fill, which becomes `final` at the end, or vanishes on an exception.

    To be used under `locked(final.parent)`: it also removes what a killed process left behind.
    """
    for leftover in final.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=final.parent))
    try:
        unfinished.chmod(0o755)
        yield unfinished
        unfinished.rename(final)
    finally:
        if unfinished.exists():
            shutil.rmtree(unfinished)


def _place(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get("MONITORING_CACHE"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache") / NAME
    if base := environment.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / NAME
    return Path.home() / ".cache" / NAME


def _refuse_foreign(directory: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise FetchError(
            f"the cache {directory} belongs to user {status.st_uid}, not to {os.geteuid()}, "
            "who could be given other programs; set MONITORING_CACHE to a directory of your own"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise FetchError(
            f"the cache {directory} can be written by others, who could put other programs there; "
            "set MONITORING_CACHE to a directory that only you can write"
        )
