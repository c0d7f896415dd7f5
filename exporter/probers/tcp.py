"""Probing one TCP service: connecting, and what it says."""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import urlsplit

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.http.conditions import RegexFailure
from exporter.probers.http.connection import Connection
from exporter.probers.http.failure import excerpt
from exporter.probers.http.measurement import Measurement, tls_samples
from exporter.probers.http.network import Network
from exporter.probers.http.resolve import Families, attempts, literal, worth_another
from exporter.probers.http.tls import Inspector, Security, TlsSettings
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model import names
from model.targets import TcpService


class TcpProber:
    """Probes a service by a new TCP connection.

    `url` and `network` are as for HttpProber. Raises ValueError if the URL cannot be probed.
    """

    def __init__(self, service: TcpService, url: str, network: Network | None = None) -> None:
        self._network = network or Network()
        self._owns_network = network is None
        parts = urlsplit(url)
        if not parts.hostname or parts.port is None:
            raise ValueError("not a URL with a host and a port")
        self._host, self._port = parts.hostname, parts.port
        self._literal = literal(self._host, self._port)
        self._families = Families(service.preferred_ip_protocol, service.ip_protocol_fallback)
        self._tls = TlsSettings.of(service) if parts.scheme == "tls" else None
        self._server_name = service.server_name or self._host.rstrip(".")
        self._inspector = Inspector()
        self._send = (service.send or "").encode()
        self._expect = re.compile(service.expect) if service.expect is not None else None
        self._limit = service.answer_size_limit

    async def probe(self, timeout: float) -> ProbeResult:
        """Probe once; end within `timeout` seconds, whatever the target does."""
        started = now()
        seen = Measurement()
        health, reason, detail = Health.UNHEALTHY, None, ""
        try:
            await self._talk(seen, started + timeout)
            health = Health.HEALTHY
        except ProbeFailure as failure:
            reason, detail = failure.reason, failure.detail
            seen.failed_due_to_regex = isinstance(failure, RegexFailure)
        ended = seen.ended_at or now()
        return ProbeResult(health, ended - started, time.time(), reason, detail, _samples(seen))

    async def close(self) -> None:
        """Give back what is kept between probes."""
        if self._owns_network:
            self._network.close()

    async def _talk(self, seen: Measurement, deadline: float) -> None:
        addresses = self._literal
        if addresses is None:
            started = now()
            try:
                addresses = await self._network.resolver.resolve(
                    self._host, self._port, self._families, deadline - started
                )
            finally:
                seen.resolve = now() - started
        for address, until, last in attempts(addresses, deadline):
            connection = self._connection()
            try:
                connection.open(address, until)
                await connection.done
            except ProbeFailure as failure:
                if last or not worth_another(failure):
                    raise
            else:
                return
            finally:
                connection.close()
                seen.connected(connection)
                del connection  # it holds the failure, which holds this frame: work for the gc

    def _connection(self) -> Connection:
        security = None
        if self._tls is not None:
            security = Security(self._network.contexts.get(self._tls), self._server_name)
        return self._network.connection(
            self._network.poller(),
            asyncio.get_running_loop().create_future(),
            _Expectation(self._expect, self._limit) if self._expect is not None else None,
            self._send,
            security,
            self._inspector,
        )


class _Expectation:
    """Reads until what came matches."""

    def __init__(self, pattern: re.Pattern[str], limit: int) -> None:
        self._pattern = pattern
        self._limit = limit
        self._text = b""

    def feed(self, data: bytes) -> bool:
        self._text += data
        if self._pattern.search(self._text[: self._limit].decode("utf-8", "replace")):
            return True
        if len(self._text) > self._limit:
            raise RegexFailure(Reason.TOO_LARGE, f"{self._limit} bytes without what is expected")
        return False

    def end(self) -> None:
        if not self._text:
            raise ProbeFailure(Reason.RESET, "the target closed the connection without an answer")
        raise RegexFailure(Reason.BODY, f"answered {excerpt(self._text)}, which is not expected")


def _samples(seen: Measurement) -> tuple[Sample, ...]:
    return (
        Sample(names.PROBE_DNS_LOOKUP_TIME, (), seen.resolve),
        Sample(names.PROBE_IP_PROTOCOL, (), float(seen.ip_protocol)),
        Sample(names.PROBE_FAILED_DUE_TO_REGEX, (), float(seen.failed_due_to_regex)),
        *tls_samples(seen.secured),
    )
