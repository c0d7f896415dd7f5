"""One clock for all targets: it wakes seldom, and starts what is due one after another.

A wake-up of a process that sleeps costs more than a probe: its caches are cold, and so are the
kernel's. So a start is given a stretch of time instead of a moment, and a wake-up takes along
whatever may start by then. They start a few a turn of the event loop, so that the sockets of those
before are looked at in between: started at once they would wait for one another, and report it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from time import monotonic

# Starts that one wake-up takes along: after so many the event loop's other work is long due.
MOST_AT_ONCE = 16
# Starts before the sockets are looked at: four for one turn save a tenth of a probe's CPU, and add
# a third to the duration that is reported. Eight save a twentieth more, and connections are noticed
# twice as late, later than blackbox_exporter notices its own.
STARTS_A_TURN = 4
_NEVER = float("inf")


class Start:
    """A start that was asked for: between `earliest` and `latest`, in seconds of `monotonic`."""

    __slots__ = ("begin", "earliest", "latest")

    def __init__(self, earliest: float, latest: float, begin: Callable[[float], None]) -> None:
        self.earliest = earliest
        self.latest = latest
        self.begin: Callable[[float], None] | None = begin

    def cancel(self) -> None:
        """Do not start."""
        self.begin = None


class Clock:
    """Calls what is due, with how late that is in seconds. A wake-up costs O(log n) a start."""

    def __init__(self, most_at_once: int = MOST_AT_ONCE, starts_a_turn: int = 1) -> None:
        self._loop = asyncio.get_running_loop()
        self._most = most_at_once
        self._a_turn = starts_a_turn
        self._left = 0
        self._number = count()
        self._heap: list[tuple[float, int, Start]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._turning: asyncio.Handle | None = None
        self._wake_at = _NEVER

    def start(self, earliest: float, latest: float, begin: Callable[[float], None]) -> Start:
        """Call `begin` at `latest`, or from `earliest` on if we are awake anyway."""
        asked = Start(earliest, latest, begin)
        heapq.heappush(self._heap, (latest, next(self._number), asked))
        if latest < self._wake_at and self._turning is None:
            self._sleep_until(latest)
        return asked

    def stop(self) -> None:
        """Start nothing more."""
        self._heap.clear()
        for handle in (self._timer, self._turning):
            if handle is not None:
                handle.cancel()

    def _wake(self) -> None:
        self._left = self._most
        self._turn()

    def _turn(self) -> None:
        """Start a few, and come back in the event loop's next turn if there are more."""
        now = monotonic()
        due: list[tuple[Callable[[float], None], float]] = []
        while self._left and len(due) < self._a_turn and self._head() <= now:
            latest, _, asked = heapq.heappop(self._heap)
            begin, asked.begin = asked.begin, None
            assert begin is not None  # or it were not the head
            due.append((begin, max(now - min(latest, self._wake_at), 0.0)))
            self._left -= 1
        # Before they are called: what one raises must stop nobody else.
        if self._left and self._head() <= now:
            self._turning = self._loop.call_soon(self._turn)
        else:
            self._turning = None
            self._sleep_until(self._heap[0][0] if self._heap else _NEVER)
        for begin, late in due:
            self._call(begin, late)

    def _call(self, begin: Callable[[float], None], late: float) -> None:
        try:
            begin(late)
        except Exception as error:  # noqa: BLE001 - a defect of one, told to the loop's handler
            self._loop.call_exception_handler({"message": "a start failed", "exception": error})

    def _head(self) -> float:
        """From when on the next one may start; those that were cancelled are dropped."""
        while self._heap:
            asked = self._heap[0][2]
            if asked.begin is not None:
                return asked.earliest
            heapq.heappop(self._heap)
        return _NEVER

    def _sleep_until(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake_at = moment
        if moment < _NEVER:
            self._timer = self._loop.call_later(max(moment - monotonic(), 0.0), self._wake)
