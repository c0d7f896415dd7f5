"""metric-aggregation: what this replica has seen of each target, interval by interval.

Every replica and shard writes its own rows, which can be added up, so no lock is needed. A row is
named by its interval's start, so that one which is written twice is there once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.dialects import postgresql, sqlite

from exporter.ledger.store import Session
from exporter.ledger.tables import metrics
from exporter.probers.result import ProbeResult
from exporter.workers.histogram import Tally
from model.sql import SqlMetrics
from model.targets import Target

# What waits for a store that is down: for so long, by the hour once an hour is over.
KEPT = timedelta(hours=24)
# Rows of one transaction.
_BATCH = 500

log = structlog.get_logger("exporter.workers")


@dataclass(slots=True)
class Interval:
    """What was counted from its start to its end. `tried`: it may be in the store already."""

    start: datetime
    end: datetime
    tallies: dict[str, Tally]
    tried: bool = False

    @property
    def hour(self) -> datetime:
        """The hour that it began in."""
        return self.start.replace(minute=0, second=0, microsecond=0)


class Aggregation:
    """Counts probes, and writes the counts of intervals that have ended.

    A restart loses the interval under way, and nothing else.
    """

    def __init__(self, replica: str, start: datetime) -> None:
        self._replica = replica
        self._start = start
        self._tallies: dict[str, Tally] = {}
        self._waiting: deque[Interval] = deque()

    @property
    def waiting(self) -> Sequence[Interval]:
        """The intervals that have ended and are not written, oldest first."""
        return tuple(self._waiting)

    def count(self, target: Target, result: ProbeResult) -> None:
        """Count a probe. SQL metrics are business figures, no part of the platform that is up."""
        tally = self._tallies.get(target.name)
        if tally is None:
            if isinstance(target, SqlMetrics):
                return
            tally = self._tallies[target.name] = Tally(target.kind)
        tally.add(result)

    def end_interval(self, now: datetime) -> None:
        """End the interval under way. What could not be written for too long is given up."""
        if now <= self._start:
            return  # the clock was set back: the interval goes on until it is here again
        self._waiting.append(Interval(self._start, now, self._tallies))
        self._start, self._tallies = now, {}
        self._gather(now)
        while self._waiting[0].end < now - KEPT:
            lost = self._waiting.popleft()
            log.error("figures were given up: the store was away for too long", since=lost.start)

    def _gather(self, now: datetime) -> None:
        """Make one interval of those that wait and are of one hour that is over."""
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        gathered: deque[Interval] = deque()
        for interval in self._waiting:
            last = gathered[-1] if gathered else None
            if (
                last is None
                or last.tried
                or interval.tried
                or last.hour != interval.hour
                or interval.hour == this_hour
            ):
                gathered.append(interval)
                continue
            last.end = interval.end
            for name, tally in interval.tallies.items():
                last.tallies.setdefault(name, Tally(tally.kind)).merge(tally)
        self._waiting = gathered

    async def write(self, session: Session, now: datetime) -> None:
        """Write what waits, in short transactions. Raises StoreUnavailableError; the rest waits."""
        del now
        insert = postgresql.insert if session.store.postgres else sqlite.insert
        statement = insert(metrics).on_conflict_do_nothing()
        while self._waiting:
            interval = self._waiting[0]
            interval.tried = True
            for rows in self._batches(interval):
                async with session.begin() as connection:
                    await connection.execute(statement, rows)
            # Another interval may have ended meanwhile, but only this writes.
            self._waiting.popleft()

    def _batches(self, interval: Interval) -> Iterator[list[dict[str, Any]]]:
        names = list(interval.tallies)
        for start in range(0, len(names), _BATCH):
            yield [self._row(interval, name) for name in names[start : start + _BATCH]]

    def _row(self, interval: Interval, name: str) -> dict[str, Any]:
        tally = interval.tallies[name]
        return {
            "timestamp": interval.start,
            "target": name,
            "replica": self._replica,
            "kind": tally.kind,
            "seconds": round((interval.end - interval.start).total_seconds()),
            "probes": tally.probes,
            "successes": tally.successes,
            "degraded": tally.degraded,
            "duration_sum": tally.duration_sum,
            "buckets": tally.buckets(),
        }
