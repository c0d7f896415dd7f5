"""Probes Postgres: a new connection each time, and its statistics views on one that is kept.

A connection that is kept goes on working while the server refuses everybody else, so every probe
makes a new one, as the next client would have to: that one decides whether Postgres is up. The
views are read on the kept one, because a backend that sees them for the first time spends six
times the CPU.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.clock import now
from exporter.probers.http.network import Network
from exporter.probers.postgres.collection import Collection
from exporter.probers.postgres.collectors import COLLECTORS
from exporter.probers.postgres.round_trips import RoundTrips
from exporter.probers.postgres.session import connect
from exporter.probers.postgres.views import Views
from exporter.probers.postgres.visitor import Visitor
from exporter.probers.result import Block, Blocks, Health, ProbeResult, Sample
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
        self._kept: Views | None = None
        self._kept_since = 0.0
        self._probes = 0

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect, time a trivial query, run the collectors; `timeout` is in seconds."""
        started = now()
        found: Sequence[Block] = ()
        reason = None
        try:
            leave = await self._visitor.visit(timeout)
            try:
                found = await self._read_views(started + timeout)
            finally:
                leave()
            detail = self._collection.complaints
        except ProbeFailure as failure:
            # The failure itself would hold this frame, the connection, and so its socket.
            reason, detail = failure.reason, failure.detail
        self._probes += 1
        duration = now() - started
        own = (
            Sample(names.PG_UP, (), float(reason is None)),
            Sample(names.PG_LAST_SCRAPE_ERROR, (), float(bool(detail))),
            Sample(names.PG_LAST_SCRAPE_DURATION, (), duration),
            Sample(names.PG_SCRAPES, (), self._probes),
            self._round_trips.sample(),
        )
        return ProbeResult(
            health=Health.HEALTHY if reason is None else Health.UNHEALTHY,
            duration=duration,
            ended_at=time.time(),
            reason=reason,
            detail=detail,
            samples=Blocks.of((own, *found)),
        )

    async def close(self) -> None:
        """Close the connection that is kept."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
        if self._owns_network:
            self._network.close()

    async def _read_views(self, deadline: float) -> Sequence[Block]:
        """The samples of the collectors. Raises ProbeFailure."""
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                if time.monotonic() - self._kept_since < _MAX_AGE:
                    found = await self._collection.run(kept, deadline)
                    self._kept = kept
                    return found
            except ProbeFailure:
                # What a restart, an idle timeout or a forgetful router has cut says nothing about
                # now: a new one takes its place.
                pass
            finally:
                if self._kept is None:
                    kept.close()
        return await self._on_new(deadline)

    async def _on_new(self, deadline: float) -> Sequence[Block]:
        left = deadline - now()
        at = asyncio.get_running_loop().time() + left
        views = Views(await connect(self._url, at, left), self._network.poller())
        try:
            found = await self._collection.run(views, deadline)
            self._kept, self._kept_since = views, time.monotonic()
            return found
        finally:
            if views is not self._kept:
                views.close()
