"""Readiness and deadlines of many sockets for one event loop, at a fraction of its own price."""

from __future__ import annotations

import asyncio
import heapq
import select
from contextvars import Context
from typing import Protocol

from exporter.probers.http.arrival import stamping
from exporter.probers.http.clock import now

READ = select.EPOLLIN | select.EPOLLRDHUP
WRITE = select.EPOLLOUT

_CONNECT = READ | WRITE | select.EPOLLET

# So many events at most before the loop's other work gets its turn.
_MAX_EVENTS = 128
# Deadlines nearer together than this share a wake-up.
_QUANTUM = 0.01
# So many that have ended wait at most while other sockets go on becoming ready.
_MAX_ENDED = 32
_MAX_LOOKS = 16
_NEVER = float("inf")


class Waiter(Protocol):
    """What waits for a socket until a deadline. Neither method may raise."""

    deadline: float

    def ready(self, events: int, at: float) -> None:
        """The socket has `events` (of epoll), seen at `at` (in seconds of `clock.now`)."""
        ...

    def expire(self, at: float) -> None:
        """The deadline has passed."""
        ...


class Poller:
    """An epoll of our own, nested in the event loop as one readable descriptor.

    A probe opens and closes a socket within a few callbacks. Through the loop's own transports
    that costs a handle and a callback for every step (88 µs of CPU for a bare probe against 73 µs,
    uvloop 0.23, 55 µs of either being the kernel's); through one nested epoll it costs a
    dictionary entry, and sockets that become ready together share a wake-up and one truthful time.
    Deadlines share one timer for the same reason.

    What has ended is told when no socket is ready any more: whoever awaits it has more to do than
    all the steps of a probe together (judging, rendering), and others would wait for that and
    report it. It halves the mean duration that 200 targets at 1 s report.
    """

    __slots__ = (
        "_context",
        "_deadlines",
        "_ended",
        "_epoll",
        "_keeper",
        "_looks",
        "_next",
        "_timer",
        "_waiters",
        "loop",
        "stamps_arrivals",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._epoll = select.epoll()
        # Timers are everybody's: they must not hold what the probe that set them is a part of.
        self._context = Context()
        self._waiters: dict[int, Waiter] = {}
        self._ended: list[asyncio.Future[None]] = []
        self._looks = 0
        # A heap of deadlines, each with its socket, which may be gone or another's since.
        self._deadlines: list[tuple[float, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._next = _NEVER
        self._keeper = stamping()
        self.stamps_arrivals = self._keeper is not None
        loop.add_reader(self._epoll.fileno(), self._dispatch)

    def close(self) -> None:
        """Stop watching; sockets that are still watched are the caller's to close."""
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
        if self._keeper is not None:
            self._keeper.close()
        if self._timer is not None:
            self._timer.cancel()

    def watch_connect(self, fd: int, waiter: Waiter) -> None:
        """Tell when a socket becomes connected, and again when it becomes readable.

        Edge-triggered, so that a probe whose answer comes in one piece needs no second system
        call; whoever reads less than the whole calls `watch` and is told as long as there is more.
        """
        self._epoll.register(fd, _CONNECT)
        self._wait(fd, waiter)

    def watch_open(self, fd: int, waiter: Waiter) -> None:
        """Tell when a connected socket can be written to; go on with `watch`."""
        self.watch_connected(fd, waiter, WRITE)

    def watch_connected(self, fd: int, waiter: Waiter, events: int) -> None:
        """Tell whenever a connected socket has `events`, as long as it has them."""
        self._epoll.register(fd, events)
        self._wait(fd, waiter)

    def watch(self, fd: int, events: int) -> None:
        """Tell whenever a watched socket has `events`, as long as it has them."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop watching a socket that is closed next, which takes it out of the epoll."""
        self._waiters.pop(fd, None)

    def release(self, fd: int) -> None:
        """Stop watching a socket that stays open."""
        del self._waiters[fd]
        self._epoll.unregister(fd)

    def tell(self, done: asyncio.Future[None]) -> None:
        """End a future, as soon as no socket is ready."""
        self._ended.append(done)
        if len(self._ended) == 1:
            self.loop.call_soon(self._tell, context=self._context)

    def __len__(self) -> int:
        return len(self._waiters)

    def _tell(self) -> None:
        self._looks += 1
        if self._looks < _MAX_LOOKS and len(self._ended) < _MAX_ENDED and self._dispatch():
            self.loop.call_soon(self._tell, context=self._context)
            return
        self._looks = 0
        ended, self._ended = self._ended, []
        for done in ended:
            if not done.done():  # or whoever awaited it was cancelled
                done.set_result(None)

    def _dispatch(self) -> bool:
        """Let those go on that can; whether there were any."""
        waiters = self._waiters
        if self._epoll.closed:
            return False
        events = self._epoll.poll(0, _MAX_EVENTS)
        at = now()
        for fd, event in events:
            # A waiter may be gone since: one that shares this wake-up can have ended it.
            waiter = waiters.get(fd)
            if waiter is not None:
                waiter.ready(event, at)
        return bool(events)

    def _wait(self, fd: int, waiter: Waiter) -> None:
        self._waiters[fd] = waiter
        heapq.heappush(self._deadlines, (waiter.deadline, fd))
        if waiter.deadline < self._next:
            self._schedule(waiter.deadline)

    def _schedule(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        wait = max(deadline - now(), 0.0)
        self._timer = self.loop.call_later(wait, self._expire, context=self._context)

    def _expire(self) -> None:
        at = now()
        self._timer = None
        self._next = _NEVER
        deadlines = self._deadlines
        while deadlines:
            deadline, fd = deadlines[0]
            waiter = self._waiters.get(fd)
            waits = waiter is not None and waiter.deadline == deadline
            if waits and deadline > at:
                self._schedule(max(deadline, at + _QUANTUM))
                return
            heapq.heappop(deadlines)
            if waiter is not None and waits:
                waiter.expire(at)
