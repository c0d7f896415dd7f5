"""Takes what is told of alerts into the store: one transaction, all of it or nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, bindparam, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.episode import Episode, Told, merge, reconstruct
from exporter.ledger.groups import remember_groups
from exporter.ledger.incoming import Incoming
from exporter.ledger.store import Store
from exporter.ledger.tables import (
    ACTIVE,
    RESOLVED,
    alerts,
)
from model.platform import Platform

Source = Literal["webhook", "alertmanager", "prometheus"]
# What became of a message; `foreign` are those that are not the ledger's.
Change = Literal["opened", "recorded", "closed", "merged", "unchanged", "foreign"]
CHANGES: tuple[Change, ...] = ("opened", "recorded", "closed", "merged", "unchanged", "foreign")

# So many alerts are read and written by one statement; between two the event loop does other work.
_CHUNK = 50
# So many of an alert's newest episodes decide what a message means. What is told of a time before
# them is too late.
_NEWEST = 8
# Of advisory locks, of any number that nobody else uses: alerts share so many.
_LOCK = 3017_0002
_BUCKETS = 64

_DECIDING = (
    "id",
    "fingerprint",
    "severity",
    "status",
    "annotations",
    "generator_url",
    "starts_at",
    "starts",
    "waiting_since",
    "ends_at",
    "created_at",
    "updated_at",
    "response_due_at",
    "resolution",
    "firing",
    "suppressed",
    "acknowledged_at",
)
_CHANGING = (
    "status",
    "annotations",
    "generator_url",
    "starts_at",
    "starts",
    "waiting_since",
    "ends_at",
    "response_due_at",
    "resolution",
    "firing",
    "suppressed",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many messages had which effect."""

    changes: Mapping[Change, int]

    @property
    def changed(self) -> bool:
        """Whether anything is different now."""
        return any(
            self.changes.get(change) for change in ("opened", "recorded", "closed", "merged")
        )


@dataclass(slots=True)
class _Work:
    """The rows of one chunk of alerts, and what becomes of them."""

    source: Source
    now: datetime
    platform: Platform
    changes: Counter[Change]
    inserts: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)


async def ingest(
    store: Store, incoming: Sequence[Incoming], source: Source, now: datetime, platform: Platform
) -> Outcome:
    """Merge messages into the ledger. Raises StoreUnavailableError."""
    of_alert: dict[str, list[Incoming]] = {}
    for one in incoming:
        if one.ours:
            of_alert.setdefault(one.fingerprint, []).append(one)
    changes: Counter[Change] = Counter()
    changes["foreign"] = sum(not one.ours for one in incoming)
    if of_alert:
        async with store.begin() as connection:
            await lock(connection, of_alert)
            for fingerprints in _chunks(sorted(of_alert)):
                work = _Work(source, now, platform, changes)
                found = await _episodes(connection, fingerprints)
                for fingerprint in fingerprints:
                    _fold(found.get(fingerprint, []), of_alert[fingerprint], work)
                await _write(connection, work)
                await asyncio.sleep(0)
            await remember_groups(connection, incoming, now)
    return Outcome(changes)


async def lock(connection: AsyncConnection, fingerprints: Iterable[str]) -> None:
    """Keep other replicas from the same alerts until the transaction ends.

    A unique index alone would let two of them record the same end twice. SQLite has one writer.
    """
    if connection.dialect.name != "postgresql":
        return
    buckets = sorted({int(fingerprint, 16) % _BUCKETS for fingerprint in fingerprints})
    # In order, so that two transactions never wait for each other.
    await connection.execute(
        text(
            "SELECT pg_advisory_xact_lock(:lock, bucket) FROM "
            "(SELECT unnest(CAST(:buckets AS integer[])) AS bucket ORDER BY 1) AS ordered"
        ),
        {"lock": _LOCK, "buckets": buckets},
    )


def _chunks(fingerprints: Sequence[str]) -> Iterator[Sequence[str]]:
    for place in range(0, len(fingerprints), _CHUNK):
        yield fingerprints[place : place + _CHUNK]


async def _episodes(
    connection: AsyncConnection, fingerprints: Sequence[str]
) -> dict[str, list[Row[Any]]]:
    """The newest episodes of each alert, locked against whoever acknowledges them."""
    number = func.row_number().over(
        partition_by=alerts.c.fingerprint, order_by=alerts.c.starts_at.desc()
    )
    numbered = (
        select(alerts.c.id, number.label("number"))
        .where(alerts.c.fingerprint.in_(fingerprints))
        .subquery()
    )
    newest = select(numbered.c.id).where(numbered.c.number <= _NEWEST)
    query = select(*(alerts.c[name] for name in _DECIDING)).where(alerts.c.id.in_(newest))
    found: dict[str, list[Row[Any]]] = {}
    for row in (await connection.execute(query.with_for_update())).all():
        found.setdefault(row.fingerprint, []).append(row)
    return found


