"""Makes the ledger agree with what Alertmanager has and with what Prometheus remembers.

Webhooks can be lost: whatever fired or ended while nobody listened is found here. It always looks
at all the time since it last did, so that it makes no difference why something was missed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

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
# By one transaction each, which has to end by its deadline.
_MOST_INGESTED = 1000
_MOST_ENDED = 200
# So many rows are looked at before the event loop does what else is due.
_SLICE = 200
T = TypeVar("T")
_SOURCES: Mapping[str, Source] = {ABSENCE: "alertmanager", PROMETHEUS: "prometheus"}


@dataclass(frozen=True, slots=True)
class _End:
    """An episode, as it was when it was found to have ended."""

    id: str
    fingerprint: str
    updated_at: datetime
    at: datetime
    resolution: str


@dataclass(slots=True)
class _Ends:
    """Which episodes have ended, and which may have."""

    ended: list[_End] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


async def reconcile(ledger: Ledger, now: datetime) -> Sequence[str]:
    """Ask Alertmanager and Prometheus, and merge what they say. Raises StoreUnavailableError.

    Answers who did not tell what was asked, and why; what the others say is merged all the same.
    """
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
    await _ingest(ledger, tuple(listing.alerts.values()), "alertmanager", now)
    await _ingest(ledger, tuple(_missed(history, now)), "prometheus", now)
    tolerance = 2 * watched.evaluation_interval
    ends = await _judge_all(ledger.store, listing, history, tolerance, now)
    for some in _chunks(ends.ended, _MOST_ENDED):
        async with ledger.store.begin() as connection:
            closed = await _close(connection, some, now)
        ledger.count(closed)
    async with ledger.store.begin() as connection:
        await _set(connection, _ABSENT, ends.absent)
        if history.known:
            until = now if listing.answered else max(since, now - _LONGEST_WAIT)
            await _set(connection, RECONCILED, until.isoformat())
    return (*listing.silent, *history.silent)


async def _ingest(
    ledger: Ledger, incoming: Sequence[Incoming], source: Source, now: datetime
) -> None:
    for some in _chunks(incoming, _MOST_INGESTED):
        await ledger.ingest(some, source, now)


def _chunks(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for place in range(0, len(items), most):
        yield items[place : place + most]


def _missed(history: History, now: datetime) -> Iterable[Incoming]:
    for runs in history.runs.values():
        for run, following in zip_longest(runs, runs[1:]):
            if run.ends_at is not None or now - run.starts_at > _PATIENCE:
                yield run.incoming(following)


async def _since(store: Store, now: datetime) -> datetime:
    async with store.read() as connection:
        until = await _fact(connection, RECONCILED)
    return now if until is None else datetime.fromisoformat(until)


async def _judge_all(
    store: Store, listing: Listing, history: History, tolerance: timedelta, now: datetime
) -> _Ends:
    fires = select(*(alerts.c[name] for name in ("id", "fingerprint", "starts_at", "updated_at")))
    ends = _Ends()
    async with store.read() as connection:
        absent = await _fact(connection, _ABSENT) or {}
        rows = await connection.execute(fires.where(alerts.c.firing, alerts.c.created_at < now))
        for some in rows.partitions(_SLICE):
            for row in some:
                if row.fingerprint not in listing.alerts:
                    _judge(row, listing, history, tolerance, absent, now, ends)
            await asyncio.sleep(0)
    return ends


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
        ends.ended.append(_End(row.id, row.fingerprint, row.updated_at, last, PROMETHEUS))
        return
    if not listing.complete:
        return
    if row.id in absent:
        at = datetime.fromisoformat(absent[row.id])
        ends.ended.append(_End(row.id, row.fingerprint, row.updated_at, at, ABSENCE))
    else:
        ends.absent[row.id] = now.isoformat()


async def _close(
    connection: AsyncConnection, ends: Sequence[_End], now: datetime
) -> Counter[Source]:
    """End episodes that nothing has changed meanwhile. Answers how many, by who has told it."""
    await lock(connection, (end.fingerprint for end in ends))
    wanted = {end.id: end for end in ends}
    unchanged = select(alerts).where(alerts.c.id.in_(wanted)).with_for_update()
    closed: Counter[Source] = Counter()
    for row in (await connection.execute(unchanged)).all():
        end = wanted[row.id]
        if row.updated_at == end.updated_at:
            await _end(connection, row, end, now)
            closed[_SOURCES[end.resolution]] += 1
    return closed


async def _end(connection: AsyncConnection, row: Row[Any], end: _End, now: datetime) -> None:
    after = ended(episode_of(row), end.at, end.resolution)
    assert after.ends_at is not None
    new = {"status": RESOLVED, "firing": False, "resolution": after.resolution}
    await connection.execute(
        update(alerts)
        .where(alerts.c.id == row.id)
        .values(**new, ends_at=after.ends_at, updated_at=now)
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
