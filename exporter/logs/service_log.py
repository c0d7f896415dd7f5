"""The log of a running service: standard output, and two files that logrotate may move away."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

import structlog

from exporter.logs.destination import Destination, LogFile, Stream
from exporter.logs.lines import Line, configure
from exporter.logs.redaction import Redaction

COMBINED: Final = "monitoring-combined.log"
ERRORS: Final = "monitoring-error.log"
# Where a container keeps them, unless LOG_DIR says otherwise.
DEFAULT_DIRECTORY: Final = Path("/app/logs")

log = structlog.get_logger("exporter.logs")


class ServiceLog:
    """Writes the log while it is entered; SIGUSR1 opens the files anew.

    A directory that cannot be written is told once and tried again: logs are no reason not to
    start.
    """

    def __init__(self, level: str, directory: Path | None, secrets: Iterable[str] = ()) -> None:
        self._level = level
        self._directory = directory if directory is not None else usual_directory()
        self._redaction = Redaction(secrets)
        self._shown: list[Destination] = []
        self._kept: list[Destination] = []
        self._errors: list[Destination] = []

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these secrets from now on, in the place of those known before."""
        self._redaction.learn(secrets)

    def reopen(self) -> None:
        """Open the files anew, after all that was logged before."""
        for destination in (*self._kept, *self._errors):
            destination.reopen()

    def __enter__(self) -> Self:
        self._shown.append(Destination("standard output", Stream(sys.stdout.fileno())))
        if self._directory is not None:
            for name, destinations in ((COMBINED, self._kept), (ERRORS, self._errors)):
                path = self._directory / name
                destinations.append(Destination(str(path), LogFile(path)))
        # Set here and not on the event loop: before that runs, the signal would end the process.
        signal.signal(signal.SIGUSR1, self._told)
        configure(self._level, self._redaction, self._write, for_people=sys.stdout.isatty())
        self.reopen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for destination in (*self._kept, *self._errors, *self._shown):
            destination.close()

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        self.reopen()

    def _write(self, line: Line) -> None:
        for destination in self._shown:
            destination.put(line.shown)
        for destination in self._kept:
            destination.put(line.kept)
        if line.error:
            for destination in self._errors:
                destination.put(line.kept)


def usual_directory() -> Path | None:
    """Where files are kept if nothing is said: a container's volume, else nowhere."""
    usable = DEFAULT_DIRECTORY.is_dir() and os.access(DEFAULT_DIRECTORY, os.W_OK)
    return DEFAULT_DIRECTORY if usable else None
