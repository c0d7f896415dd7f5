"""How many probes may be under way at once: in all, and of one host."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable


class Wait:
    """A probe that waits for its slot, or has it."""

    __slots__ = ("begin", "host")

    def __init__(self, host: str, begin: Callable[[], None] | None) -> None:
        self.host = host
        self.begin = begin

    def cancel(self) -> None:
        """Wait no longer; a slot that it has is given back by `Slots.release`."""
        self.begin = None


class Slots:
    """Hands out slots in the order in which they are asked for.

    Whoever waits for a host that is busy holds up nobody of another host.
    """

    def __init__(self, total: int, per_host: int) -> None:
        self._total = total
        self._per_host = per_host
        self._taken = 0
        # Of each host, those that have a slot or wait for nothing but the total.
        self._admitted: Counter[str] = Counter()
        # The waiting of all who need not wait.
        self._over = Wait("", None)
        self._queue: deque[Wait] = deque()
        self._of_host: defaultdict[str, deque[Wait]] = defaultdict(deque)

    def resize(self, total: int, per_host: int) -> None:
        """Set other limits. What is under way stays under way."""
        self._total, self._per_host = total, per_host
        for host in list(self._of_host):
            self._admit(host)
        self._hand_out()

    def ask(self, host: str, begin: Callable[[], None]) -> Wait:
        """Call `begin` as soon as there is a slot, which may be at once."""
        admitted = self._admitted.get(host, 0)
        if admitted < self._per_host:
            self._admitted[host] = admitted + 1
            if self._taken < self._total and not self._queue:
                self._taken += 1
                begin()
                return self._over
            wait = Wait(host, begin)
            self._queue.append(wait)
        else:
            wait = Wait(host, begin)
            self._of_host[host].append(wait)
        return wait

    def release(self, host: str) -> None:
        """Give back a slot."""
        self._taken -= 1
        self._leave(host)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._queue and self._taken < self._total:
            wait = self._queue.popleft()
            if wait.begin is None:
                self._leave(wait.host)
                continue
            self._taken += 1
            wait.begin()

    def _leave(self, host: str) -> None:
        self._admitted[host] -= 1
        if host in self._of_host:
            self._admit(host)
        if not self._admitted[host]:
            del self._admitted[host]

    def _admit(self, host: str) -> None:
        waiting = self._of_host[host]
        while waiting and self._admitted[host] < self._per_host:
            wait = waiting.popleft()
            if wait.begin is not None:
                self._admitted[host] += 1
                self._queue.append(wait)
        if not waiting:
            del self._of_host[host]
