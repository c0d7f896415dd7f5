"""Probes Postgres: a new connection each time, and its statistics views on one that is kept.

A connection that is kept goes on working while the server refuses everybody else, so every probe
makes a new one, as the next client would have to: that one decides whether Postgres is up. The
views are read on the kept one, because a backend that sees them for the first time spends six
times the CPU.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from psycopg import AsyncConnection

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.network import Network
from exporter.probers.postgres.collection import Collection
from exporter.probers.postgres.collectors import COLLECTORS
from exporter.probers.postgres.round_trips import RoundTrips
from exporter.probers.postgres.session import connect
from exporter.probers.postgres.visitor import Visitor
from exporter.probers.result import Health, ProbeResult, Sample
from model import names
from model.targets import Postgres

# A connection that is kept for ever keeps the rights and the memory of its first day.
_MAX_AGE = 600.0


class PostgresProber:
    """Probes one Postgres.

    Keeps between probes at most one connection, the histogram of round trips, what the password
    is hashed to, and which collectors have lately failed. `network` is as for HttpProber.
    """

    def __init__(self, target: Postgres, url: str, network: Network | None = None) -> None:
        self._target = target
        self._url = url
        self._network = network or Network()
        self._owns_network = network is None
        self._round_trips = RoundTrips()
        self._visitor = Visitor(url, self._network, self._round_trips)
        self._collection = Collection(COLLECTORS)
        self._kept: AsyncConnection[Any] | None = None
        self._kept_since = 0.0

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect, time a trivial query, run the collectors; `timeout` is in seconds."""
        started = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + timeout
        samples: list[Sample] = []
        reason = None
        try:
            leave = await self._visitor.visit(timeout)
            try:
                await self._read_views(deadline, timeout, samples)
            finally:
                leave()
            detail = self._collection.complaints
        except ProbeFailure as failure:
            # The failure itself would hold this frame, the connection, and so its socket.
            reason, detail = failure.reason, failure.detail
        samples.append(Sample(names.PG_UP, (), float(reason is None)))
        samples.append(Sample(names.PG_LAST_SCRAPE_ERROR, (), float(bool(detail))))
        samples.append(self._round_trips.sample())
        return ProbeResult(
            health=Health.HEALTHY if reason is None else Health.UNHEALTHY,
            duration=time.perf_counter() - started,
            ended_at=time.time(),
            reason=reason,
            detail=detail,
            samples=tuple(samples),
        )

    async def close(self) -> None:
        """Close the connection that is kept."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()
        if self._owns_network:
            self._network.close()

    async def _read_views(self, deadline: float, timeout: float, samples: list[Sample]) -> None:
        """Fill in the samples. Raises ProbeFailure."""
        if await self._on_kept(deadline, samples):
            return
        fresh = await connect(self._url, deadline, timeout)
        try:
            await self._collection.run(fresh, deadline, samples)
            self._kept, self._kept_since = fresh, time.monotonic()
        finally:
            if fresh is not self._kept:
                await fresh.close()

    async def _on_kept(self, deadline: float, samples: list[Sample]) -> bool:
        """Whether the kept connection could be used. One that is lost or too old is closed.

        What a restart, an idle timeout or a forgetful router has cut says nothing about now: a
        new one takes its place.
        """
        kept, self._kept = self._kept, None
        if kept is None:
            return False
        found: list[Sample] = []
        try:
            if time.monotonic() - self._kept_since < _MAX_AGE:
                await self._collection.run(kept, deadline, found)
                self._kept = kept
        except ProbeFailure:
            return False
        finally:
            if self._kept is None:
                await kept.close()
        samples.extend(found)
        return self._kept is not None
