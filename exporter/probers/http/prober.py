"""Probing one HTTP service."""

from __future__ import annotations

import asyncio
import socket
import time
from urllib.parse import urlsplit

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.checks import Checks
from exporter.probers.http.clock import now
from exporter.probers.http.connection import Address, Connection
from exporter.probers.http.measurement import Measurement, Samples
from exporter.probers.http.network import Network
from exporter.probers.http.request import origin_of, request_bytes
from exporter.probers.http.resolve import resolve
from exporter.probers.http.response import Reading, Response
from exporter.probers.http.tls import Security
from exporter.probers.result import Health, ProbeResult, Reason
from model.targets import Service

_MAX_HEADER = 65536
_MAX_BODY = 1 << 20


class HttpProber:
    """Probes a service by one HTTP request over a new connection.

    `url` is where the service is, which the environment may have set otherwise than the config;
    `network` is shared by probers of one loop, and made for this one alone if not given.
    """

    def __init__(self, service: Service, url: str, network: Network | None = None) -> None:
        self._own_network = network is None
        self._network = network or Network()
        self._origin = origin_of(url)
        literal = self._origin.literal()
        self._literal: tuple[Address, ...] | None = (literal,) if literal else None
        path = urlsplit(url).path.rstrip("/") + service.path
        self._request = request_bytes(self._origin, path)
        self._security = (
            Security(self._origin.host, service.ca_file) if self._origin.scheme == "https" else None
        )
        self._reading = Reading(_MAX_HEADER, _MAX_BODY)
        self._checks = Checks(service)
        self._samples = Samples()

    async def probe(self, timeout: float) -> ProbeResult:
        """Probe once; end within `timeout` seconds, whatever the target does."""
        started = now()
        seen = Measurement()
        failure = None
        health, detail = Health.UNHEALTHY, ""
        try:
            answer = await self._ask(seen, started + timeout)
            health, detail = self._checks.judge(answer)
        except ProbeFailure as failed:
            failure = failed.reason
            detail = failed.detail
        return ProbeResult(
            health,
            now() - started,
            time.time(),
            failure,
            detail,
            self._samples.of(seen),
        )

    async def close(self) -> None:
        """Give back what is kept between probes."""
        if self._own_network:
            self._network.close()

    async def _ask(self, seen: Measurement, deadline: float) -> Response:
        addresses = self._literal or await self._resolve(seen, deadline)
        for turn, address in enumerate(addresses, start=1):
            answer = Response(self._reading)
            loop = asyncio.get_running_loop()
            connection = Connection(
                self._network.poller(), loop.create_future(), answer, self._request, self._security
            )
            until = deadline
            if turn < len(addresses):
                until = now() + (deadline - now()) / (len(addresses) - turn + 1)
            try:
                connection.open(address, until)
                await connection.done
            except ProbeFailure as failure:
                if turn == len(addresses) or failure.reason not in _TRY_NEXT:
                    raise
            else:
                return answer
            finally:
                connection.close()
                answer.let_go()
                seen.ip_protocol = 4 if address[0] is socket.AF_INET else 6
                _take(seen, connection, answer)
        raise AssertionError("a resolved name has an address")

    async def _resolve(self, seen: Measurement, deadline: float) -> tuple[Address, ...]:
        started = now()
        try:
            return await resolve(self._origin.host, self._origin.port, deadline - started)
        finally:
            seen.resolve = now() - started


_TRY_NEXT = frozenset({Reason.CONNECT, Reason.CONNECT_REFUSED, Reason.CONNECT_TIMEOUT})


def _take(seen: Measurement, connection: Connection, answer: Response) -> None:
    seen.status = answer.status
    seen.version = answer.version
    seen.content_length = answer.length
    seen.body_length = answer.body_length
    if connection.connected_at:
        seen.connect += connection.connected_at - connection.started_at
    if connection.secured_at:
        seen.tls += connection.secured_at - connection.connected_at
        seen.tls_version = connection.tls_version
        seen.cert_expiry = seen.chain_expiry = connection.leaf_expiry
    if connection.first_byte_at:
        seen.processing += connection.first_byte_at - connection.sent_at
        seen.transfer += connection.ended_at - connection.first_byte_at
