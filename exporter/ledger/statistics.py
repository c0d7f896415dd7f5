"""How alerts were responded to, by name: counts, times to acknowledge and to end, breaches.

A breach is an alert that was acknowledged after its response was due, or never while it lasted
beyond that. One that ended by itself before its response was due is none, and neither is one that
may still be responded to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    and_,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.tables import UtcDateTime

_SECONDS_A_DAY = 86400


@dataclass(frozen=True, slots=True)
class Figures:
    """Of all alerts of a name. Sums of seconds and how many each is a sum of, so that they add up.

    `in_time` were acknowledged before their response was due.
    """

    name: str
    count: int
    acknowledged: int
    acknowledge_seconds: float
    ended: int
    end_seconds: float
    false_positives: int
    in_time: int
    breaches: int
    # What Alertmanager has told of, and how long after each had fired.
    delivered: int
    deliver_seconds: float

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.name,
            self.count + other.count,
            self.acknowledged + other.acknowledged,
            self.acknowledge_seconds + other.acknowledge_seconds,
            self.ended + other.ended,
            self.end_seconds + other.end_seconds,
            self.false_positives + other.false_positives,
            self.in_time + other.in_time,
            self.breaches + other.breaches,
            self.delivered + other.delivered,
            self.deliver_seconds + other.deliver_seconds,
        )

    @property
    def mtta(self) -> float | None:
        """Mean time to acknowledge, in seconds, of those that were."""
        return _mean(self.acknowledge_seconds, self.acknowledged)

    @property
    def mttr(self) -> float | None:
        """Mean time until the end, in seconds, of those that have ended."""
        return _mean(self.end_seconds, self.ended)

    @property
    def mean_delivery(self) -> float | None:
        """Mean time from firing until the ledger was told, in seconds, of those it was told of."""
        return _mean(self.deliver_seconds, self.delivered)

    @property
    def false_positive_share(self) -> float | None:
        """How many of all were false, 0 to 1."""
        return _mean(self.false_positives, self.count)

    @property
    def in_time_share(self) -> float | None:
        """How many of those that had to be responded to were in time, 0 to 1."""
        return _mean(self.in_time, self.in_time + self.breaches)


def total(figures: list[Figures]) -> Figures:
    """All together."""
    return sum(figures, Figures("", 0, 0, 0.0, 0, 0.0, 0, 0, 0, 0, 0.0))


async def by_name(
    connection: AsyncConnection, source: FromClause, since: datetime, now: datetime
) -> list[Figures]:
    """The figures of all alerts that began since then, the most frequent first.

    `source` has the columns of `alerts`: the table, or it and its archives.
    """
    c = source.c
    due, at = c.response_due_at, literal(now, UtcDateTime)
    late = or_(
        c.acknowledged_at > due,
        and_(c.acknowledged_at.is_(None), func.coalesce(c.ends_at, at) > due),
    )
    begun_and = {
        "acknowledged": c.acknowledged_at.is_not(None),
        "ended": c.ends_at.is_not(None),
        "false_positives": c.false_positive.is_(True),
        "in_time": c.acknowledged_at <= due,
        "breaches": late,
        "delivered": c.source == "webhook",
    }
    found = await connection.execute(
        select(
            c.name,
            func.count().label("episodes"),
            *(func.count().filter(condition).label(name) for name, condition in begun_and.items()),
            func.sum(_seconds(connection, c.starts_at, c.acknowledged_at)).label("acknowledging"),
            func.sum(_seconds(connection, c.starts_at, c.ends_at)).label("ending"),
            func.sum(_seconds(connection, c.starts_at, c.created_at))
            .filter(c.source == "webhook")
            .label("delivering"),
        )
        .where(c.starts_at >= since)
        .group_by(c.name)
        .order_by(func.count().desc(), c.name)
    )
    return [
        Figures(
            name=row.name,
            count=row.episodes,
            acknowledged=row.acknowledged,
            acknowledge_seconds=float(row.acknowledging or 0),
            ended=row.ended,
            end_seconds=float(row.ending or 0),
            false_positives=row.false_positives,
            in_time=row.in_time,
            breaches=row.breaches,
            delivered=row.delivered,
            deliver_seconds=float(row.delivering or 0),
        )
        for row in found
    ]


def _seconds(
    connection: AsyncConnection, start: ColumnElement[Any], end: ColumnElement[Any]
) -> ColumnElement[float]:
    """From one time to another; NULL where either is."""
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", end - start), Double)
    return (func.julianday(end) - func.julianday(start)) * _SECONDS_A_DAY


def _mean(total_of_all: float, count: int) -> float | None:
    return total_of_all / count if count else None
