"""One visit to Postgres: a new connection, a login, a trivial query that is timed."""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.http.failure import connect_failed
from exporter.probers.http.poller import READ, WRITE, Poller
from exporter.probers.http.resolve import Address
from exporter.probers.http.tls import Security, handshake_failed
from exporter.probers.postgres.failures import silent
from exporter.probers.postgres.login import Login
from exporter.probers.postgres.messages import SSL_REQUEST, TERMINATE
from exporter.probers.postgres.scram import Keys
from exporter.probers.result import Reason

_CHUNK = 65536
_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_FAILED = select.EPOLLERR | select.EPOLLHUP
_Socket = socket.SocketType


class Visit:
    """A visit, driven by the HTTP prober's poller.

    `done` ends with None when the query was answered, or raises ProbeFailure or login.Foreign.
    `asked_at` and `answered_at` are when the query was sent and answered, in seconds of
    `clock.now`, 0.0 if that has not happened. `encrypted` tells whether the server agreed to TLS.
    `security` is asked only then: to load the CAs takes some 10 ms.
    Whoever made a visit closes it, whatever ends the waiting.
    """

    __slots__ = (
        "_connected",
        "_fd",
        "_handshaking",
        "_login",
        "_loop",
        "_poller",
        "_security",
        "_sock",
        "_timeout",
        "_tls_required",
        "_unsent",
        "_wants_tls",
        "answered_at",
        "asked_at",
        "deadline",
        "done",
        "encrypted",
    )

    def __init__(
        self,
        poller: Poller,
        login: Login,
        security: Callable[[], Security] | None,
        *,
        tls_required: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._poller = poller
        self._login = login
        self._security = security
        self._wants_tls = security is not None
        self._tls_required = tls_required
        self._sock: socket.SocketType | None = None
        self._connected = self._handshaking = False
        self._unsent = b""
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.encrypted = False
        self.asked_at = self.answered_at = 0.0

    def open(self, address: Address, deadline: float) -> None:
        """Begin, to be done by `deadline` in seconds of `clock.now`. Raises ProbeFailure."""
        family, where = address
        self.deadline = deadline
        self._timeout = deadline - now()
        try:
            self._sock = sock = _Socket(family, _STREAM)
        except OSError as error:
            raise connect_failed(error.errno or 0) from None
        self._fd = sock.fileno()
        code = sock.connect_ex(where)
        self._poller.watch_connect(self._fd, self)
        if code and code != errno.EINPROGRESS:
            raise connect_failed(code)

    def close(self) -> None:
        """Take leave, if all went well, and close the socket."""
        sock = self._sock
        if sock is None:
            return
        self._sock = None
        self._poller.forget(self._fd)
        if self.answered_at:
            # It may have gone first.
            with suppress(OSError):
                sock.send(TERMINATE)
        sock.close()

    # --- for the poller -------------------------------------------------------------------------

    def ready(self, events: int, at: float) -> None:
        """Go on with what the socket is ready for; it is told only of what changes."""
        if self.done.done():
            return
        try:
            if not self._connected:
                if not events & ~READ:
                    return
                if events & _FAILED:
                    self._check_connected()
                self._connected = True
                self._transmit(SSL_REQUEST if self._wants_tls else self._login.opening())
            elif self._unsent:
                self._transmit(b"")
            if self._handshaking:
                self._shake_hands()
            if events & ~WRITE:
                self._receive(at)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return  # its turn comes with the next event
        except ProbeFailure as failure:
            # Its traceback holds this frame, and we hold it: work for the gc, of no use to anybody.
            self._end(failure.with_traceback(None))
        except ssl.SSLError as error:
            self._end(ProbeFailure(Reason.TLS, f"TLS failed: {error.reason or 'unknown error'}"))
        except OSError:
            self._end(ProbeFailure(Reason.RESET, "the server reset the connection"))
        except Exception as error:  # noqa: BLE001 - Foreign, or a defect of ours: whoever waits is told
            self._end(error.with_traceback(None))

    def expire(self, _at: float) -> None:
        """End what has not ended in time."""
        if not self._connected:
            self._end(ProbeFailure(Reason.CONNECT_TIMEOUT, "no connection in time"))
        elif self.asked_at:
            self._end(ProbeFailure(Reason.TIMEOUT, "a query has not come back in time"))
        else:
            self._end(silent(self._timeout))

    # --- steps ----------------------------------------------------------------------------------

    def _check_connected(self) -> None:
        assert self._sock is not None
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise connect_failed(code)

    def _transmit(self, data: bytes) -> None:
        assert self._sock is not None
        self._unsent += data
        sent = self._sock.send(self._unsent)
        self._unsent = self._unsent[sent:]

    def _receive(self, at: float) -> None:
        sock = self._sock
        while sock is not None:
            # What comes before TLS must not be taken for what comes inside of it: one byte.
            size = 1 if self._wants_tls else _CHUNK
            data = sock.recv(size)
            if not data:
                raise ProbeFailure(Reason.RESET, "the server closed the connection unexpectedly")
            self._take(data, at)
            # A short read has emptied the socket, except that TLS may hold more.
            if self.done.done() or (len(data) < size and not self.encrypted):
                return
            sock = self._sock

    def _take(self, data: bytes, at: float) -> None:
        if self._wants_tls and data in (b"S", b"N"):
            self._wants_tls = False
            self._answered_about_tls(agreed=data == b"S")
            return
        if self._wants_tls:
            # An ErrorResponse instead: from a server that is full, or that is none.
            self._wants_tls = False
        login = self._login
        was_ready = login.ready
        answer = login.feed(data)
        if answer is None:
            self._derive()
        elif answer:
            if login.ready and not was_ready:
                self.asked_at = now()
            self._transmit(answer)
        if login.over:
            self.answered_at = max(at, self.asked_at)
            self._end(None)

    def _answered_about_tls(self, *, agreed: bool) -> None:
        if agreed:
            sock, security = self._sock, self._security
            assert sock is not None
            assert security is not None
            self._sock = security().wrap(sock)
            self.encrypted = self._handshaking = True
            self._shake_hands()
        elif self._tls_required:
            raise ProbeFailure(Reason.TLS, "the server does not support SSL, which was required")
        else:
            self._transmit(self._login.opening())

    def _shake_hands(self) -> None:
        sock = self._sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            raise handshake_failed(error) from None
        self._handshaking = False
        self._transmit(self._login.opening())

    def _derive(self) -> None:
        """Hash the password in a thread: it takes long, and lets others run."""
        future = self._loop.run_in_executor(None, Keys.of, *self._login.needed())
        future.add_done_callback(self._derived)

    def _derived(self, future: asyncio.Future[Keys]) -> None:
        if self.done.done() or self._sock is None:
            return
        try:
            self._transmit(self._login.resume(future.result()))
        except OSError:
            self._end(ProbeFailure(Reason.RESET, "the server reset the connection"))

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.close()
            self.done.set_exception(error)
