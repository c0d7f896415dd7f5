"""Makes one row an hour and target of all that replicas have written: figures add up fewer rows.

A month of 25 targets is 650,000 rows of three replicas in five-minute intervals, which a store adds
up in six seconds and more; by the hour it is 18,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from exporter.ledger.store import Session
from exporter.ledger.tables import metrics
from exporter.workers.aggregation import KEPT

# In the place of a replica's name.
ALL_REPLICAS = "*"
_HOUR = timedelta(hours=1)
# What a replica kept while the store was away is there by then.
AGE = KEPT + _HOUR


async def compact(session: Session, now: datetime) -> int:
    """Add up the rows of each hour that is long over; answers how many hours those were.

    Each hour is a transaction of its own. Raises StoreUnavailableError.
    """
    before = _hour(now - AGE)
    hours = 0
    since: datetime | None = None
    while (hour := await _next(session, since, before)) is not None:
        since = hour + _HOUR
        await _add_up(session, hour)
        hours += 1
    return hours


async def _next(session: Session, since: datetime | None, before: datetime) -> datetime | None:
    """The first hour with rows of single replicas."""
    later = () if since is None else (metrics.c.timestamp >= since,)
    oldest = select(func.min(metrics.c.timestamp)).where(
        metrics.c.replica != ALL_REPLICAS, metrics.c.timestamp < before, *later
    )
    async with session.begin() as connection:
        at: datetime | None = await connection.scalar(oldest)
    return None if at is None else _hour(at)


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


async def _add_up(session: Session, hour: datetime) -> None:
    taken = (
        delete(metrics)
        .where(metrics.c.timestamp >= hour, metrics.c.timestamp < hour + _HOUR)
        .returning(metrics)
    )
    async with session.begin() as connection:
        by_target: dict[str, list[Row[Any]]] = {}
        for row in await connection.execute(taken):
            by_target.setdefault(row.target, []).append(row)
        if by_target:
            await connection.execute(
                insert(metrics), [_sum(target, rows) for target, rows in by_target.items()]
            )


def _sum(target: str, rows: Iterable[Row[Any]]) -> dict[str, Any]:
    rows = sorted(rows, key=lambda row: row.timestamp)
    buckets: Counter[str] = Counter()
    for row in rows:
        buckets.update(row.buckets)
    start = rows[0].timestamp
    end = max(row.timestamp + timedelta(seconds=row.seconds) for row in rows)
    return {
        "timestamp": start,
        "target": target,
        "replica": ALL_REPLICAS,
        "kind": rows[-1].kind,
        "seconds": round((end - start).total_seconds()),
        **{
            name: sum(getattr(row, name) for row in rows)
            for name in ("probes", "successes", "degraded", "duration_sum")
        },
        "buckets": dict(buckets),
    }
