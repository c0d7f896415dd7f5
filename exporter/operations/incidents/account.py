"""All that the ledger and the config know of an incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger import incidents, lists
from exporter.ledger.archives import everywhere
from exporter.ledger.incidents import Incident
from exporter.ledger.lists import Happening
from exporter.ledger.store import Store
from exporter.ledger.tables import alerts, metrics
from exporter.operations.beside import DEADLINE
from model.alerts import Alert
from model.people import BusinessHours, Contact, Severity
from model.platform import Platform

_HAPPENINGS = 500
# Of the other alerts of those hours, so many are named.
_MOST_OTHERS = 20
# No row of figures is of a longer time: cleanup makes one an hour.
_LONGEST_ROW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Probes:
    """How many probes of the service there were while it lasted, and how many succeeded."""

    count: int
    successes: int


@dataclass(frozen=True, slots=True)
class Other:
    """Another alert that fired in the same time."""

    name: str
    service: str
    severity: str
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """An incident with its alert, None if that is gone, and what happened to it, earliest first.

    `rule` is the alert in the config, `severity` the config's; None where it has no such thing.
    `until` is when the incident or its alert has ended, else `now`. `probes` are None where none
    was counted.
    """

    incident: Incident
    alert: Row[Any] | None
    happenings: tuple[Happening, ...]
    others: tuple[Other, ...]
    probes: Probes | None
    rule: Alert | None
    severity: Severity | None
    contacts: tuple[Contact, ...]
    business_hours: BusinessHours
    until: datetime
    now: datetime


async def account_of(store: Store, number: int, platform: Platform, now: datetime) -> Account:
    """Gather it, in one snapshot. Raises IncidentRefusedError or StoreUnavailableError."""
    async with store.read(DEADLINE) as connection:
        incident = await incidents.one(connection, number)
        alert = await incidents.alert_of(connection, incident.alert_id)
        until = _until(incident, alert, now)
        story = await lists.happenings(connection, incident.alert_id, _HAPPENINGS)
        others = await _others(connection, incident, until)
        probes = await _probes(connection, incident, until)
    severities = {one.name: one for one in platform.severities}
    return Account(
        incident=incident,
        alert=alert,
        happenings=tuple(reversed(story)),
        others=others,
        probes=probes,
        rule=next((one for one in platform.alerts if one.name == incident.alert_name), None),
        severity=severities.get(incident.severity),  # type: ignore[call-overload]
        contacts=platform.contacts,
        business_hours=platform.business_hours,
        until=until,
        now=now,
    )


def _until(incident: Incident, alert: Row[Any] | None, now: datetime) -> datetime:
    """The alert's end says when the service was well again; people close incidents later."""
    ended: datetime | None = alert.ends_at if alert is not None else None
    return ended or incident.closed_at or now


async def _others(
    connection: AsyncConnection, incident: Incident, until: datetime
) -> tuple[Other, ...]:
    source = await everywhere(connection, alerts)
    c = source.c
    overlapping = (
        c.id != incident.alert_id,
        c.starts_at <= until,
        (c.ends_at.is_(None)) | (c.ends_at >= incident.began_at),
    )
    found = await connection.execute(
        select(c.name, c.service, c.severity, c.starts_at, c.ends_at)
        .where(*overlapping)
        .order_by(c.starts_at)
        .limit(_MOST_OTHERS)
    )
    return tuple(Other(*row) for row in found)


async def _probes(
    connection: AsyncConnection, incident: Incident, until: datetime
) -> Probes | None:
    source = await everywhere(connection, metrics)
    c = source.c
    near = (
        c.target == incident.service,
        c.timestamp > incident.began_at - _LONGEST_ROW,
        c.timestamp < until,
    )
    found = await connection.execute(
        select(c.timestamp, c.seconds, c.probes, c.successes).where(*near)
    )
    touched = [
        row for row in found if row.timestamp + timedelta(seconds=row.seconds) > incident.began_at
    ]
    if not touched:
        return None
    return Probes(sum(row.probes for row in touched), sum(row.successes for row in touched))
