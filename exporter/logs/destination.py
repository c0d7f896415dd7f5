"""Where lines go: a thread for each destination, so that no disk holds the event loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Protocol

import structlog

# Lines that wait for a destination that takes none; what comes then is dropped and counted.
MOST_WAITING: Final = 10_000
# Lines that are written at once.
_BATCH: Final = 500
# How long the end waits for a destination, in seconds.
_CLOSE_SECONDS: Final = 3.0
_MODE: Final = 0o640

log = structlog.get_logger("exporter.logs")


class Target(Protocol):
    """What takes bytes."""

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OSError."""

    def reopen(self) -> None:
        """Let go of the file and open what has its name now. Raises OSError."""

    def close(self) -> None:
        """Let go of it. Raises OSError."""


class Stream:
    """Standard output or error, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OSError."""
        write_all(self._descriptor, data)

    def reopen(self) -> None:
        """There is nothing to open anew."""

    def close(self) -> None:
        """It is the process's, which goes on."""


class LogFile:
    """A file that lines are added to, opened when it is first written to.

    Its directory is made if need be; its mode is 0640.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        # The last line may have been cut off by a full disk.
        self._torn = False

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OSError."""
        if self._descriptor is None:
            self._descriptor = self._open()
        try:
            write_all(self._descriptor, b"\n" + data if self._torn else data)
        except OSError:
            self._torn = True
            raise
        self._torn = False

    def reopen(self) -> None:
        """Let go of the file and open what has its name now. Raises OSError."""
        self.close()
        self._torn = False
        self._descriptor = self._open()

    def close(self) -> None:
        """Let go of the file. Raises OSError."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)


def write_all(descriptor: int, data: bytes) -> None:
    """Write until nothing is left: a pipe takes what fits. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class _End:
    """Nothing comes after this."""


class Destination:
    """Lines on their way to a target. Nobody who logs ever waits for it."""

    def __init__(self, name: str, target: Target, most: int = MOST_WAITING) -> None:
        self.name = name
        self._target = target
        self._most = most
        # Its put() may be called by a signal's handler, whatever is going on.
        self._queue: SimpleQueue[bytes | threading.Event | _End] = SimpleQueue()
        self._dropped = 0
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"log {name}", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line written after those before it; dropped if too many wait."""
        if self._queue.qsize() >= self._most:
            self._dropped += 1
        else:
            self._queue.put(line)

    def reopen(self) -> threading.Event:
        """Have the target opened anew after the lines before; the event is set when it was."""
        done = threading.Event()
        self._queue.put(done)
        return done

    def close(self) -> None:
        """Wait until what was put is written, three seconds at most."""
        self._queue.put(_End())
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while True:
            lines, then = self._next()
            if lines:
                self._write(lines)
            if isinstance(then, _End):
                self._try(self._target.close)
                return
            if then is not None:
                self._try(self._target.reopen)
                then.set()

    def _next(self) -> tuple[list[bytes], threading.Event | _End | None]:
        """The next lines, and what has to be done after them."""
        lines: list[bytes] = []
        item = self._queue.get()
        while True:
            if not isinstance(item, bytes):
                return lines, item
            lines.append(item)
            if len(lines) == _BATCH:
                return lines, None
            try:
                item = self._queue.get_nowait()
            except Empty:
                return lines, None

    def _write(self, lines: list[bytes]) -> None:
        try:
            self._target.write(b"".join(lines))
        except OSError as error:
            self._dropped += len(lines)
            self._fail(error)
        else:
            self._recover()

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        # Once: the other destinations are told of it, and each line would be another one.
        if not self._failing:
            self._failing = True
            log.warning(
                "the log cannot be written here; it goes on elsewhere",
                destination=self.name,
                why=error.strerror or str(error),
            )

    def _recover(self) -> None:
        self._failing = False
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            log.warning("lines of the log are missing here", destination=self.name, lines=dropped)
