"""The cheapest honest client of an exporter: one kept connection, one clock around each answer."""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Mapping
from typing import Self

from programs.process import HOST

_CHUNK = 1 << 20
_TIMEOUT = 30.0
_LENGTH = b"content-length"


class ScrapeError(Exception):
    """An exporter that did not answer 200."""


class Scraper:
    """Scrapes one path again and again; a context manager that closes its connection."""

    def __init__(
        self, port: int, path: str = "/metrics", *, compressed: bool = False, token: str = ""
    ) -> None:
        self._sock = socket.create_connection((HOST, port), _TIMEOUT)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._compressed = compressed
        coding = "Accept-Encoding: gzip\r\n" if compressed else ""
        shown = f"Authorization: Bearer {token}\r\n" if token else ""
        self._head_lines = f"{path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{shown}{coding}"
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._sock.close()

    def scrape(self) -> tuple[float, bytes]:
        """Seconds until the last byte of the answer, and its body. Raises ScrapeError."""
        return self._exchange(f"GET {self._head_lines}\r\n".encode())

    def post(self, body: bytes) -> tuple[float, bytes]:
        """The same of JSON that is sent there."""
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return self._exchange(f"POST {self._head_lines}{about}\r\n".encode() + body)

    def _exchange(self, request: bytes) -> tuple[float, bytes]:
        started = time.perf_counter()
        self._sock.sendall(request)
        head, body = self._head()
        body = self._rest(head, body)
        took = time.perf_counter() - started
        if not head.startswith(b"HTTP/1.1 200"):
            raise ScrapeError(f"{self._path}: {head[:40]!r} {body[:200]!r}")
        if b"gzip" in _headers(head).get(b"content-encoding", b""):
            body = zlib.decompress(body, wbits=31)
        elif self._compressed:
            raise ScrapeError(f"{self._path} does not compress")
        return took, body

    def _head(self) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        return head, body

    def _rest(self, head: bytes, body: bytes) -> bytes:
        headers = _headers(head)
        pieces, have = [body], len(body)
        if _LENGTH in headers:
            while have < int(headers[_LENGTH]):
                pieces.append(self._receive())
                have += len(pieces[-1])
            return b"".join(pieces)
        while not pieces[-1].endswith(b"0\r\n\r\n"):
            pieces.append(self._receive())
        return _unchunked(b"".join(pieces))

    def _receive(self) -> bytes:
        data = self._sock.recv(_CHUNK)
        if not data:
            raise ScrapeError(f"{self._path}: the connection was closed")
        return data


def paced(scraper: Scraper, per_second: float, seconds: float) -> list[float]:
    """Scrape at a steady pace for the whole of `seconds`; how many seconds each took."""
    took: list[float] = []
    started = time.monotonic()
    for number in range(round(per_second * seconds)):
        _sleep_until(started + number / per_second)
        took.append(scraper.scrape()[0])
    _sleep_until(started + seconds)
    return took


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def families(text: bytes) -> dict[str, int]:
    """How many series an exposition has of each metric family that has any."""
    found: dict[str, int] = {}
    for line in text.decode().splitlines():
        if line and not line.startswith("#"):
            name = line.partition("{")[0].partition(" ")[0]
            found[name] = found.get(name, 0) + 1
    return found


def _headers(head: bytes) -> Mapping[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.strip().lower(): value.strip().lower() for name, _, value in lines}


def _unchunked(data: bytes) -> bytes:
    pieces = []
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        pieces.append(data[:length])
        data = data[length + 2 :]
    return b"".join(pieces)