def _fold(rows: Sequence[Row[Any]], messages: Sequence[Incoming], work: _Work) -> None:
    """Let each message about one alert change its episodes, and note which rows to write."""
    before = tuple(episode_of(row) for row in rows)
    episodes = before
    latest: Incoming | None = None
    for message in messages:
        after = _told(episodes, message, work)
        work.changes[_change(episodes, after)] += 1
        episodes = after
        if message.ends_at is None:
            latest = message
    known = {row.id: row for row in rows}
    for episode in episodes:
        row = known.get(episode.id)
        if row is None:
            message = latest or messages[-1]
            work.inserts.append(_new_row(episode, message, work) | _inherited(episode, rows))
        elif changed := _changed_row(row, episode, latest, work):
            work.updates.append(changed)


def _told(episodes: tuple[Episode, ...], message: Incoming, work: _Work) -> tuple[Episode, ...]:
    told = Told(
        message.starts_at, message.ends_at, work.now, message.seen_at, message.begins_again_at
    )
    if len(episodes) >= _NEWEST and told.starts_at < min(one.starts_at for one in episodes):
        return episodes
    if work.source == "prometheus":
        # Less than what is between the end of a run and the start of the next.
        tolerance = work.platform.watched_by.evaluation_interval
        return reconstruct(episodes, told, tolerance, _new_id)
    return merge(episodes, told, _new_id)


def _new_id() -> str:
    return str(uuid.uuid4())


def _change(before: Sequence[Episode], after: Sequence[Episode]) -> Change:
    known = {one.id: one for one in before}
    new = [one for one in after if one.id not in known]
    if new:
        return "opened" if any(one.ends_at is None for one in new) else "recorded"
    changed = [(known[one.id], one) for one in after if known[one.id] != one]
    if any(old.firing and not one.firing for old, one in changed):
        return "closed"
    return "merged" if changed else "unchanged"


def episode_of(row: Row[Any]) -> Episode:
    """What of a row decides what a message means."""
    told = tuple(datetime.fromisoformat(start) for start in row.starts or ())
    return Episode(
        id=row.id,
        starts=told or (row.starts_at,),
        heard_at=row.acknowledged_at or row.created_at,
        ends_at=row.ends_at,
        firing=row.firing,
        resolution=row.resolution,
        changed_at=row.updated_at,
    )


def _columns(episode: Episode) -> dict[str, Any]:
    several = len(episode.starts) > 1
    return {
        "starts_at": episode.starts_at,
        "starts": [start.isoformat() for start in episode.starts] if several else None,
        "ends_at": episode.ends_at,
        "firing": episode.firing,
        "resolution": episode.resolution,
    }


def _new_row(episode: Episode, message: Incoming, work: _Work) -> dict[str, Any]:
    return {
        **_columns(episode),
        "id": episode.id,
        "fingerprint": message.fingerprint,
        "name": message.name,
        "severity": message.severity,
        "service": message.service,
        "status": ACTIVE if episode.ends_at is None else RESOLVED,
        "labels": dict(message.labels),
        "annotations": dict(message.annotations),
        "generator_url": message.generator_url,
        "waiting_since": None,
        "created_at": work.now,
        "updated_at": work.now,
        "response_due_at": _due(message.severity, episode.starts_at, work.platform),
        "source": work.source,
        "suppressed": bool(message.suppressed) and episode.ends_at is None,
    }


def _inherited(episode: Episode, rows: Iterable[Row[Any]]) -> dict[str, Any]:
    """What an episode that was part of another has from it: what tells of the parting may not."""
    for row in rows:
        if episode.starts_at in episode_of(row).starts:
            return {"annotations": row.annotations, "generator_url": row.generator_url}
    return {}


def _changed_row(
    row: Row[Any], episode: Episode, latest: Incoming | None, work: _Work
) -> dict[str, Any] | None:
    """The row's new columns, None if nothing is different."""
    new = {name: getattr(row, name) for name in _CHANGING} | _columns(episode)
    if episode.ends_at is not None:
        new["status"] = RESOLVED
    elif latest is not None and work.source != "prometheus":
        new["annotations"] = dict(latest.annotations)
        new["generator_url"] = latest.generator_url
        if latest.suppressed is not None:
            new["suppressed"] = latest.suppressed
        if row.suppressed and latest.suppressed is False:
            new["waiting_since"] = work.now
    since = new["waiting_since"] or new["starts_at"]
    if since != (row.waiting_since or row.starts_at):
        new["response_due_at"] = _due(row.severity, since, work.platform)
    if all(new[name] == getattr(row, name) for name in _CHANGING):
        return None
    return {**new, "row_id": row.id, "updated_at": work.now}


def _due(severity: str, since: datetime, platform: Platform) -> datetime | None:
    """When somebody has to have responded; None where nobody has to."""
    times: dict[str, timedelta | None] = {
        one.name: one.response_time for one in platform.severities
    }
    wait = times.get(severity)
    return None if wait is None else since + wait


async def _write(connection: AsyncConnection, work: _Work) -> None:
    # First what ends: an alert has one open episode at most.
    if work.updates:
        await connection.execute(
            update(alerts).where(alerts.c.id == bindparam("row_id")), work.updates
        )
    if work.inserts:
        await connection.execute(insert(alerts), work.inserts)
