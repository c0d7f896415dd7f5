"""Visits one Postgres again and again, by ourselves or, where it takes more, by libpq."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from exporter.conversation.postgres import note_visited, note_visiting
from exporter.conversation.recorder import recording
from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.http.network import Network
from exporter.probers.http.resolve import Address, Families, attempts, literal, worth_another
from exporter.probers.http.tls import Security
from exporter.probers.postgres.login import Foreign, Login
from exporter.probers.postgres.place import Place
from exporter.probers.postgres.round_trips import RoundTrips
from exporter.probers.postgres.scram import Keys
from exporter.probers.postgres.session import connect, query
from exporter.probers.postgres.visit import Visit
from exporter.probers.result import Reason

# Takes leave of a server: closes the connection of a visit.
Leave = Callable[[], None]
_FAMILIES = Families("ip4", fallback=True)
_GIVEN_UP = frozenset({Reason.TIMEOUT, Reason.CONNECT_TIMEOUT})


class Visitor:
    """Visits one server. Keeps between visits what the password is hashed to, and nothing else."""

    def __init__(self, url: str, network: Network, round_trips: RoundTrips) -> None:
        self._url = url
        self._network = network
        self._round_trips = round_trips
        self._place = Place.of(url)
        self._keys: Keys | None = None
        self._literal = literal(self._place.host, self._place.port) if self._place else None

    async def visit(self, timeout: float) -> Leave:
        """Connect, log in, ask a trivial query; `timeout` is in seconds. Raises ProbeFailure.

        The connection stays open until what is returned is called.
        """
        place = self._place
        if place is not None:
            try:
                return await self._ourselves(place, now() + timeout)
            except Foreign:
                self._place = None
        return await self._by_libpq(timeout)

    async def _ourselves(self, place: Place, deadline: float) -> Leave:
        addresses = self._literal
        if addresses is None:
            addresses = await self._network.resolver.resolve(
                place.host, place.port, _FAMILIES, deadline - now()
            )
        for address, until, last in attempts(addresses, deadline):
            try:
                return await self._at(place, address, until)
            except ProbeFailure as failure:
                if last or not worth_another(failure):
                    raise
        raise AssertionError("there is always a last address, and it returns or raises")

    async def _at(self, place: Place, address: Address, deadline: float) -> Leave:
        settings = place.tls
        if settings is None:
            return await self._once(place, address, deadline, None)

        def security() -> Security:
            return Security(self._network.contexts.get(settings), place.host.rstrip("."))

        try:
            return await self._once(place, address, deadline, security)
        except _EncryptedFailure as failure:
            # As libpq does: a server may want TLS of some and none of others (hostnossl).
            if place.tls_required or failure.reason in _GIVEN_UP:
                raise ProbeFailure(failure.reason, failure.detail) from None
            first = ProbeFailure(failure.reason, failure.detail)
        try:
            return await self._once(place, address, deadline, None)
        except ProbeFailure:
            raise first from None

    async def _once(
        self,
        place: Place,
        address: Address,
        deadline: float,
        security: Callable[[], Security] | None,
    ) -> Leave:
        login = Login(place.parameters, place.password, self._keys)
        visit = Visit(self._network.poller(), login, security, tls_required=place.tls_required)
        answered = False
        recorder = recording()
        if recorder is not None:
            names = place.parameters
            note_visiting(recorder, address[1], names["database"], names["user"])
        try:
            visit.open(address, deadline)
            await visit.done
            answered = True
        except ProbeFailure as failure:
            if visit.asked_at and failure.reason is Reason.TIMEOUT:
                self._round_trips.unanswered(now() - visit.asked_at)
            elif visit.encrypted and not visit.asked_at:
                raise _EncryptedFailure(failure.reason, failure.detail) from None
            raise
        finally:
            self._keys = login.keys
            if not answered:
                visit.close()
        took = visit.answered_at - visit.asked_at
        self._round_trips.answered(took)
        if recorder is not None:
            note_visited(recorder, secured=visit.encrypted, seconds=took)
        return visit.close

    async def _by_libpq(self, timeout: float) -> Leave:
        deadline = asyncio.get_running_loop().time() + timeout
        connection = await connect(self._url, deadline, timeout)
        started, answered = now(), False
        try:
            await query(connection, "SELECT 1", deadline)
            answered = True
        except ProbeFailure as failure:
            if failure.reason is Reason.TIMEOUT:
                self._round_trips.unanswered(now() - started)
            raise
        finally:
            if not answered:
                connection.pgconn.finish()
        self._round_trips.answered(now() - started)

        def leave() -> None:
            # The connection is held, or it would complain of being open when it is forgotten.
            connection.pgconn.finish()

        return leave


class _EncryptedFailure(ProbeFailure):
    """A login that failed after the server had agreed to TLS."""
