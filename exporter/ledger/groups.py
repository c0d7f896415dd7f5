"""Which alerts an incident of PagerDuty is about.

Alertmanager names an incident by the hash of its group's key. Which alerts that group has, and what
PagerDuty calls the incident itself, is kept here as it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger import deliveries
from exporter.ledger.incoming import Incoming
from exporter.ledger.tables import ACKNOWLEDGED, RESOLVED, alert_groups, alerts, pagerduty_incidents
from exporter.ledger.upsert import insert_into
from model.telling import LEDGER

# The label by which an escalation says which alert it is about.
_ALERT_ID = "alert_id"
# As long as an incident may be open, and a note may come to it.
_REMEMBERED = timedelta(days=90)


def dedup_key(group_key: str) -> str:
    """What Alertmanager's incident of a group is called in PagerDuty."""
    return hashlib.sha256(group_key.encode()).hexdigest()


async def remember_groups(
    connection: AsyncConnection, incoming: Iterable[Incoming], now: datetime
) -> int:
    """Keep by which group of which receiver people were told of alerts; answers how many alerts.

    Whoever is told that nobody has acknowledged an alert is told of that alert. The ledger's own
    receiver has a group for each alert, and tells nobody.
    """
    told = [one for one in incoming if one.group is not None and one.group.receiver != LEDGER]
    escalated = await _escalated(connection, told)
    rows: dict[tuple[str, str], str] = {}
    for one in told:
        fingerprint = one.fingerprint if one.ours else escalated.get(one.labels.get(_ALERT_ID, ""))
        if one.group is not None and fingerprint is not None:
            rows[fingerprint, one.group.receiver] = one.group.key
    # In one order for all, so that two replicas do not wait for each other.
    for (fingerprint, receiver), key in sorted(rows.items()):
        row = {"group_key": key, "dedup_key": dedup_key(key), "seen_at": now}
        await connection.execute(
            insert_into(connection, alert_groups)
            .values(fingerprint=fingerprint, receiver=receiver, **row)
            .on_conflict_do_update(index_elements=["fingerprint", "receiver"], set_=row)
        )
    if rows:
        await connection.execute(
            delete(alert_groups).where(alert_groups.c.seen_at < now - _REMEMBERED)
        )
    return len({fingerprint for fingerprint, _ in rows})


async def _escalated(connection: AsyncConnection, incoming: Iterable[Incoming]) -> dict[str, str]:
    """The fingerprints of the alerts that escalations are about, by their ids."""
    ids = {one.labels.get(_ALERT_ID, "") for one in incoming if not one.ours} - {""}
    if not ids:
        return {}
    found = await connection.execute(
        select(alerts.c.id, alerts.c.fingerprint).where(alerts.c.id.in_(sorted(ids)))
    )
    return {row.id: row.fingerprint for row in found}


async def remember_incident(
    connection: AsyncConnection, incident_id: str, key: str, now: datetime
) -> None:
    """Keep what PagerDuty calls the incident of a key."""
    row = {"dedup_key": key, "seen_at": now}
    await connection.execute(
        insert_into(connection, pagerduty_incidents)
        .values(id=incident_id, **row)
        .on_conflict_do_update(index_elements=["id"], set_=row)
    )
    await connection.execute(
        delete(pagerduty_incidents).where(pagerduty_incidents.c.seen_at < now - _REMEMBERED)
    )


async def key_of_incident(connection: AsyncConnection, incident_id: str) -> str | None:
    """The key of an incident; None if PagerDuty has not told of it."""
    found: str | None = await connection.scalar(
        select(pagerduty_incidents.c.dedup_key).where(pagerduty_incidents.c.id == incident_id)
    )
    return found


async def fingerprints_of(connection: AsyncConnection, key: str) -> list[str]:
    """The alerts that an incident is about, whether they are open or not."""
    found = await connection.execute(
        select(alert_groups.c.fingerprint).where(alert_groups.c.dedup_key == key)
    )
    return list(found.scalars())


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An incident of which people have acknowledged everything, but not all of it in PagerDuty."""

    dedup_key: str
    receiver: str
    # Names this state of it: which alert was acknowledged last.
    event_id: str


async def acknowledged_elsewhere(
    connection: AsyncConnection, since: datetime, now: datetime
) -> list[Acknowledged]:
    """Incidents with an acknowledgement since then that PagerDuty is to be told of, by nobody yet.

    An incident of which an alert still waits is left out: to acknowledge it would silence what
    nobody has seen. What is suppressed was told to nobody, and does not count.
    """
    of_group = alert_groups.c.fingerprint == alerts.c.fingerprint
    lately = (
        select(alert_groups.c.dedup_key)
        .join(alerts, of_group)
        .where(
            alerts.c.status == ACKNOWLEDGED,
            alerts.c.acknowledged_at > since,
            alerts.c.acknowledged_via != "pagerduty",
        )
    )
    found = await connection.execute(
        select(alert_groups.c.dedup_key, alert_groups.c.receiver, alerts.c.id, alerts.c.status)
        .join(alerts, of_group)
        .where(
            alerts.c.status != RESOLVED,
            ~alerts.c.suppressed,
            alert_groups.c.dedup_key.in_(lately),
        )
        .order_by(alerts.c.acknowledged_at, alerts.c.id)
    )
    incidents: dict[str, Acknowledged] = {}
    waiting = set()
    for key, receiver, alert_id, status in found:
        incidents[key] = Acknowledged(key, receiver, f"{key}:{alert_id}")
        if status != ACKNOWLEDGED:
            waiting.add(key)
    told = await deliveries.known(
        connection, "pagerduty-out", [one.event_id for one in incidents.values()], now
    )
    return [
        one for key, one in incidents.items() if key not in waiting and one.event_id not in told
    ]
