"""Makes the ledger agree with what Alertmanager has and with what Prometheus remembers.

Webhooks can be lost: whatever fired or ended while nobody listened is found here. It always looks
at all the time since it last did, so that it makes no difference why something was missed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.actor import Actor
from exporter.ledger.alertmanager import Listing, listed
from exporter.ledger.audit import record
from exporter.ledger.episode import ABSENCE, PROMETHEUS, ended
from exporter.ledger.incoming import Incoming
from exporter.ledger.ingest import Source, episode_of, lock
from exporter.ledger.prometheus_history import History, remembered
from exporter.ledger.state import RECONCILED
from exporter.ledger.store import Store
from exporter.ledger.tables import RESOLVED, alerts, facts

if TYPE_CHECKING:
    from exporter.ledger.ledger import Ledger

# Which alerts the last complete listing lacked, and since when: ISO times by the alerts' ids.
_ABSENT = "absent_since"
# What was under way at the last look is seen again, so that its start is.
_MARGIN = timedelta(minutes=2)
# Prometheus keeps more, but reading it would take hours.
_LONGEST_GAP = timedelta(days=7)
# How much is read again and again while an Alertmanager does not answer.
_LONGEST_WAIT = timedelta(hours=1)
# The webhook comes first if it comes at all.
_PATIENCE = timedelta(minutes=1)
_SOURCES: Mapping[str, Source] = {ABSENCE: "alertmanager", PROMETHEUS: "prometheus"}


@dataclass(slots=True)
class _Ends:
    """Which episodes have ended, and which may have."""

    ended: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


async def reconcile(ledger: Ledger, now: datetime) -> None:
    """Ask Alertmanager and Prometheus, and merge what they say. Raises StoreUnavailableError."""
    watched = ledger.platform().watched_by
    since = await _since(ledger.store, now)
    listing, history = await asyncio.gather(
        listed(ledger.session, watched.alertmanagers, now),
        remembered(
            ledger.session,
            watched.prometheus,
            max(since - _MARGIN, now - _LONGEST_GAP),
            now,
            watched.evaluation_interval,
        ),
    )
    await ledger.ingest(tuple(listing.alerts.values()), "alertmanager", now)
    await ledger.ingest(tuple(_missed(history, now)), "prometheus", now)
    tolerance = 2 * watched.evaluation_interval
    async with ledger.store.begin() as connection:
        closed = await _close(connection, listing, history, tolerance, now)
        if history.known:
            until = now if listing.answered else max(since, now - _LONGEST_WAIT)
            await _set(connection, RECONCILED, until.isoformat())
    ledger.count(closed)


def _missed(history: History, now: datetime) -> Iterable[Incoming]:
    for runs in history.runs.values():
        for run in runs:
            if run.ends_at is not None or now - run.starts_at > _PATIENCE:
                yield run.incoming()


async def _since(store: Store, now: datetime) -> datetime:
    async with store.read() as connection:
        until = await _fact(connection, RECONCILED)
    return now if until is None else datetime.fromisoformat(until)


async def _close(
    connection: AsyncConnection,
    listing: Listing,
    history: History,
    tolerance: timedelta,
    now: datetime,
) -> Counter[Source]:
    """End what has ended unheard. Answers how many, by who has told it."""
    fires = alerts.c.firing & (alerts.c.created_at < now)
    missing = [
        fingerprint
        for fingerprint in (
            await connection.execute(select(alerts.c.fingerprint).where(fires))
        ).scalars()
        if fingerprint not in listing.alerts
    ]
    absent = await _fact(connection, _ABSENT) or {}
    closed: Counter[Source] = Counter()
    ends = _Ends()
    if missing:
        await lock(connection, missing)
        rows = (await connection.execute(select(alerts).where(fires).with_for_update())).all()
        for row in rows:
            if row.fingerprint not in listing.alerts:
                _judge(row, listing, history, tolerance, absent, now, ends)
        for row in rows:
            if row.id in ends.ended:
                at, how = ends.ended[row.id]
                await _end(connection, row, at, how, now)
                closed[_SOURCES[how]] += 1
    if ends.absent != absent:
        await _set(connection, _ABSENT, ends.absent)
    return closed


def _judge(
    row: Row[Any],
    listing: Listing,
    history: History,
    tolerance: timedelta,
    absent: Mapping[str, str],
    now: datetime,
    ends: _Ends,
) -> None:
    """Whether an alert that no Alertmanager has told of has ended, and when."""
    runs = history.runs.get(row.fingerprint, ())
    last = runs[-1].ends_at if runs else None
    if runs and last is None:
        return
    if last is not None and listing.answered and last + tolerance >= row.starts_at:
        ends.ended[row.id] = last, PROMETHEUS
        return
    if not listing.complete:
        return
    if row.id in absent:
        ends.ended[row.id] = datetime.fromisoformat(absent[row.id]), ABSENCE
    else:
        ends.absent[row.id] = now.isoformat()


async def _end(
    connection: AsyncConnection, row: Row[Any], at: datetime, how: str, now: datetime
) -> None:
    after = ended(episode_of(row), at, how)
    assert after.ends_at is not None
    new = {
        "status": RESOLVED,
        "ends_at": after.ends_at,
        "firing": False,
        "resolution": after.resolution,
    }
    await connection.execute(
        update(alerts).where(alerts.c.id == row.id).values(**new, updated_at=now)
    )
    await record(
        connection,
        "end",
        Actor("alert-evaluation", "worker"),
        now,
        alert_id=row.id,
        before={"status": row.status, "firing": True},
        after=new | {"ends_at": after.ends_at.isoformat()},
    )


async def _fact(connection: AsyncConnection, name: str) -> Any:
    return await connection.scalar(select(facts.c.value).where(facts.c.name == name))


async def _set(connection: AsyncConnection, name: str, value: object) -> None:
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(
        make(facts)
        .values(name=name, value=value)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )
