"""One connection to a target: made, secured, written to and read, with each step stamped."""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import ssl
from dataclasses import dataclass
from typing import Protocol

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.arrival import ANCILLARY, arrived_at, stamp_arrivals
from exporter.probers.http.clock import now
from exporter.probers.http.failure import connect_failed
from exporter.probers.http.poller import READ, WRITE, Poller
from exporter.probers.http.resolve import Address
from exporter.probers.http.tls import Inspector, Secured, Security, handshake_failed
from exporter.probers.result import Reason

# One read's most; a TLS record (16 KiB) fits in whole, so none is left behind where epoll is blind.
_CHUNK = 65536
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_FAILED = select.EPOLLERR | select.EPOLLHUP

# The C type under socket.socket: nothing else of it is needed, and its constructor is cheaper.
_Socket = socket.SocketType


class Reader(Protocol):
    """What makes sense of the bytes that a target sends. Both methods may raise ProbeFailure."""

    def feed(self, data: bytes) -> bool:
        """Take bytes; True when the answer is complete."""
        ...

    def end(self) -> None:
        """The target has closed the connection, so nothing more will come."""
        ...


@dataclass(slots=True)
class Kept:
    """A connection that is kept open between probes."""

    sock: socket.SocketType
    family: socket.AddressFamily | None
    secured: Secured | None

    def close(self) -> None:
        """Close it."""
        self.sock.close()


