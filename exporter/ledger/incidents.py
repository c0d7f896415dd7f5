"""Incidents: opened from an alert by a person, closed with a cause, followed by a post-mortem.

What changes and the line in the audit trail are one transaction. Whoever does something raises
StoreUnavailableError, and NoteError for a text that is empty or too long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import Row, RowMapping, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger import audit, notes
from exporter.ledger.actor import Actor
from exporter.ledger.archives import everywhere
from exporter.ledger.store import Store
from exporter.ledger.tables import alerts, incidents

# What the audit trail calls them.
OPEN, CLOSE, WRITTEN = "incident_open", "incident_close", "post_mortem"
# From when an incident is opened, so that the time is known at once and does not slip.
POST_MORTEM_WITHIN = timedelta(hours=48)

Priority = Literal["P0", "P1"]


class Kind(StrEnum):
    """Which procedure of the runbook an incident follows."""

    SERVICE_DOWN = "service-down"
    DATA_LOSS_RISK = "data-loss-risk"
    PERFORMANCE = "performance"


PRIORITIES: Mapping[Kind, Priority] = MappingProxyType(
    {Kind.SERVICE_DOWN: "P0", Kind.DATA_LOSS_RISK: "P0", Kind.PERFORMANCE: "P1"}
)


class IncidentRefusedError(Exception):
    """What was asked for cannot be done to this incident, or to this alert; says why."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A row of `incidents`."""

    id: int
    alert_id: str
    alert_name: str
    severity: str
    service: str
    priority: Priority
    # A `Kind`, or one that a newer version knows.
    kind: str
    began_at: datetime
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    closed_by: str | None
    cause: str | None
    resolution: str | None
    post_mortem_due_at: datetime
    post_mortem_at: datetime | None
    post_mortem_place: str | None

    def overdue(self, now: datetime) -> bool:
        """Whether its post-mortem should have been written."""
        return self.post_mortem_at is None and self.post_mortem_due_at < now


async def open_incident(
    store: Store,
    alert_id: str,
    kind: Kind,
    priority: Priority,
    actor: Actor,
    now: datetime,
) -> Incident:
    """Open one from an alert, which may have ended. Raises IncidentRefusedError."""
    try:
        async with store.begin() as connection:
            alert = await alert_of(connection, alert_id)
            if alert is None:
                raise IncidentRefusedError(f'there is no alert "{notes.storable(alert_id)[:36]}"')
            row = (
                (
                    await connection.execute(
                        insert(incidents)
                        .values(
                            alert_id=alert.id,
                            alert_name=alert.name,
                            severity=alert.severity,
                            service=alert.service,
                            priority=priority,
                            kind=kind.value,
                            began_at=alert.starts_at,
                            opened_at=now,
                            opened_by=_who(actor),
                            post_mortem_due_at=now + POST_MORTEM_WITHIN,
                        )
                        .returning(*incidents.c)
                    )
                )
                .mappings()
                .one()
            )
            made = _incident(row)
            told = {"incident": made.id, "priority": priority, "kind": kind.value}
            await audit.record(connection, OPEN, actor, now, alert_id=alert.id, after=told)
            return made
    except IntegrityError:
        raise IncidentRefusedError(
            "this alert has an open incident already: see `incident list`"
        ) from None


async def close_incident(
    store: Store, number: int, actor: Actor, now: datetime, cause: str, resolution: str
) -> Incident:
    """Close one, saying why it happened and what ended it. Raises IncidentRefusedError."""
    values = {
        "closed_at": now,
        "closed_by": _who(actor),
        "cause": notes.checked(cause),
        "resolution": notes.checked(resolution),
    }
    async with store.begin() as connection:
        row = (
            (
                await connection.execute(
                    update(incidents)
                    .where(incidents.c.id == number, incidents.c.closed_at.is_(None))
                    .values(**values)
                    .returning(*incidents.c)
                )
            )
            .mappings()
            .one_or_none()
        )
        if row is None:
            await one(connection, number)
            raise IncidentRefusedError(f"incident {number} is closed already")
        closed = _incident(row)
        told = {"incident": number, "cause": closed.cause, "resolution": closed.resolution}
        await audit.record(connection, CLOSE, actor, now, alert_id=closed.alert_id, after=told)
        return closed


async def post_mortem_written(
    store: Store, number: int, actor: Actor, now: datetime, place: str
) -> Incident:
    """Note that its post-mortem is written, and where it can be read; again, if it has moved.

    When it was written stays as it was first said. Raises IncidentRefusedError.
    """
    kept = notes.checked(place)
    async with store.begin() as connection:
        known = await one(connection, number)
        row = (
            (
                await connection.execute(
                    update(incidents)
                    .where(incidents.c.id == number)
                    .values(post_mortem_at=known.post_mortem_at or now, post_mortem_place=kept)
                    .returning(*incidents.c)
                )
            )
            .mappings()
            .one()
        )
        written = _incident(row)
        told = {"incident": number, "place": kept}
        await audit.record(connection, WRITTEN, actor, now, alert_id=written.alert_id, after=told)
        return written


async def one(connection: AsyncConnection, number: int) -> Incident:
    """The incident of a number. Raises IncidentRefusedError if there is none."""
    found = await connection.execute(select(incidents).where(incidents.c.id == number))
    row = found.mappings().one_or_none()
    if row is None:
        raise IncidentRefusedError(f"there is no incident {number}")
    return _incident(row)


async def since(connection: AsyncConnection, begin: datetime) -> list[Incident]:
    """All that were opened since then, the latest first."""
    query = select(incidents).where(incidents.c.opened_at >= begin)
    found = await connection.execute(query.order_by(incidents.c.opened_at.desc(), incidents.c.id))
    return [_incident(row) for row in found.mappings()]


async def outstanding(connection: AsyncConnection) -> list[Incident]:
    """Those of which something is left to do: open, or without a post-mortem; the oldest first."""
    c = incidents.c
    left = or_(c.closed_at.is_(None), c.post_mortem_at.is_(None))
    found = await connection.execute(select(incidents).where(left).order_by(c.opened_at, c.id))
    return [_incident(row) for row in found.mappings()]


async def alert_of(connection: AsyncConnection, alert_id: str) -> Row[Any] | None:
    """An alert, archived ones included; None if there is none of this id."""
    wanted = notes.storable(alert_id)
    row = (await connection.execute(select(alerts).where(alerts.c.id == wanted))).one_or_none()
    if row is None:
        archived = await everywhere(connection, alerts)
        row = (await connection.execute(select(archived).where(archived.c.id == wanted))).first()
    return row


def _who(actor: Actor) -> str:
    return notes.storable(actor.on_behalf_of or actor.name)[: notes.NAME_CHARACTERS]


def _incident(row: RowMapping) -> Incident:
    return Incident(**row)
