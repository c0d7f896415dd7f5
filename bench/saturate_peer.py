"""Keeps an exporter busy: so many requests to its /probe at any time, over kept connections."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import cast

import httptools
import uvloop

from programs.process import HOST


class SaturationError(Exception):
    """An exporter that closed a connection, or did not answer 200."""


def saturate(port: int, paths: Sequence[str], concurrency: int, seconds: float) -> int:
    """Ask for these paths in turn for so long; how many answers came.

    Raises SaturationError. It has to cost little, for it takes CPU from what is measured.
    """
    return uvloop.run(_saturate(port, paths, concurrency, seconds))


async def _saturate(port: int, paths: Sequence[str], concurrency: int, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    requests = itertools.cycle(
        [f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode() for path in paths]
    )
    end = time.monotonic() + seconds
    clients = [_Client(requests, end, loop.create_future()) for _ in range(concurrency)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, HOST, port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))
    return sum(client.answered for client in clients)


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], end: float, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._end = end
        self.done = done
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 200:
            self._fail(f"status {status}")
            return
        self.answered += 1
        if time.monotonic() < self._end:
            self._ask()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"connection lost: {error}")

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(next(self._requests))

    def _fail(self, what: str) -> None:
        if not self.done.done():
            self._transport.close()
            self.done.set_exception(SaturationError(f"after {self.answered} answers: {what}"))
