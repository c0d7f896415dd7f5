"""One connection to a target: made, secured, written to and read, with each step stamped."""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.arrival import ANCILLARY, arrived_at, stamp_arrivals
from exporter.probers.http.channel import Channel
from exporter.probers.http.clock import now
from exporter.probers.http.failure import connect_failed
from exporter.probers.http.poller import READ, WRITE, Poller
from exporter.probers.http.resolve import Address
from exporter.probers.http.tls import Inspector, Secured, Security, handshake_failed
from exporter.probers.result import Reason

# One read's most.
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
    channel: Channel | None
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
        "_channel",
        "_fd",
        "_handshaking",
        "_inspector",
        "_keep",
        "_mask",
        "_poller",
        "_reader",
        "_request",
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
        self._request = request
        # What is to be sent next; inside TLS it is encrypted.
        self._unsent = request
        self._security = security
        self._channel: Channel | None = None
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
        if self._security is not None:
            # Before the clock of any phase runs: what OpenSSL takes is not the target's.
            self._channel = self._security.channel()
            self._channel.shake_hands()
            self._unsent = self._channel.to_send()
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
        self._channel = kept.channel
        self.connected_at = now()
        if self._channel is not None:
            self._encrypt(self._channel)
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
        return Kept(sock, self._channel, self.family, self.secured)

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
                if self._channel is not None:
                    self._secure()
                    return
                self._send()
                if events & READ and self._reader is not None:
                    # It spoke before it was asked: that edge will not come again.
                    self._watch(READ)
        except ProbeFailure as failure:
            # Its traceback holds this frame, and we hold it: work for the gc, of no use to anybody.
            self._end(at, failure.with_traceback(None))
        except BlockingIOError:
            # A handshake is waited for by who has sent its last message in whole.
            self._watch(READ if self.sent_at or not self._unsent else WRITE)
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

    def _secure(self) -> None:
        sock = self._sock
        assert sock is not None
        # Else the request waits, behind the handshake's last message, for an acknowledgement that
        # a server without session tickets sends 40 ms later (RFC 1122, 4.2.3.2 and 4.2.3.4).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._handshaking = self.shook_hands = True
        self._go_on()

    def _go_on(self) -> None:
        if not self._handshaking:
            self._send()
        elif not self._unsent:
            self._shake_hands()
        elif self._flushed():
            self._watch(READ)

    def _shake_hands(self) -> None:
        sock, channel = self._sock, self._channel
        assert sock is not None
        assert channel is not None
        channel.take(sock.recv(_CHUNK))
        try:
            done = channel.shake_hands()
        except ssl.SSLError as error:
            self._inspect(channel.object)
            with suppress(OSError):  # the alert that tells the target why; it may be gone
                sock.send(channel.to_send())
            raise handshake_failed(error) from None
        if not done:
            self._unsent = channel.to_send()
            self._go_on() if self._unsent else self._watch(READ)
            return
        self._handshaking = False
        self.secured_at = now()
        self._inspect(channel.object)
        self._encrypt(channel)
        self._send()
        if self.sent_at and channel.taken and not self.ended_at:
            # It came together with the handshake's end: no socket will tell of it again.
            self._arrived_at = self.secured_at
            self._listen(channel, self.secured_at)

    def _encrypt(self, channel: Channel) -> None:
        channel.write(self._request)
        self._unsent = channel.to_send()

    def _inspect(self, spoken: ssl.SSLObject) -> None:
        if self._inspector is not None:
            self.secured = self._inspector.look(spoken)

    def _flushed(self) -> bool:
        """Send; False while the socket does not take it all."""
        sock = self._sock
        assert sock is not None
        sent = sock.send(self._unsent)
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._watch(WRITE)
        return not self._unsent

    def _send(self) -> None:
        if not self._flushed():
            return
        self.sent_at = now()
        if self._reader is None:
            self._end(self.sent_at, None)
        elif self._mask:
            self._watch(READ)

    def _receive(self, at: float) -> None:
        sock, reader, channel = self._sock, self._reader, self._channel
        assert sock is not None
        assert reader is not None
        data, stamp, _, _ = sock.recvmsg(_CHUNK, ANCILLARY)
        self._arrived_at = arrived_at(stamp, self.first_byte_at or self.sent_at)
        if channel is not None:
            channel.take(data)
            self._listen(channel, at)
        elif data:
            self._feed(reader, data)
        else:
            reader.end()
            self._end(at, None)

    def _listen(self, channel: Channel, at: float) -> None:
        """Read what was said inside TLS, as far as it has arrived."""
        reader = self._reader
        assert reader is not None
        while (data := channel.read()) is not None:
            if not data:
                reader.end()
                self._end(at, None)
                return
            self._feed(reader, data)
            if self.ended_at:
                return
        self._watch(READ)

    def _feed(self, reader: Reader, data: bytes) -> None:
        if not self.first_byte_at:
            self.first_byte_at = self._arrived_at
        if reader.feed(data):
            self._end(self._arrived_at, None)
        else:
            self._watch(READ)

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
