"""Readiness and deadlines of many sockets for one event loop, at a fraction of its own price."""

from __future__ import annotations

import asyncio
import select
from typing import Protocol

from exporter.probers.http.arrival import stamping
from exporter.probers.http.clock import now

READ = select.EPOLLIN | select.EPOLLRDHUP
WRITE = select.EPOLLOUT

_CONNECT = READ | WRITE | select.EPOLLET

# So many events at most before the loop's other work gets its turn.
_MAX_EVENTS = 128
# Deadlines nearer together than this share a wake-up, or thousands of hanging targets would each
# pay for a look at all the others.
_QUANTUM = 0.01
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
    """

    __slots__ = ("_epoll", "_keeper", "_loop", "_next", "_timer", "_waiters", "stamps_arrivals")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._waiters: dict[int, Waiter] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = _NEVER
        self._keeper = stamping()
        self.stamps_arrivals = self._keeper is not None
        loop.add_reader(self._epoll.fileno(), self._dispatch)

    def close(self) -> None:
        """Stop watching; sockets that are still watched are the caller's to close."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
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
        self._waiters[fd] = waiter
        self._epoll.register(fd, _CONNECT)
        if waiter.deadline < self._next:
            self._schedule(waiter.deadline)

    def watch_open(self, fd: int, waiter: Waiter) -> None:
        """Tell when a connected socket can be written to; go on with `watch`."""
        self.watch_connected(fd, waiter, WRITE)

    def watch_connected(self, fd: int, waiter: Waiter, events: int) -> None:
        """Tell whenever a connected socket has `events`, as long as it has them."""
        self._waiters[fd] = waiter
        self._epoll.register(fd, events)
        if waiter.deadline < self._next:
            self._schedule(waiter.deadline)

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

    def __len__(self) -> int:
        return len(self._waiters)

    def _dispatch(self) -> None:
        waiters = self._waiters
        events = self._epoll.poll(0, _MAX_EVENTS)
        at = now()
        for fd, event in events:
            # A waiter may be gone since: one that shares this wake-up can have ended it.
            waiter = waiters.get(fd)
            if waiter is not None:
                waiter.ready(event, at)

    def _schedule(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        self._timer = self._loop.call_later(max(deadline - now(), 0.0), self._expire)

    def _expire(self) -> None:
        at = now()
        self._timer = None
        self._next = _NEVER
        for waiter in list(self._waiters.values()):
            if waiter.deadline <= at:
                waiter.expire(at)
        if self._waiters:
            earliest = min(waiter.deadline for waiter in self._waiters.values())
            self._schedule(max(earliest, at + _QUANTUM))
