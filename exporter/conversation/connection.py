"""Connections and look-ups that note what is said."""

from __future__ import annotations

import ssl
from asyncio import Future
from dataclasses import dataclass
from functools import partial

from exporter.conversation.certificate import Certificate, certificates
from exporter.conversation.recorder import Recorder
from exporter.probers.failure import ProbeFailure
from exporter.probers.http.connection import Connection, Reader
from exporter.probers.http.network import Network
from exporter.probers.http.poller import Poller
from exporter.probers.http.resolve import Address, Addresses, Families, Resolver
from exporter.probers.http.tls import Inspector, Security

# As much of an answer is kept as bytes; its body is kept by whoever reads it, within its limit.
_KEPT = 1 << 18


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake has agreed upon, and the chain that the target has sent, leaf first."""

    version: str | None
    cipher: str | None
    protocol: str | None
    chain: tuple[Certificate, ...]


class RecordedConnection(Connection):
    """A connection that keeps what was sent and received over it."""

    def __init__(
        self,
        recorder: Recorder,
        poller: Poller,
        done: Future[None],
        reader: Reader | None,
        request: bytes,
        security: Security | None = None,
        inspector: Inspector | None = None,
        *,
        keep: bool = False,
    ) -> None:
        listening = None if reader is None else _Listening(reader, self)
        super().__init__(poller, done, listening, request, security, inspector, keep=keep)
        self.reader = reader
        self.request = request
        self.secure = security
        self.address: Address | None = None
        self.received = bytearray()
        self.received_length = 0
        self.tls: TlsFacts | None = None
        self.failure = ""
        recorder.connections.append(self)

    def open(self, address: Address, deadline: float) -> None:
        """Begin to connect."""
        self.address = address
        try:
            super().open(address, deadline)
        except ProbeFailure as failure:
            self.failure = failure.detail
            raise

    def _inspect(self, spoken: ssl.SSLObject) -> None:
        super()._inspect(spoken)
        cipher = spoken.cipher()
        protocol = spoken.selected_alpn_protocol()
        name = cipher[0] if cipher else None
        self.tls = TlsFacts(spoken.version(), name, protocol, certificates(spoken))

    def _end(self, at: float, error: Exception | None) -> None:
        if error is not None and not self.done.done():
            self.failure = error.detail if isinstance(error, ProbeFailure) else type(error).__name__
        super()._end(at, error)


class _Listening:
    """A reader that keeps what it passes on."""

    def __init__(self, reader: Reader, connection: RecordedConnection) -> None:
        self._reader = reader
        self._connection = connection

    def feed(self, data: bytes) -> bool:
        connection = self._connection
        connection.received += data[: _KEPT - len(connection.received)]
        connection.received_length += len(data)
        return self._reader.feed(data)

    def end(self) -> None:
        self._reader.end()


class RecordingNetwork(Network):
    """The network of one recorded probe, which shares what is expensive with all others."""

    def __init__(self, shared: Network, recorder: Recorder) -> None:
        super().__init__(_RecordingResolver(shared.resolver, recorder))
        self.contexts = shared.contexts
        self.connection = partial(RecordedConnection, recorder)
        self._shared = shared

    def poller(self) -> Poller:
        """The poller of all."""
        return self._shared.poller()

    def close(self) -> None:
        """Nothing is its own."""


class _RecordingResolver(Resolver):
    def __init__(self, shared: Resolver, recorder: Recorder) -> None:
        super().__init__()
        self._shared = shared
        self._recorder = recorder

    async def resolve(self, host: str, port: int, families: Families, timeout: float) -> Addresses:
        self._recorder.note(f"resolve {host}")
        try:
            found = await self._shared.resolve(host, port, families, timeout)
        except ProbeFailure as failure:
            self._recorder.note(failure.detail)
            raise
        self._recorder.note(f"{host} is {', '.join(place(address) for address in found)}")
        return found


def place(address: Address) -> str:
    """An address as people write it: `127.0.0.1:80`, `[::1]:80`."""
    host, port = str(address[1][0]), int(address[1][1])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
