"""How available a target was, and how fast: the counts of all replicas and shards, added up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, FromClause, Select, case, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.archives import everywhere
from exporter.ledger.store import Store
from exporter.ledger.tables import metrics
from exporter.workers.histogram import quantile

WINDOWS: Mapping[str, timedelta] = MappingProxyType(
    {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
)
_LONGEST = max(WINDOWS.values())


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one target in one window.

    `availability` is the share of probes that succeeded, None if there was none. Latencies are in
    seconds, of probes that succeeded, None if none did.
    """

    probes: int = 0
    successes: int = 0
    degraded: int = 0
    availability: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(slots=True)
class _Sums:
    probes: int = 0
    successes: int = 0
    degraded: int = 0
    buckets: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def figures(self) -> Figures:
        return Figures(
            self.probes,
            self.successes,
            self.degraded,
            self.successes / self.probes if self.probes else None,
            *(quantile(self.buckets, share) for share in (0.5, 0.95, 0.99)),
        )


class ServiceFigures:
    """The figures of all targets, asked of the store at most once in `fresh` seconds."""

    def __init__(self, store: Store, fresh: float = 60.0) -> None:
        self._store = store
        self._fresh = timedelta(seconds=fresh)
        self._asking = asyncio.Lock()
        self._at: datetime | None = None
        self._known: Mapping[str, Mapping[str, Figures]] = {}

    async def of(
        self, targets: Collection[str], now: datetime
    ) -> Mapping[str, Mapping[str, Figures]]:
        """As `figures`, at most `fresh` seconds old. Raises StoreUnavailableError."""
        async with self._asking:
            old = self._at is None or not timedelta(0) <= now - self._at < self._fresh
            if old or not self._known.keys() >= set(targets):
                self._known = await figures(self._store, targets, now)
                self._at = now
            return {target: self._known[target] for target in targets}


async def figures(
    store: Store, targets: Collection[str], now: datetime
) -> Mapping[str, Mapping[str, Figures]]:
    """By target and by the name of a window, for all targets and WINDOWS at once.

    A row counts in the windows that its interval began in. Raises StoreUnavailableError.
    """
    sums = {target: {window: _Sums() for window in WINDOWS} for target in targets}
    async with store.read() as connection:
        rows = await _rows(connection, now - _LONGEST)
        wanted = (rows.c.target.in_(targets), rows.c.timestamp >= now - _LONGEST)
        for row in await connection.execute(_counts(rows, now).where(*wanted)):
            for window in _windows_within(row.span):
                of = sums[row.target][window]
                of.probes += row.probes
                of.successes += row.successes
                of.degraded += row.degraded
        for row in await connection.execute(_buckets(rows, store, now).where(*wanted)):
            for window in _windows_within(row.span):
                sums[row.target][window].buckets[row.bound] += row.number
    return {
        target: {window: of.figures() for window, of in windows.items()}
        for target, windows in sums.items()
    }


async def _rows(connection: AsyncConnection, since: datetime) -> FromClause:
    """The rows since then: the archives hold some only if the table does not reach so far back."""
    oldest: datetime | None = await connection.scalar(select(func.min(metrics.c.timestamp)))
    if oldest is not None and oldest <= since:
        return metrics
    return await everywhere(connection, metrics)


def _windows_within(shortest: str) -> list[str]:
    """The windows that a row is in whose shortest is known."""
    return [window for window in WINDOWS if WINDOWS[window] >= WINDOWS[shortest]]


def _shortest(rows: FromClause, now: datetime) -> Any:
    return case(
        *((rows.c.timestamp >= now - length, window) for window, length in WINDOWS.items())
    ).label("span")


def _counts(rows: FromClause, now: datetime) -> Select[Any]:
    return select(
        rows.c.target,
        _shortest(rows, now),
        *(func.sum(rows.c[name]).label(name) for name in ("probes", "successes", "degraded")),
    ).group_by("target", "span")


def _buckets(rows: FromClause, store: Store, now: datetime) -> Select[Any]:
    unfold = func.jsonb_each_text if store.postgres else func.json_each
    pairs = unfold(rows.c.buckets).table_valued("key", "value", name="bucket")
    number = cast(pairs.c.value, BigInteger)
    return (
        select(
            rows.c.target,
            _shortest(rows, now),
            pairs.c.key.label("bound"),
            cast(func.sum(number), BigInteger).label("number"),
        )
        .select_from(rows)
        .join(pairs, true())
        .group_by("target", "span", "bound")
    )
