"""Probes Postgres: a new connection each time, then its statistics views on one that is kept.

A connection that is kept goes on working while the server refuses everybody else, so every probe
makes a new one, as the next client would have to: that one decides whether Postgres is up. The
views are read on the kept one, because a backend that sees them for the first time spends six
times the CPU.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from typing import Any

from psycopg import AsyncConnection

from exporter.probers.failure import ProbeFailure
from exporter.probers.postgres.collection import Collection
from exporter.probers.postgres.collectors import COLLECTORS
from exporter.probers.postgres.session import connect, query
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model import names
from model.targets import Postgres

# A connection that is kept for ever keeps the rights and the memory of its first day.
_MAX_AGE = 600.0


class PostgresProber:
    """Probes one Postgres.

    Keeps between probes at most one connection, the histogram of round trips, and which collectors
    have lately failed.
    """

    def __init__(self, target: Postgres, url: str) -> None:
        self._target = target
        self._url = url
        self._collection = Collection(COLLECTORS)
        self._kept: AsyncConnection[Any] | None = None
        self._kept_since = 0.0
        self._round_trips = [0] * (len(names.PG_ROUND_TRIP.buckets) + 1)
        self._round_trip_sum = 0.0

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect, time a trivial query, run the collectors; `timeout` is in seconds."""
        started = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + timeout
        samples: list[Sample] = []
        reason = None
        try:
            detail = await self._collect(deadline, timeout, samples)
        except ProbeFailure as failure:
            # The failure itself would hold this frame, the connection, and so its socket.
            reason, detail = failure.reason, failure.detail
        samples.append(Sample(names.PG_UP, (), float(reason is None)))
        samples.append(Sample(names.PG_LAST_SCRAPE_ERROR, (), float(bool(detail))))
        samples.append(self._round_trip_sample())
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

    async def _collect(self, deadline: float, timeout: float, samples: list[Sample]) -> str:
        """Fill in the samples, and say which collectors have failed; empty if none has."""
        fresh = await connect(self._url, deadline, timeout)
        try:
            await self._time_round_trip(fresh, deadline)
            if await self._collect_on_kept(deadline, samples):
                return self._collection.complaints
            await self._collection.run(fresh, deadline, samples)
            self._kept, self._kept_since = fresh, time.monotonic()
            return self._collection.complaints
        finally:
            if fresh is not self._kept:
                await fresh.close()

    async def _collect_on_kept(self, deadline: float, samples: list[Sample]) -> bool:
        """Whether the kept connection could be used. One that is lost or too old is closed.

        What a restart, an idle timeout or a forgetful router has cut says nothing about now: the
        new connection works.
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
            # Answered by the new connection, which the caller has.
            return False
        finally:
            if self._kept is None:
                await kept.close()
        samples.extend(found)
        return self._kept is not None

    async def _time_round_trip(self, connection: AsyncConnection[Any], deadline: float) -> None:
        started = time.perf_counter()
        try:
            await query(connection, "SELECT 1", deadline)
        except ProbeFailure as failure:
            if failure.reason is Reason.TIMEOUT:
                self._count_round_trip(time.perf_counter() - started, answered=False)
            raise
        self._count_round_trip(time.perf_counter() - started, answered=True)

    def _count_round_trip(self, seconds: float, *, answered: bool) -> None:
        bounds = names.PG_ROUND_TRIP.buckets
        self._round_trips[bisect_left(bounds, seconds) if answered else len(bounds)] += 1
        self._round_trip_sum += seconds

    def _round_trip_sample(self) -> Sample:
        return Sample(
            names.PG_ROUND_TRIP, buckets=tuple(self._round_trips), sum=self._round_trip_sum
        )