class Connection:
    """A connection that sends one request and reads one answer; with `keep` it stays open after.

    Without a reader there is no answer to wait for: it is over when all is sent.

    The stamps are in seconds of `clock.now`, 0.0 for what has not happened. `done` ends with None
    or raises ProbeFailure. Whoever made the connection closes it, whatever ends the waiting.
    """

    __slots__ = (
        "_arrived_at",
        "_fd",
        "_handshaking",
        "_inspector",
        "_keep",
        "_mask",
        "_poller",
        "_reader",
        "_security",
        "_sock",
        "_unsent",
        "connected_at",
        "deadline",
        "done",
        "ended_at",
        "family",
        "first_byte_at",
        "secured",
        "secured_at",
        "sent_at",
        "shook_hands",
        "started_at",
    )

    def __init__(
        self,
        poller: Poller,
        done: asyncio.Future[None],
        reader: Reader | None,
        request: bytes,
        security: Security | None = None,
        inspector: Inspector | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self._poller = poller
        self._reader = reader
        self._unsent = request
        self._security = security
        self._inspector = inspector
        self._sock: socket.SocketType | None = None
        self._handshaking = False
        self._keep = keep
        self._arrived_at = 0.0
        self._mask = 0  # of epoll, once it is level-triggered
        self.done = done
        self.started_at = 0.0
        self.connected_at = 0.0
        self.shook_hands = False
        self.secured_at = 0.0
        self.sent_at = 0.0
        self.first_byte_at = 0.0
        self.ended_at = 0.0
        self.secured: Secured | None = None
        self.family: socket.AddressFamily | None = None

    def open(self, address: Address, deadline: float) -> None:
        """Begin to connect, in order to be done by `deadline`; raise ProbeFailure if that fails."""
        family, where = address
        self.family = family
        self.deadline = deadline
        self.started_at = now()
        try:
            self._sock = sock = _Socket(family, _STREAM)
        except OSError as error:
            raise connect_failed(error.errno or 0) from None
        if self._poller.stamps_arrivals and self._reader is not None:
            stamp_arrivals(sock)
        self._fd = fd = sock.fileno()
        code = sock.connect_ex(where)
        self._poller.watch_connect(fd, self)
        if code and code != errno.EINPROGRESS:
            raise connect_failed(code)

    def reopen(self, kept: Kept, deadline: float) -> None:
        """Begin to send over a connection that was kept."""
        self._sock = sock = kept.sock
        self._fd = sock.fileno()
        self.family = kept.family
        self.secured = kept.secured
        self.deadline = deadline
        self.connected_at = now()
        self._mask = WRITE
        self._poller.watch_open(self._fd, self)

    def close(self) -> None:
        """Close the socket, if it is open."""
        sock = self._sock
        if sock is not None:
            self._sock = None
            self._poller.forget(self._fd)
            sock.close()

    def release(self) -> Kept | None:
        """Hand over the socket, to be used again; None if it is closed."""
        sock = self._sock
        if sock is None:
            return None
        self._sock = None
        self._poller.release(self._fd)
        return Kept(sock, self.family, self.secured)

    # --- for the poller -------------------------------------------------------------------------

    def ready(self, events: int, at: float) -> None:
        """Go on with what the socket is ready for."""
        if self.ended_at:
            return
        try:
            if self.sent_at:
                self._receive(at)
            elif self.connected_at:
                self._go_on()
            elif events & ~READ:
                if events & _FAILED:
                    self._check_connected()
                self.connected_at = at
                if self._security is not None:
                    self._secure(self._security)
                    return
                self._send()
                if events & READ and self._reader is not None:
                    # It spoke before it was asked: that edge will not come again.
                    self._watch(READ)
        except ProbeFailure as failure:
            # Its traceback holds this frame, and we hold it: work for the gc, of no use to anybody.
            self._end(at, failure.with_traceback(None))
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

    def _check_connected(self) -> None:
        sock = self._sock
        assert sock is not None
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise connect_failed(code)

    def _secure(self, security: Security) -> None:
        sock = self._sock
        assert sock is not None
        # Else the request waits, behind the handshake's last message, for an acknowledgement that
        # a server without session tickets sends 40 ms later (RFC 1122, 4.2.3.2 and 4.2.3.4).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = security.wrap(sock)
        self._handshaking = self.shook_hands = True
        self._go_on()

    def _go_on(self) -> None:
        if self._handshaking:
            self._shake_hands()
        self._send()

    def _shake_hands(self) -> None:
        sock = self._sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._inspect(sock)
            raise handshake_failed(error) from None
        self._handshaking = False
        self.secured_at = now()
        self._inspect(sock)

    def _inspect(self, sock: ssl.SSLSocket) -> None:
        if self._inspector is not None:
            self.secured = self._inspector.look(sock)

    def _send(self) -> None:
        sock = self._sock
        assert sock is not None
        sent = sock.send(self._unsent)
        if sent < len(self._unsent):
            self._unsent = self._unsent[sent:]
            self._watch(WRITE)
            return
        self.sent_at = now()
        if self._reader is None:
            self._end(self.sent_at, None)
        elif self._mask:
            self._watch(READ)

    def _receive(self, at: float) -> None:
        sock, reader = self._sock, self._reader
        assert sock is not None
        assert reader is not None
        data = self._read(sock)
        if data:
            if reader.feed(data):
                self._end(self._arrived_at, None)
            else:
                self._watch(READ)
        else:
            reader.end()
            self._end(at, None)

    def _read(self, sock: socket.SocketType) -> bytes:
        """What has arrived; when its last byte did is noted."""
        if isinstance(sock, ssl.SSLSocket):
            # A look at the encrypted bytes: what OpenSSL reads comes without a stamp.
            _, stamp, _, _ = _Socket.recvmsg(sock, _CHUNK, ANCILLARY, socket.MSG_PEEK)
            data = sock.recv(_CHUNK)
        else:
            data, stamp, _, _ = sock.recvmsg(_CHUNK, ANCILLARY)
        self._arrived_at = at = arrived_at(stamp, self.first_byte_at or self.sent_at)
        if data and not self.first_byte_at:
            self.first_byte_at = at
        return data

    def _wait(self, error: OSError) -> None:
        if isinstance(error, ssl.SSLWantReadError):
            self._watch(READ)
        elif isinstance(error, ssl.SSLWantWriteError):
            self._watch(WRITE)
        else:
            self._watch(READ if self.sent_at else WRITE)

    def _watch(self, events: int) -> None:
        if events != self._mask:
            self._mask = events
            self._poller.watch(self._fd, events)

    def _end(self, at: float, error: Exception | None) -> None:
        if self.ended_at or self.done.done():
            return
        self.ended_at = at
        if error is not None or not self._keep:
            self.close()
        if error is not None:
            self.done.set_exception(error)
        elif self._keep:
            # It stays open, and ready for ever if the target has closed it: let it be taken over.
            self.done.set_result(None)
        else:
            self._poller.tell(self.done)


def _lost(error: OSError) -> ProbeFailure:
    if isinstance(error, ssl.SSLError):
        return ProbeFailure(Reason.TLS, f"TLS failed: {error.reason or 'unknown error'}")
    return ProbeFailure(Reason.RESET, "the target reset the connection")
