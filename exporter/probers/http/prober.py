"""Probing one HTTP service."""

from __future__ import annotations

import time

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.checks import Checks, Judge, Verdict, by_status_field
from exporter.probers.http.clock import now
from exporter.probers.http.conditions import RegexFailure
from exporter.probers.http.connection import Connection, Kept
from exporter.probers.http.credentials import authorization
from exporter.probers.http.measurement import Measurement, Samples
from exporter.probers.http.network import Network
from exporter.probers.http.origin import Origin, origin_of
from exporter.probers.http.redirects import LOCATION, Redirects
from exporter.probers.http.request import request_of
from exporter.probers.http.resolve import Addresses, Families, attempts, literal, worth_another
from exporter.probers.http.response import FRAMING, Reading, Response
from exporter.probers.http.tls import Inspector, Security, TlsSettings
from exporter.probers.result import Health, ProbeResult, Reason
from model.targets import HttpTarget, Service


class HttpProber:
    """Probes a target by an HTTP request over a new connection.

    `url` is where the target is, which the environment may have set otherwise than the config;
    `network` is shared by the probers of one event loop, and made for this one if not given.
    `judge` says what a JSON answer means, if it is not a service of the platform that answers.
    Raises ValueError if the URL cannot be probed; whatever the target does is in the results.
    """

    def __init__(
        self,
        target: HttpTarget,
        url: str,
        network: Network | None = None,
        judge: Judge | None = None,
    ) -> None:
        if isinstance(target, Service):
            judge = by_status_field(target)
        self._network = network or Network()
        self._owns_network = network is None
        self._origin = origin_of(url)
        self._request = request_of(target, url, self._origin)
        self._payload = self._request.payload()
        self._authorization = authorization(target, url)
        self._tls = TlsSettings.of(target, ("http/1.1",))
        self._server_name = target.server_name
        self._inspector = Inspector()
        self._families = Families(target.preferred_ip_protocol, target.ip_protocol_fallback)
        self._literal = literal(self._origin.host, self._origin.port)
        self._checks = Checks(target, judge, self._hide)
        self._redirects = Redirects(target)
        self._reading = Reading(
            target.header_size_limit,
            target.body_size_limit,
            FRAMING | self._checks.headers() | {LOCATION},
            only_headers=target.method == "HEAD",
            keep_alive=target.keep_alive,
        )
        self._samples = Samples()
        self._keep_alive = target.keep_alive
        self._kept: Kept | None = None

    async def probe(self, timeout: float) -> ProbeResult:
        """Probe once; end within `timeout` seconds, whatever the target does."""
        started = now()
        seen = Measurement()
        try:
            answer = await self._ask(seen, started + timeout)
            verdict = self._checks.judge(answer)
        except ProbeFailure as failure:
            verdict = Verdict(Health.UNHEALTHY, self._hide(failure.detail), failure.reason)
            seen.failed_due_to_regex = isinstance(failure, RegexFailure)
        # The answer's last byte ends the probe, not what we make of it or do in between.
        ended = seen.ended_at or now()
        return ProbeResult(
            verdict.health,
            ended - started,
            time.time(),
            verdict.reason,
            verdict.detail,
            (*self._samples.of(seen), *verdict.samples)
            if verdict.samples
            else self._samples.of(seen),
        )

    async def close(self) -> None:
        """Give back what is kept between probes."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._owns_network:
            self._network.close()

    def _hide(self, text: str) -> str:
        return text if self._authorization is None else self._authorization.hide(text)

    # --- one probe ------------------------------------------------------------------------------

    async def _ask(self, seen: Measurement, deadline: float) -> Response:
        """The answer, after redirects."""
        request, payload = self._request, self._payload
        if self._authorization is not None:
            payload = request.payload(self._authorization.line())
        while True:
            answer = await self._answer_of(request.origin, payload, seen, deadline)
            if not 300 <= answer.status < 400:
                return answer
            following = self._redirects.next(
                answer.status, answer.headers, request, seen.redirects, self._origin
            )
            if following is None:
                return answer
            seen.redirects += 1
            request, payload = following, following.payload()
            if self._authorization is not None and request.origin == self._origin:
                payload = request.payload(self._authorization.line())

    async def _answer_of(
        self, origin: Origin, payload: bytes, seen: Measurement, deadline: float
    ) -> Response:
        """The answer of an origin, at the first of its addresses that can be connected to."""
        at_home = origin is self._origin or origin == self._origin
        if self._kept is not None and at_home:
            answer = await self._answer_again(payload, seen, deadline)
            if answer is not None:
                return answer
        addresses = self._literal if at_home else literal(origin.host, origin.port)
        if addresses is None:
            addresses = await self._resolve(origin, seen, deadline)
        security = self._security(origin) if origin.secure else None
        for address, until, last in attempts(addresses, deadline):
            answer = Response(self._reading)
            connection = self._connection(answer, payload, security, keep=at_home)
            try:
                connection.open(address, until)
                await connection.done
            except ProbeFailure as failure:
                if last or not worth_another(failure):
                    raise
            else:
                if answer.reusable:
                    self._kept = connection.release()
                return answer
            finally:
                connection.close()
                answer.let_go()
                seen.add(connection, answer)
                del connection  # it holds the failure, which holds this frame: work for the gc
        raise AssertionError("there is always a last address, and it returns or raises")

    async def _answer_again(
        self, payload: bytes, seen: Measurement, deadline: float
    ) -> Response | None:
        """The answer over the connection that was kept; None if the target had closed it."""
        kept, self._kept = self._kept, None
        assert kept is not None
        answer = Response(self._reading)
        connection = self._connection(answer, payload, None, keep=True)
        connection.reopen(kept, deadline)
        try:
            await connection.done
        except ProbeFailure as failure:
            if failure.reason is Reason.RESET and not connection.first_byte_at:
                return None
            raise
        else:
            if answer.reusable:
                self._kept = connection.release()
            return answer
        finally:
            connection.close()
            answer.let_go()
            seen.add(connection, answer)
            del connection  # as above

    def _connection(
        self, answer: Response, payload: bytes, security: Security | None, *, keep: bool
    ) -> Connection:
        poller = self._network.poller()
        return self._network.connection(
            poller,
            # Not get_running_loop(), which is a system call: it asks for the process's id.
            poller.loop.create_future(),
            answer,
            payload,
            security,
            self._inspector,
            keep=keep and self._keep_alive,
        )

    def _security(self, origin: Origin) -> Security:
        server_name = self._server_name if origin == self._origin else None
        context = self._network.contexts.get(self._tls)
        return Security(context, server_name or origin.host.rstrip("."))

    async def _resolve(self, origin: Origin, seen: Measurement, deadline: float) -> Addresses:
        started = now()
        try:
            return await self._network.resolver.resolve(
                origin.host, origin.port, self._families, deadline - started
            )
        finally:
            seen.resolve += now() - started
