"""Reads alerts from the ledger page by page: what is open, what has ended, one alert's story."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    String,
    Text,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.tables import STATUSES, UtcDateTime, alert_audit, alert_notes, alerts

# Of one alert; whoever wants more reads the tables.
MOST_LINES = 500
_SLICE = 50
_PLAIN = (
    "id",
    "fingerprint",
    "name",
    "severity",
    "service",
    "status",
    "generator_url",
    "starts_at",
    "created_at",
    "ends_at",
    "response_due_at",
    "source",
    "resolution",
    "firing",
    "suppressed",
    "acknowledged_at",
    "acknowledged_by",
    "acknowledged_for",
    "acknowledged_via",
    "resolved_by",
    "false_positive",
)
_JSON = ("labels", "annotations")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which alerts are meant; None means all. `since` and `until` are about when they began.

    `text` is looked for in names, services and summaries, whatever its case.
    """

    severity: str | None = None
    service: str | None = None
    name: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    false_positive: bool | None = None

    def conditions(self, source: FromClause) -> list[ColumnElement[bool]]:
        """As SQL, on `alerts` or what has its columns."""
        c = source.c
        equal = {"severity": self.severity, "service": self.service, "name": self.name}
        found = [c[column] == value for column, value in equal.items() if value is not None]
        if self.text is not None:
            summary = c.annotations["summary"].as_string()
            found.append(
                or_(
                    *(
                        column.icontains(self.text, autoescape=True)
                        for column in (c.name, c.service, summary)
                    )
                )
            )
        if self.since is not None:
            found.append(c.starts_at >= self.since)
        if self.until is not None:
            found.append(c.starts_at < self.until)
        if self.false_positive is not None:
            found.append(c.false_positive.is_(self.false_positive))
        return found


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last alert's begin and id. The next page is what comes after."""

    starts_at: datetime
    id: str


async def newest(
    connection: AsyncConnection,
    statuses: Sequence[str],
    filters: Filters,
    limit: int,
    after: Position | None = None,
) -> Sequence[Row[Any]]:
    """The alerts of these statuses, the newest first, no more than `limit`.

    What is JSON in an alert's row is answered as text, here as below.
    """
    # One by one, each is the end of an index, whatever the planner thinks of their shares.
    parts = [
        _page(_chosen(alerts).where(alerts.c.status == status), alerts, filters, limit, after)
        for status in statuses
    ]
    if len(parts) == 1:
        return await _rows(connection, parts[0])
    together = union_all(*(select(part.subquery()) for part in parts)).subquery()
    merged = select(together).order_by(together.c.starts_at.desc(), together.c.id.desc())
    return await _rows(connection, merged.limit(limit))


async def newest_of(
    connection: AsyncConnection,
    source: FromClause,
    status: str | None,
    filters: Filters,
    limit: int,
    after: Position | None = None,
) -> Sequence[Row[Any]]:
    """The same of whatever has the columns of `alerts`, such as the table and its archives."""
    chosen = _chosen(source)
    if status is not None:
        chosen = chosen.where(source.c.status == status)
    return await _rows(connection, _page(chosen, source, filters, limit, after))


def _chosen(source: FromClause) -> Select[Any]:
    """What the API shows of an alert."""
    # The driver would read the JSON of all rows at once, which holds the event loop.
    texts = (cast(source.c[name], Text).label(name) for name in _JSON)
    return select(*(source.c[name] for name in _PLAIN), *texts)


def _page(
    chosen: Select[Any], source: FromClause, filters: Filters, limit: int, after: Position | None
) -> Select[Any]:
    page = chosen.where(*filters.conditions(source))
    if after is not None:
        place = tuple_(literal(after.starts_at, UtcDateTime), literal(after.id, String))
        page = page.where(tuple_(source.c.starts_at, source.c.id) < place)
    return page.order_by(source.c.starts_at.desc(), source.c.id.desc()).limit(limit)


async def _rows(connection: AsyncConnection, page: Select[Any]) -> Sequence[Row[Any]]:
    # In slices, so that a long page does not hold the event loop.
    rows: list[Row[Any]] = []
    for part in (await connection.execute(page)).partitions(_SLICE):
        rows += part
        await asyncio.sleep(0)
    return rows


async def counts(
    connection: AsyncConnection, statuses: Sequence[str], filters: Filters
) -> dict[tuple[str, str], int]:
    """How many alerts there are, by their status and severity."""
    found = await connection.execute(
        select(alerts.c.status, alerts.c.severity, func.count())
        .where(alerts.c.status.in_(statuses or STATUSES), *filters.conditions(alerts))
        .group_by(alerts.c.status, alerts.c.severity)
    )
    return {(status, severity): count for status, severity, count in found}


async def one(connection: AsyncConnection, source: FromClause, alert_id: str) -> Row[Any] | None:
    """An alert by its id."""
    found = await connection.execute(_chosen(source).where(source.c.id == alert_id).limit(1))
    row: Row[Any] | None = found.first()
    return row


async def notes_of(connection: AsyncConnection, alert_id: str) -> Sequence[Row[Any]]:
    """What people noted about an alert, the oldest first; of very many the latest."""
    return await _latest(connection, alert_notes, alert_notes.c.created_at, alert_id)


async def audit_of(connection: AsyncConnection, alert_id: str) -> Sequence[Row[Any]]:
    """What happened to an alert, the oldest first; of very much the latest."""
    return await _latest(connection, alert_audit, alert_audit.c.at, alert_id)


async def _latest(
    connection: AsyncConnection, table: FromClause, time: ColumnElement[Any], alert_id: str
) -> Sequence[Row[Any]]:
    latest = select(table).where(table.c.alert_id == alert_id).limit(MOST_LINES)
    return (await _rows(connection, latest.order_by(time.desc(), table.c.id.desc())))[::-1]
