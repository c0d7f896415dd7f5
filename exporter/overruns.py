"""Cancels probes that go on after they should have ended: a defect of a prober's, and rare."""

from __future__ import annotations

import asyncio
from contextvars import Context
from time import monotonic

# How long after its end an overrun may be noticed, in seconds.
_LOOK_EVERY = 0.1
_NEVER = float("inf")


class Limit:
    """Until when a task may take, in seconds of `monotonic`."""

    __slots__ = ("_cancelling", "_task", "end", "expired")

    def __init__(self, task: asyncio.Task[object], end: float) -> None:
        self._task = task
        self._cancelling = task.cancelling()
        self.end = end
        self.expired = False

    def expire(self) -> None:
        """Cancel the task."""
        self.expired = True
        self._task.cancel()

    def is_why(self) -> bool:
        """Whether nothing but this has cancelled the task."""
        return self.expired and self._task.cancelling() <= self._cancelling + 1

    def end_it(self) -> None:
        """Take back that the task was cancelled, if it was: it goes on."""
        if self.expired:
            self._task.uncancel()


class Overruns:
    """The limits of all probes under way, which share one timer.

    asyncio.timeout() is exact, and costs 11 µs of a probe's CPU where this costs 1.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # The timer is everybody's: it must not hold what the probe that set it is a part of.
        self._context = Context()
        self._limits: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._look_at = _NEVER

    def __len__(self) -> int:
        return len(self._limits)

    def limit(self, seconds: float) -> Limit:
        """Limit the task that calls this; it says `forget` when it has ended in time."""
        # With the loop: to ask for the one that runs is a system call, getpid().
        task = asyncio.current_task(self._loop)
        assert task is not None
        limit = Limit(task, monotonic() + seconds)
        self._limits.add(limit)
        if limit.end < self._look_at:
            self._look_in(seconds)
        return limit

    def forget(self, limit: Limit) -> None:
        """What it limited has ended, in time or not."""
        self._limits.discard(limit)
        limit.end_it()

    def _look(self) -> None:
        now = monotonic()
        for limit in self._limits:
            if limit.end <= now and not limit.expired:
                limit.expire()
        left = [limit.end for limit in self._limits if not limit.expired]
        self._timer, self._look_at = None, _NEVER
        if left:
            self._look_in(max(min(left) - now, _LOOK_EVERY))

    def _look_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look_at = monotonic() + seconds
        self._timer = self._loop.call_later(seconds, self._look, context=self._context)
