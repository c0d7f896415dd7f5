"""Names to addresses by the system's resolver, each look-up within a deadline of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.result import Reason

# A family of socket, and what its connect() takes.
Address = tuple[
    socket.AddressFamily,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]
Addresses = tuple[Address, ...]
Lookup = Callable[[str, int, socket.AddressFamily], Addresses]

# A look-up that a dead name server swallows holds its thread for 10 s (resolv.conf(5): two
# attempts of 5 s). As many names as this can hang before look-ups of others have to queue.
_MAX_THREADS = 32

_TRY_NEXT = frozenset({Reason.CONNECT, Reason.CONNECT_REFUSED, Reason.CONNECT_TIMEOUT})


def getaddrinfo(host: str, port: int, family: socket.AddressFamily) -> Addresses:
    """The addresses of a name, in the system's order; blocks. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    return tuple((found_family, address) for found_family, _, _, _, address in found)


def literal(host: str, port: int) -> Addresses | None:
    """The address that a host is, so that it needs no resolving; None if it is a name."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    if ip.version == 4:
        return ((socket.AF_INET, (host, port)),)
    if ip.scope_id:
        return None  # a link-local address with its interface: the system's resolver knows those
    return ((socket.AF_INET6, (host, port, 0, 0)),)


def attempts(addresses: Addresses, deadline: float) -> Iterator[tuple[Address, float, bool]]:
    """Addresses to try one after another: each with its own deadline, and whether it is the last.

    An address that swallows what is sent to it must not use up the time of those after it.
    """
    for left in range(len(addresses), 1, -1):
        at = now()
        yield addresses[-left], at + (deadline - at) / left, False
    yield addresses[-1], deadline, True


def worth_another(failure: ProbeFailure) -> bool:
    """Whether another address of the same name may do better."""
    return failure.reason in _TRY_NEXT


class Families:
    """Which families of addresses are asked for, and which is tried first.

    `preferred` is ip4 or ip6, as blackbox_exporter calls them; the other is used if `fallback`.
    """

    __slots__ = ("_first", "asked")

    def __init__(self, preferred: str, fallback: bool) -> None:
        self._first = socket.AF_INET if preferred == "ip4" else socket.AF_INET6
        self.asked = socket.AF_UNSPEC if fallback else self._first

    def ordered(self, addresses: Addresses) -> Addresses:
        """Addresses with those of the preferred family first, else in the order they had."""
        return tuple(sorted(addresses, key=lambda address: address[0] is not self._first))


class _Question:
    """One name that a thread looks up, and all who wait for it."""

    __slots__ = ("error", "found", "key", "waiting")

    def __init__(self, key: tuple[str, int, socket.AddressFamily]) -> None:
        self.key = key
        self.waiting: list[asyncio.Future[None]] = []
        self.found: Addresses = ()
        self.error: Exception | None = None


class Resolver:
    """Looks names up in threads of its own.

    The event loop's look-ups share few threads (libuv: two of four), so that two names whose
    server is dead would hold up all others; and one that is given up goes on and is asked again.
    Here a name is looked up once at a time, whoever waits for it, in a thread that nobody else
    needs. A look-up costs 30 to 48 µs of CPU, as libuv's does; through concurrent.futures, 75.
    """

    def __init__(self, lookup: Lookup = getaddrinfo) -> None:
        self._lookup = lookup
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._asked: dict[tuple[str, int, socket.AddressFamily], _Question] = {}
        self._answered: deque[_Question] = deque()
        self._threads = 0

    async def resolve(self, host: str, port: int, families: Families, timeout: float) -> Addresses:
        """The addresses of a name, in the order to try them.

        Raises ProbeFailure if there are none, or none within `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        question = self._ask((host, port, families.asked), loop)
        future: asyncio.Future[None] = loop.create_future()
        question.waiting.append(future)
        timer = loop.call_later(max(timeout, 0.0), _give_up, future)
        try:
            await future
        finally:
            timer.cancel()
            question.waiting.remove(future)
        if question.error is not None:
            raise _told(question.error) from None
        if not question.found:
            raise ProbeFailure(Reason.DNS, "the name has no address of the wanted family")
        return families.ordered(question.found)

    def close(self) -> None:
        """Let the threads end; one that is inside a look-up ends after it."""
        for _ in range(self._threads):
            self._questions.put(None)
        self._threads = 0

    def _ask(
        self, key: tuple[str, int, socket.AddressFamily], loop: asyncio.AbstractEventLoop
    ) -> _Question:
        question = self._asked.get(key)
        if question is None:
            question = self._asked[key] = _Question(key)
            self._questions.put(question)
            if len(self._asked) > self._threads < _MAX_THREADS:
                self._threads += 1
                threading.Thread(
                    target=self._work, args=(loop,), name="resolver", daemon=True
                ).start()
        return question

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (question := self._questions.get()) is not None:
            try:
                question.found = self._lookup(*question.key)
            except Exception as error:  # noqa: BLE001 - told to who waits, in the loop's thread
                question.error = error
            self._answered.append(question)
            try:
                loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                return  # the loop was closed meanwhile, so nobody waits

    def _deliver(self) -> None:
        while self._answered:
            question = self._answered.popleft()
            del self._asked[question.key]
            for future in question.waiting:
                if not future.done():
                    future.set_result(None)


def _give_up(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(ProbeFailure(Reason.DNS, "the name was not resolved in time"))


def _told(error: Exception) -> Exception:
    if isinstance(error, UnicodeError):
        return ProbeFailure(Reason.DNS, "the name cannot be resolved: it is not a valid name")
    if isinstance(error, OSError):
        return ProbeFailure(Reason.DNS, f"the name cannot be resolved: {error.strerror}")
    return error
