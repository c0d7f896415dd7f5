"""Alerts as people look through them: in lists without labels, and with texts cut short.

An alert may have a megabyte of labels and annotations. What a list does not show is not read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    case,
    cast,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.listing import Filters, Position
from exporter.ledger.tables import ACTIVE, RESOLVED, UtcDateTime, alert_audit, alerts

_LONGEST_SUMMARY = 300
# What is read as text: a driver would read the JSON at once, which holds the event loop.
_TEXTS = ("labels", "annotations")
# The worse, the earlier; what is not known comes last.
_SEVERITIES = ("critical", "error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Listed:
    """An alert in a list."""

    id: str
    name: str
    severity: str
    service: str
    status: str
    summary: str
    starts_at: datetime
    ends_at: datetime | None
    response_due_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_for: str | None
    resolution: str | None
    resolved_by: str | None
    suppressed: bool
    false_positive: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Open alerts of one name and severity: how many, how many nobody has, since when."""

    name: str
    severity: str
    count: int
    waiting: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the audit trail. `text` is that of a note; `now` is what has changed, by name."""

    id: int
    at: datetime
    action: str
    actor: str
    on_behalf_of: str | None
    via: str
    text: str | None
    now: dict[str, Any]


async def open_alerts(
    connection: AsyncConnection,
    filters: Filters,
    limit: int,
    offset: int = 0,
    *,
    waiting: bool | None = None,
) -> list[Listed]:
    """Open alerts: first those that nobody has, of these the worst, of these the oldest.

    `waiting` chooses those that nobody has, or those that somebody has.
    """
    c = alerts.c
    page = (
        _listed(alerts)
        .where(*_open(filters, waiting))
        .order_by(c.status != ACTIVE, _rank(), c.starts_at, c.id)
    )
    return _as_listed(await connection.execute(page.limit(limit).offset(offset)))


async def open_groups(connection: AsyncConnection, filters: Filters) -> list[Group]:
    """Open alerts by name and severity, in the same order."""
    c = alerts.c
    waiting = func.count().filter(c.status == ACTIVE)
    found = await connection.execute(
        select(
            c.name,
            c.severity,
            func.count().label("number"),
            waiting.label("waiting"),
            func.min(c.starts_at, type_=UtcDateTime).label("oldest"),
        )
        .where(*_open(filters, None))
        .group_by(c.name, c.severity)
        .order_by(waiting == 0, _rank(), func.count().desc(), c.name)
    )
    return [Group(row.name, row.severity, row.number, row.waiting, row.oldest) for row in found]


async def worst_of(connection: AsyncConnection, services: Collection[str]) -> dict[str, Listed]:
    """The open alert of each service that has one: what nobody has first, then the worst."""
    c = alerts.c
    order = (c.status != ACTIVE, _rank(), c.starts_at, c.id)
    place = func.row_number().over(partition_by=c.service, order_by=order).label("place")
    ranked = select(c.id, place).where(c.status != RESOLVED, c.service.in_(services)).subquery()
    worst = select(ranked.c.id).where(ranked.c.place == 1)
    found = _as_listed(await connection.execute(_listed(alerts).where(c.id.in_(worst))))
    return {one.service: one for one in found}


async def history(
    connection: AsyncConnection,
    source: FromClause,
    status: str | None,
    filters: Filters,
    limit: int,
    after: Position | None = None,
) -> list[Listed]:
    """Alerts of whatever has the columns of `alerts`, the newest first."""
    c = source.c
    page = _listed(source).where(*filters.conditions(source))
    if status is not None:
        page = page.where(c.status == status)
    if after is not None:
        place = tuple_(literal(after.starts_at, UtcDateTime), literal(after.id, String))
        page = page.where(tuple_(c.starts_at, c.id) < place)
    return _as_listed(
        await connection.execute(page.order_by(c.starts_at.desc(), c.id.desc()).limit(limit))
    )


async def one(connection: AsyncConnection, source: FromClause, alert_id: str) -> Row[Any] | None:
    """All columns of an alert by its id; labels and annotations as the text of their JSON."""
    texts = (cast(source.c[name], Text).label(name) for name in _TEXTS)
    plain = (column for column in source.c if column.name not in _TEXTS)
    found = await connection.execute(select(*plain, *texts).where(source.c.id == alert_id).limit(1))
    row: Row[Any] | None = found.first()
    return row


async def happenings(
    connection: AsyncConnection, alert_id: str, limit: int, before: int | None = None
) -> list[Happening]:
    """What people and workers did to an alert, the latest first; `before` the line of an id."""
    c = alert_audit.c
    lines = select(c.id, c.at, c.action, c.actor, c.actor_for, c.channel, c.after).where(
        c.alert_id == alert_id
    )
    if before is not None:
        lines = lines.where(c.id < before)
    found = await connection.execute(lines.order_by(c.id.desc()).limit(limit))
    return [_happening(row) for row in found.all()]


def _happening(row: Any) -> Happening:
    after = row.after if isinstance(row.after, dict) else {}
    text = after.get("text")
    return Happening(
        row.id,
        row.at,
        row.action,
        row.actor,
        row.actor_for,
        row.channel,
        text if isinstance(text, str) else None,
        after,
    )


def _open(filters: Filters, waiting: bool | None) -> Sequence[ColumnElement[bool]]:
    c = alerts.c
    chosen = [c.status != RESOLVED, *filters.conditions(alerts)]
    if waiting is not None:
        chosen.append(c.status == ACTIVE if waiting else c.status != ACTIVE)
    return chosen


def _rank() -> ColumnElement[int]:
    places = {name: place for place, name in enumerate(_SEVERITIES)}
    return case(places, value=alerts.c.severity, else_=len(places))


def _listed(source: FromClause) -> Select[Any]:
    c = source.c
    summary = func.substr(c.annotations["summary"].as_string(), 1, _LONGEST_SUMMARY)
    kept = (c[name] for name in Listed.__dataclass_fields__ if name != "summary")
    return select(func.coalesce(summary, "").label("summary"), *kept)


def _as_listed(found: Any) -> list[Listed]:
    return [Listed(**row) for row in found.mappings()]
