"""One connection to a target: made, secured, written to and read, with each step stamped."""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import ssl
from typing import Protocol

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.http.failure import connect_failed
from exporter.probers.http.poller import READ, WRITE, Poller
from exporter.probers.http.tls import Security, handshake_failed
from exporter.probers.result import Reason

_CHUNK = 65536
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK

_FAILED = select.EPOLLERR | select.EPOLLHUP
_IN_PROGRESS = errno.EINPROGRESS

# The C type under socket.socket: its constructor is half the price, and nothing else is needed.
_Socket = socket.SocketType

# A family of socket and what its connect() takes.
Address = tuple[
    socket.AddressFamily,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]


class Reader(Protocol):
    """What makes sense of the bytes that a target sends. Both methods may raise ProbeFailure."""

    def feed(self, data: bytes) -> bool:
        """Take bytes; True when the answer is complete."""
        ...

    def end(self) -> None:
        """The target has closed the connection, so nothing more will come."""
        ...


class Connection:
    """A connection that sends one request and reads one answer.

    The stamps are in seconds of `clock.now`, 0.0 for what has not happened. `done` ends with None
    or raises ProbeFailure. Whoever made the connection closes it, whatever ends the waiting.
    """

    __slots__ = (
        "_fd",
        "_handshaking",
        "_poller",
        "_reader",
        "_security",
        "_slow",
        "_socket",
        "_unsent",
        "connected_at",
        "deadline",
        "done",
        "ended_at",
        "first_byte_at",
        "leaf_expiry",
        "secured_at",
        "sent_at",
        "started_at",
        "tls_version",
    )

    def __init__(
        self,
        poller: Poller,
        done: asyncio.Future[None],
        reader: Reader,
        request: bytes,
        security: Security | None = None,
    ) -> None:
        self._poller = poller
        self._reader = reader
        self._unsent = request
        self._security = security
        self._socket: socket.SocketType | ssl.SSLSocket | None = None
        self._handshaking = False
        self._slow = False
        self.done = done
        self.connected_at = 0.0
        self.secured_at = 0.0
        self.sent_at = 0.0
        self.first_byte_at = 0.0
        self.ended_at = 0.0
        self.tls_version = ""
        self.leaf_expiry = 0.0

    def open(self, address: Address, deadline: float) -> None:
        """Begin to connect, in order to be done by `deadline`; raise ProbeFailure if that fails."""
        family, where = address
        self.deadline = deadline
        self.started_at = now()
        try:
            self._socket = sock = _Socket(family, _STREAM)
        except OSError as error:
            raise connect_failed(error.errno or 0) from None
        self._fd = fd = sock.fileno()
        code = sock.connect_ex(where)
        self._poller.watch_connect(fd, self)
        if code and code != _IN_PROGRESS:
            raise connect_failed(code)

    def close(self) -> None:
        """Close the socket, if it is open."""
        sock = self._socket
        if sock is not None:
            self._socket = None
            self._poller.forget(self._fd)
            sock.close()

    # --- for the poller -------------------------------------------------------------------------

    def ready(self, events: int, at: float) -> None:
        """Go on with what the socket is ready for."""
        try:
            if self.sent_at:
                self._receive(at)
            elif self.connected_at:
                self._go_on()
            elif events & ~READ:
                # What came before we asked was told by an edge that will not come again.
                self._slow = bool(events & READ)
                self._connected(at, failed=bool(events & _FAILED))
        except ProbeFailure as failure:
            self._end(at, failure)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            self._wait(error)
        except OSError as error:
            self._end(at, _lost(error))
        except Exception as error:  # noqa: BLE001 - a defect of ours is told to who awaits the probe
            self._end(at, error)

    def expire(self, at: float) -> None:
        """End what has not ended in time."""
        if not self.connected_at:
            failure = ProbeFailure(Reason.CONNECT_TIMEOUT, "no connection in time")
        elif self._handshaking:
            failure = ProbeFailure(Reason.TIMEOUT, "no TLS handshake in time")
        elif not self.first_byte_at:
            failure = ProbeFailure(Reason.TIMEOUT, "no answer in time")
        else:
            failure = ProbeFailure(Reason.TIMEOUT, "the answer was not complete in time")
        self._end(at, failure)

    # --- steps ----------------------------------------------------------------------------------

    def _connected(self, at: float, *, failed: bool) -> None:
        sock = self._socket
        assert sock is not None
        if failed:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise connect_failed(code)
        self.connected_at = at
        if self._security is None:
            self._send()
        else:
            self._socket = self._security.wrap(sock)
            self._handshaking = True
            self._go_on()

    def _go_on(self) -> None:
        if self._handshaking:
            self._shake_hands()
        self._send()

    def _shake_hands(self) -> None:
        sock = self._socket
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            raise handshake_failed(error) from None
        self._handshaking = False
        self.secured_at = now()
        self.tls_version = sock.version() or ""
        certificate = sock.getpeercert()
        if certificate:
            self.leaf_expiry = float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))

    def _send(self) -> None:
        sock = self._socket
        assert sock is not None
        sent = sock.send(self._unsent)
        if sent < len(self._unsent):
            self._unsent = self._unsent[sent:]
            self._watch(WRITE)
            return
        self.sent_at = now()
        if self._slow:
            self._watch(READ)

    def _receive(self, at: float) -> None:
        sock = self._socket
        assert sock is not None
        data = sock.recv(_CHUNK)
        if not self.first_byte_at:
            self.first_byte_at = at
        if not data:
            self._reader.end()
        elif not self._reader.feed(data):
            if not self._slow:
                self._watch(READ)
            return
        self._end(at, None)

    def _wait(self, error: OSError) -> None:
        if isinstance(error, ssl.SSLWantReadError):
            self._watch(READ)
        elif isinstance(error, ssl.SSLWantWriteError):
            self._watch(WRITE)
        else:
            self._watch(READ if self.sent_at else WRITE)

    def _watch(self, events: int) -> None:
        self._slow = True
        self._poller.watch(self._fd, events)

    def _end(self, at: float, error: Exception | None) -> None:
        self.ended_at = at
        self.close()
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


def _lost(error: OSError) -> ProbeFailure:
    if isinstance(error, ssl.SSLError):
        return ProbeFailure(Reason.TLS, f"TLS failed: {error.reason or 'unknown error'}")
    return ProbeFailure(Reason.RESET, "the target reset the connection")
