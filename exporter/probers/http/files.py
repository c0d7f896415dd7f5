"""Small files that may be replaced while we run: secrets and certificates."""

from __future__ import annotations

import os
from pathlib import Path

# What tells a file from its successor: its inode, size and time of change in ns.
Stamp = tuple[int, int, int]


def stamp_of(file: Path) -> Stamp:
    """What tells a file from its successor, also behind a link that is moved (as Kubernetes does).

    Raises OSError.
    """
    status = os.stat(file)  # noqa: PTH116 - a third of the price of Path.stat, paid on each probe
    return status.st_ino, status.st_size, status.st_mtime_ns


class Watched:
    """A small file's text without the white space around it, read again when it has changed."""

    __slots__ = ("_file", "_stamp", "_text")

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: Stamp | None = None
        self._text = ""

    def text(self) -> str:
        """The text; raise OSError or UnicodeDecodeError if it cannot be read."""
        stamp = stamp_of(self._file)
        if stamp != self._stamp:
            self._text = self._file.read_text(encoding="utf-8").strip()
            self._stamp = stamp
        return self._text
