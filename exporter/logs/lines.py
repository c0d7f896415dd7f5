"""What becomes of an entry on its way to the log: redacted once, then written twice.

One text is for whoever reads standard output, the other a JSON line for files.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from exporter.logs.redaction import Redaction

# From this level on a line is an error: it goes to the errors' file as well.
_ERROR: Final = logging.ERROR

Entry = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is written; each text ends with a line feed."""

    shown: bytes
    kept: bytes
    error: bool


class Logger:
    """What structlog hands finished lines to, under the name that a file's `log` has."""

    def __init__(self, name: str, write: Callable[[Line], None]) -> None:
        self.name = name
        self._write = write

    def msg(self, line: Line) -> None:
        """Write a line of any level."""
        self._write(line)

    debug = info = warning = error = critical = msg


def configure(
    level: str, redaction: Redaction, write: Callable[[Line], None], *, for_people: bool
) -> None:
    """Have structlog, and what logs by the standard library, write lines of at least this level."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_name,
            # Tracebacks without local variables: those of a prober hold its target's password.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            )
            if not for_people
            else structlog.processors.format_exc_info,
            redaction,
            _Rendering(for_people=for_people),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *names: Logger(names[0] if names else "exporter", write),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forwarded()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


def quiet() -> None:
    """For commands that print a result: warnings and errors only, on standard error."""

    def write(line: Line) -> None:
        sys.stderr.write(line.shown.decode())

    configure("warning", Redaction(), write, for_people=sys.stderr.isatty())


def _add_name(logger: Any, _method: str, entry: Entry) -> Entry:
    entry["logger"] = logger.name
    return entry


class _Rendering:
    """The last processor: makes the line."""

    def __init__(self, *, for_people: bool) -> None:
        self._console = (
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
            if for_people
            else None
        )

    def __call__(
        self, logger: Any, method: str, entry: Entry
    ) -> tuple[tuple[Line], dict[str, Any]]:
        error = logging.getLevelNamesMapping()[str(entry["level"]).upper()] >= _ERROR
        kept = json.dumps(entry).encode() + b"\n"
        shown = kept
        if self._console is not None:
            text = self._console(logger, method, entry)
            shown = f"{text}\n".encode(errors="backslashreplace")
        return (Line(shown, kept, error),), {}


class _Forwarded(logging.Handler):
    """Takes what libraries log by the standard library the same way as our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
        log.log(level, record.getMessage(), exc_info=record.exc_info)
