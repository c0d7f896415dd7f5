"""Times are those of the wire: not of when we came to read, nor of what the kernel held back."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Authorities
from scripted_server import HEALTHY, value
from standins import until

from exporter.probers.http import HttpProber
from exporter.probers.http.arrival import arrived_at, stamp_arrivals, stamping
from exporter.probers.http.clock import now
from exporter.probers.result import ProbeResult
from model import names
from model.targets import Service

TRANSFER, HELD = 0.2, 1.5
DEADLINE = 30.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(HEALTHY)


def at_once(connection: socket.socket) -> None:
    connection.sendall(ANSWER + HEALTHY)


def in_two_pieces(connection: socket.socket) -> None:
    connection.sendall(ANSWER)
    time.sleep(TRANSFER)
    connection.sendall(HEALTHY)


@dataclass(frozen=True)
class Answering:
    """A server, and whether it has been asked."""

    url: str
    asked: threading.Event


@contextmanager
def answering(
    answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None
) -> Iterator[Answering]:
    """A server in a thread of its own, so that holding our event loop holds up only us.

    Its handshakes end with what the client says, as they do where there are no session tickets.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection if tls is None else tls.wrap_socket(connection, True) as talk:
                    talk.recv(65536)
                    asked.set()
                    answer(talk)

        asked = threading.Event()
        if tls is not None:
            tls.num_tickets = 0
        thread = threading.Thread(target=serve)
        thread.start()
        scheme = "http" if tls is None else "https"
        try:
            yield Answering(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", asked)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


async def probed(
    server: Answering, ca_file: Path | None = None, *, held: float = 0.0
) -> ProbeResult:
    """A probe during which the event loop does nothing else for a while, once it has asked."""
    server.asked.clear()
    prober = HttpProber(Service(name="target", url=server.url, ca_file=ca_file), server.url)
    probe = asyncio.create_task(prober.probe(DEADLINE))
    await until(server.asked.is_set, DEADLINE)
    time.sleep(held)  # noqa: ASYNC251 - to hold the loop is the point
    result = await probe
    await prober.close()
    assert result.success, result.detail
    return result


def phase(result: ProbeResult, name: str) -> float:
    seconds = value(result, names.PROBE_HTTP_DURATION, name)
    assert seconds is not None
    return seconds


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_an_answer_that_is_read_late_is_timed_by_its_arrival(
    authorities: Authorities, secure: bool
) -> None:
    with answering(in_two_pieces, authorities.good() if secure else None) as server:
        result = await probed(server, authorities.file, held=HELD)
    assert TRANSFER * 0.9 <= phase(result, "transfer") < HELD
    assert result.duration < HELD


async def test_a_request_over_tls_does_not_wait_for_an_acknowledgement(
    authorities: Authorities,
) -> None:
    """Of the handshake: Nagle's algorithm waits for that, and a server puts it off by 40 ms."""
    with answering(at_once, authorities.good()) as server:
        # A busy machine may hold up some of them as well, but not each.
        for _ in range(100):
            if phase(await probed(server, authorities.file), "processing") < 0.03:
                return
    pytest.fail("each was held up")


# --- the stamps -----------------------------------------------------------------------------------


def stamped(unix: float) -> list[tuple[int, int, bytes]]:
    whole = int(unix)
    return [(socket.SOL_SOCKET, 35, struct.pack("@ll", whole, int((unix - whole) * 1e9)))]


def test_the_kernel_stamps_what_arrives() -> None:
    keeper = stamping()
    assert keeper is not None
    with keeper, socket.create_server(("127.0.0.1", 0)) as listener:
        one, other = socket.create_connection(listener.getsockname()), listener.accept()[0]
    with one, other:
        stamp_arrivals(one)
        before = now()
        other.sendall(b"x")
        sent = now()
        time.sleep(1.0)
        _, ancillary, _, _ = one.recvmsg(1, 64)
    assert before - 0.001 <= arrived_at(ancillary, 0.0) <= sent + 0.5


def test_without_a_stamp_it_is_now() -> None:
    before = now()
    assert before <= arrived_at([], 0.0) <= now()


def test_a_clock_that_was_set_back_makes_it_now() -> None:
    before = now()
    assert before <= arrived_at(stamped(time.time() + 3600), 0.0) <= now()


def test_a_clock_that_was_set_forward_makes_it_the_earliest_that_it_can_be() -> None:
    earliest = now()
    assert arrived_at(stamped(time.time() - 3600), earliest) == earliest
