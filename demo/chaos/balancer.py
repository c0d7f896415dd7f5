"""What stands in front of several replicas, and knows nothing of their health."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from demo.listener import accept_no_more
from programs.process import HOST

_BYTES = 64 * 1024


@asynccontextmanager
async def balancing(
    ports: Sequence[int], seed: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Forward each connection to any of these ports; the port to connect to.

    Where nobody listens the connection is closed without an answer, as by a replica that dies.
    With `tls` it is where TLS ends.
    """
    choice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    writers: set[asyncio.StreamWriter] = set()
    forwarding: set[asyncio.Task[None]] = set()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(HOST, choice.choice(ports))
        except OSError:
            writer.close()
            return
        both = {writer, there[1]}
        writers.update(both)
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
        writers.difference_update(both)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(forward(reader, writer))
        forwarding.add(task)
        task.add_done_callback(forwarding.discard)

    server = await asyncio.start_server(accept, HOST, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await accept_no_more(server)
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*forwarding)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
