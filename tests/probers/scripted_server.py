"""Real servers that follow a script, and what tests ask of a prober's result."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from exporter.probers.http import HttpProber
from exporter.probers.result import ProbeResult
from model.names import Metric
from model.targets import Service

HEALTHY = b'{"status":"healthy"}'


class Client:
    """The target's side of one connection, as a script sees it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: Served
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._served = served

    async def request(self) -> bytes:
        """Read a request's head; it is noted in `served.requests`."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        self._served.requests.append(head)
        return head

    async def body(self, length: int) -> bytes:
        """Read a request's body."""
        return await self._reader.readexactly(length)

    async def send(self, *pieces: bytes) -> None:
        """Send pieces as one; what was sent is counted in `served.sent`."""
        data = b"".join(pieces)
        self._writer.write(data)
        await self._writer.drain()
        self._served.sent += len(data)

    async def answer(
        self, body: bytes = HEALTHY, *headers: bytes, status: bytes = b"200 OK"
    ) -> None:
        """Answer the next request, well-formed and with its length."""
        await self.request()
        lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
        await self.send(b"\r\n".join(lines), b"\r\n\r\n", body)

    def reset(self) -> None:
        """End the connection by RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the prober has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass


Script = Callable[[Client], Awaitable[None]]


@dataclass
class Served:
    """A server that runs, and what it has seen."""

    url: str
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    sent: int = 0


@contextlib.asynccontextmanager
async def serving(
    script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Served]:
    """A server that follows the script on each connection, then closes it."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            await script(Client(reader, writer, served))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the prober has had enough, which is what most scripts wait for
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accept, host, port, ssl=tls)
    bound = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    served = Served(f"{'https' if tls else 'http'}://{shown}:{bound}", bound)
    try:
        yield served
    finally:
        server.close()
        # One that is being accepted just now has no task yet, and would be left open.
        await asyncio.sleep(0.01)
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


async def probe(url: str, timeout: float = 20.0, **settings: Any) -> ProbeResult:
    """Probe a service once."""
    prober = HttpProber(Service(name="target", url=url, **settings), url)
    try:
        return await prober.probe(timeout)
    finally:
        await prober.close()


def value(result: ProbeResult, metric: Metric, *labels: str) -> float | None:
    """The value of a sample, None if there is none."""
    found = [
        sample.value
        for sample in result.samples
        if sample.metric is metric and sample.labels == labels
    ]
    assert len(found) <= 1, f"{metric.name} is there twice"
    return found[0] if found else None


@contextlib.contextmanager
def serving_tls(context: ssl.SSLContext, answer: bytes) -> Iterator[Served]:
    """A TLS server that answers each request with the same bytes.

    In a thread with OpenSSL's blocking sockets, because asyncio closes a connection whose
    handshake has failed without the alert that says why.
    """

    def serve(sock: socket.socket) -> None:
        served.connections += 1
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as secure:
            served.requests.append(secure.recv(65536))
            secure.sendall(answer)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            with sock:
                if stopping:
                    return
                sock.settimeout(5)
                serve(sock)

    stopping: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        served = Served(f"https://127.0.0.1:{port}", port)
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield served
        finally:
            stopping.append(True)
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()
