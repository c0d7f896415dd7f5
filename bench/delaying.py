"""A server that answers late, each phase by a time of its own, and notes how late it truly was.

A process of its own: `python -m bench.delaying <plain port> <secure port> <directory>` finds its
certificate in `leaf.pem` there, and writes a line an answer into `truths` (`delayed.Truth`).
Arrivals are stamped by the kernel (SO_TIMESTAMPNS, socket(7)), so that this process' own lateness
is in no figure; what it sends is stamped just before, which on the loopback device is some 15 µs
before it arrives.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import sys
import time
from pathlib import Path
from typing import TextIO

import uvloop

from programs.process import HOST

# The name is Linux's; Python has none for it. It is 35 wherever a long has 64 bits.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)
_BACKLOG, _CHUNK, _PATIENCE = 1024, 65536, 5.0

# Seconds, at least and at most; another moment for every answer, so that no two look alike.
_TLS, _PROCESSING, _TRANSFER = (0.0, 0.01), (0.001, 0.03), (0.001, 0.015)
_BODY = b'{"status":"healthy","service":"delaying","padding":"%s"}' % (b"." * 2000)
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_BODY)
)
_FIRST = _HEAD + _BODY[:1000]
_LAST = _BODY[1000:]


class _Stamped:
    """A connection whose reads come with the time at which they arrived."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self) -> tuple[bytes, float]:
        """What has arrived, and when; raises ConnectionError at the end."""
        while True:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(_CHUNK, _ANCILLARY)
            except BlockingIOError:
                await self._readable()
                continue
            if not data:
                raise ConnectionError("the client has closed the connection")
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            return data, seconds + nanoseconds / 1e9

    def send(self, data: bytes) -> float:
        """Send what fits into the socket's buffer as a whole; when that was."""
        at = time.time()
        if self._sock.send(data) != len(data):
            raise ConnectionError("the client does not read")
        return at

    async def _readable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._sock, _set, ready)
        try:
            async with asyncio.timeout(_PATIENCE):
                await ready
        finally:
            self._loop.remove_reader(self._sock)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class _Plain:
    """HTTP: what arrives is the request."""

    tls = 0.0

    def __init__(self, stream: _Stamped) -> None:
        self._stream = stream
        self.began = 0.0

    async def request(self) -> tuple[bytes, float]:
        """The request's head, and when its last part arrived."""
        head = b""
        while b"\r\n\r\n" not in head:
            data, at = await self._stream.read()
            head += data
            self.began = self.began or at
        return head, at

    def send(self, data: bytes) -> float:
        """Send; when that was."""
        return self._stream.send(data)


class _Secure(_Plain):
    """HTTPS: the handshake's answer comes late."""

    def __init__(self, stream: _Stamped, context: ssl.SSLContext, delay: float) -> None:
        super().__init__(stream)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._delay = delay

    async def request(self) -> tuple[bytes, float]:
        """The request's head, and when its last part arrived, after the handshake."""
        self.began = at = await self._more()
        await asyncio.sleep(self._delay)
        while not self._shaken():
            at = await self._more()
        self.tls = at - self.began
        head = b""
        while b"\r\n\r\n" not in head:
            try:
                head += self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                at = await self._more()
        return head, at

    def send(self, data: bytes) -> float:
        """Encrypt and send; when it was sent."""
        self._tls.write(data)
        return self._stream.send(self._out.read())

    def _shaken(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            if self._out.pending:
                self._stream.send(self._out.read())
        return True

    async def _more(self) -> float:
        data, at = await self._stream.read()
        self._in.write(data)
        return at


class _Service:
    """Answers connection after connection, each by delays of its own."""

    def __init__(self, truths: TextIO) -> None:
        self._truths = truths
        self._choice = random.Random(1)  # noqa: S311 - reproducible, not secret
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        """Accept for ever."""
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            task = loop.create_task(self._connection(sock, context))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connection(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = _Stamped(sock)
            try:
                if context is None:
                    await self._answer(_Plain(stream))
                else:
                    await self._answer(_Secure(stream, context, self._choice.uniform(*_TLS)))
            except (OSError, ssl.SSLError):
                # A client that was stopped, or has given up: no answer, so nothing to note.
                return

    async def _answer(self, talk: _Plain) -> None:
        head, asked = await talk.request()
        target = head.partition(b"/")[2].partition(b"/")[0].partition(b" ")[0].decode()
        await asyncio.sleep(self._choice.uniform(*_PROCESSING))
        first = talk.send(_FIRST)
        await asyncio.sleep(self._choice.uniform(*_TRANSFER))
        last = talk.send(_LAST)
        figures = (talk.began, last, talk.tls, first - asked, last - first)
        self._truths.write(" ".join((target, *(f"{figure:.6f}" for figure in figures))) + "\n")
        self._truths.flush()


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Those that it accepts have it too, from their first byte on.
    listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    listener.bind((HOST, port))
    listener.listen(_BACKLOG)
    return listener


async def _serve(plain: int, secure: int, directory: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "leaf.pem")
    # Sent with the first answer's bytes, they would be taken for some of them.
    context.num_tickets = 0
    with (directory / "truths").open("a") as truths:
        service = _Service(truths)
        await asyncio.gather(
            service.serve(_listener(secure), context), service.serve(_listener(plain), None)
        )


if __name__ == "__main__":
    _plain, _secure, _directory = sys.argv[1:]
    uvloop.run(_serve(int(_plain), int(_secure), Path(_directory)))
