"""Which alerts an incident of PagerDuty is about.

Alertmanager names an incident by the hash of its group's key. Which alerts that group has, and what
PagerDuty calls the incident itself, is kept here as it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.tables import ACKNOWLEDGED, RESOLVED, alert_groups, alerts, pagerduty_incidents
from exporter.ledger.upsert import insert_into

# As long as an incident may be open, and a note may come to it.
_REMEMBERED = timedelta(days=90)


def dedup_key(group_key: str) -> str:
    """What Alertmanager's incident of a group is called in PagerDuty."""
    return hashlib.sha256(group_key.encode()).hexdigest()


async def remember_group(
    connection: AsyncConnection,
    group_key: str,
    receiver: str,
    fingerprints: Iterable[str],
    now: datetime,
) -> None:
    """Keep by which group a receiver was told of these alerts."""
    row = {"group_key": group_key, "dedup_key": dedup_key(group_key), "seen_at": now}
    # In one order for all, so that two replicas do not wait for each other.
    for fingerprint in sorted(set(fingerprints)):
        await connection.execute(
            insert_into(connection, alert_groups)
            .values(fingerprint=fingerprint, receiver=receiver, **row)
            .on_conflict_do_update(index_elements=["fingerprint", "receiver"], set_=row)
        )
    await connection.execute(
        delete(alert_groups).where(alert_groups.c.seen_at < now - _REMEMBERED)
    )


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


async def acknowledged_elsewhere(
    connection: AsyncConnection, since: datetime
) -> dict[str, tuple[str, str]]:
    """Incidents that somebody has acknowledged since then, but not in PagerDuty.

    By key: a receiver of it, and the alert acknowledged last. An incident of which an alert still
    waits is left out: acknowledging it would silence what nobody has seen.
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
    incidents: dict[str, tuple[str, str]] = {}
    waiting = set()
    for key, receiver, alert_id, status in found:
        incidents[key] = (receiver, alert_id)
        if status != ACKNOWLEDGED:
            waiting.add(key)
    return {key: incident for key, incident in incidents.items() if key not in waiting}

