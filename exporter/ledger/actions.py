"""What people do to an alert: acknowledge it, note something, end it by hand, call it false.

One operation each, whatever channel it comes by. What changes, the note and the line in the audit
trail are one transaction. Whoever calls tells `Ledger.touch` afterwards.

Each raises StoreUnavailableError, AlertNotFoundError for an id that is not known, and NoteError for
a note that is too long; a blank one counts as none, except where the note is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import MetaData, Row, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger import audit, notes
from exporter.ledger.actor import Actor
from exporter.ledger.archives import archive_tables, everywhere
from exporter.ledger.ingest import lock
from exporter.ledger.store import Store
from exporter.ledger.tables import ACKNOWLEDGED, RESOLVED, alert_notes, alerts

# What the audit trail calls them.
ACKNOWLEDGE, NOTE, RESOLVE, FALSE_POSITIVE = "acknowledge", "note", "resolve", "false_positive"

# How an alert ended: by a person's hand.
BY_PERSON = "person"

# By how much the clocks of whoever says when may be apart.
_CLOCKS = timedelta(minutes=1)

# Anything else is no id of ours, and is not looked for.
_ID = re.compile(r"[0-9A-Za-z-]{1,36}")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class AlertNotFoundError(Exception):
    """There is no alert of this id."""


class AlertEndedError(Exception):
    """The alert has ended already. Nothing that people do opens it again."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who acknowledged an alert, and when: whoever was first, now or before."""

    alert_id: str
    acknowledged_at: datetime
    acknowledged_by: str
    # False: somebody had been first, and the fields above say who and when.
    first: bool
    # What was acknowledged, for people.
    fingerprint: str
    name: str
    service: str


async def acknowledge(
    store: Store, alert_id: str, actor: Actor, now: datetime, note: str | None = None
) -> Acknowledgement:
    """Say that somebody takes care of it. A second acknowledgement changes nothing, its note stays.

    Raises AlertEndedError.
    """
    text = notes.optional(note)
    async with store.begin() as connection:
        episode = await _locked(connection, alert_id)
        if episode.status == RESOLVED:
            raise AlertEndedError(_ended(episode))
        return await _acknowledge(connection, episode, _storable(actor), now, text, now)


async def acknowledge_fingerprints(
    store: Store,
    fingerprints: Collection[str],
    actor: Actor,
    now: datetime,
    note: str | None = None,
) -> list[Acknowledgement]:
    """Acknowledge the open episodes of these fingerprints; what is not open is left out."""
    async with store.begin() as connection:
        return await acknowledge_within(connection, fingerprints, actor, now, note)


async def acknowledge_within(
    connection: AsyncConnection,
    fingerprints: Collection[str],
    actor: Actor,
    now: datetime,
    note: str | None = None,
    *,
    done_at: datetime | None = None,
) -> list[Acknowledgement]:
    """As acknowledge_fingerprints, as a part of a transaction.

    `done_at` is when somebody did it, where we are told later. What began after that is left out:
    nobody had seen it.
    """
    text = notes.optional(note)
    who = _storable(actor)
    done = now if done_at is None else min(done_at, now)
    return [
        await _acknowledge(connection, episode, who, now, text, done)
        for episode in await _open_episodes(connection, fingerprints)
        if done_at is None or episode.starts_at <= done + _CLOCKS
    ]


async def add_note(store: Store, alert_id: str, actor: Actor, now: datetime, text: str) -> int:
    """Note something about an alert, open or ended; answers the note's id.

    Raises NoteError for an empty one too.
    """
    kept = notes.checked(text)
    async with store.begin() as connection:
        episode = await _locked(connection, alert_id)
        return await _add_note(connection, episode.id, _storable(actor), now, kept)


async def note_within(
    connection: AsyncConnection,
    fingerprints: Collection[str],
    actor: Actor,
    now: datetime,
    text: str,
) -> int:
    """Note something about the open episodes of these fingerprints; answers how many there are.

    If none is open, about the last one, and those that were open together with it.
    """
    kept = notes.checked(text)
    episodes = await _open_episodes(connection, fingerprints)
    if not episodes:
        episodes = await _last_episodes(connection, fingerprints)
    for episode in episodes:
        await _add_note(connection, episode.id, _storable(actor), now, kept)
    return len(episodes)


async def resolve(
    store: Store, alert_id: str, actor: Actor, now: datetime, note: str | None = None
) -> datetime:
    """End an alert by hand; answers when it has ended. Its source may say that it fires on.

    Raises AlertEndedError.
    """
    text = notes.optional(note)
    who = _storable(actor)
    async with store.begin() as connection:
        episode = await _locked(connection, alert_id)
        if episode.status == RESOLVED:
            raise AlertEndedError(_ended(episode))
        # Another machine's clock may be ahead of ours; nothing ends before it has begun.
        ends_at: datetime = max(now, episode.starts_at)
        await _change(
            connection,
            RESOLVE,
            episode,
            who,
            now,
            {
                "status": RESOLVED,
                "ends_at": ends_at,
                "resolution": BY_PERSON,
                "resolved_by": who.name,
            },
        )
        if text is not None:
            await _add_note(connection, episode.id, who, now, text)
    return ends_at


async def mark_false_positive(
    store: Store,
    alert_id: str,
    actor: Actor,
    now: datetime,
    *,
    false_positive: bool = True,
    note: str | None = None,
) -> None:
    """Say that an alert, open or ended, told what was not so; or take that back."""
    text = notes.optional(note)
    who = _storable(actor)
    async with store.begin() as connection:
        episode = await _locked(connection, alert_id)
        if episode.false_positive != false_positive:
            await _change(
                connection, FALSE_POSITIVE, episode, who, now, {"false_positive": false_positive}
            )
        if text is not None:
            await _add_note(connection, episode.id, who, now, text)


async def _locked(connection: AsyncConnection, alert_id: str) -> Row[Any]:
    """An alert, archived ones included, which nobody else changes until the transaction ends."""
    found = None
    if _ID.fullmatch(alert_id):
        found = (
            await connection.execute(
                select(alerts).where(alerts.c.id == alert_id).with_for_update()
            )
        ).one_or_none() or await _archived(connection, alert_id)
    if found is None:
        raise AlertNotFoundError(f'there is no alert "{alert_id[:36]}"')
    return found


async def _archived(connection: AsyncConnection, alert_id: str) -> Row[Any] | None:
    archived = await everywhere(connection, alerts)
    found = await connection.execute(select(archived).where(archived.c.id == alert_id))
    return found.first()


async def _open_episodes(
    connection: AsyncConnection, fingerprints: Collection[str]
) -> list[Row[Any]]:
    known = _known(fingerprints)
    # As whoever ingests, so that neither has what the other one waits for.
    await lock(connection, known)
    found = await connection.execute(
        select(alerts)
        .where(alerts.c.fingerprint.in_(known), alerts.c.status != RESOLVED)
        .order_by(alerts.c.fingerprint)
        .with_for_update()
    )
    return list(found.all())


async def _last_episodes(
    connection: AsyncConnection, fingerprints: Collection[str]
) -> list[Row[Any]]:
    of_these = alerts.c.fingerprint.in_(_known(fingerprints))
    last = (
        await connection.execute(
            select(alerts).where(of_these).order_by(alerts.c.ends_at.desc()).limit(1)
        )
    ).one_or_none()
    if last is None:
        return []
    together = select(alerts).where(of_these, alerts.c.ends_at >= last.starts_at)
    return list((await connection.execute(together.order_by(alerts.c.fingerprint))).all())


def _known(fingerprints: Collection[str]) -> list[str]:
    return sorted({one for one in fingerprints if _FINGERPRINT.fullmatch(one)})


async def _acknowledge(
    connection: AsyncConnection,
    episode: Row[Any],
    actor: Actor,
    now: datetime,
    note: str | None,
    done: datetime,
) -> Acknowledgement:
    first = episode.acknowledged_at is None
    if first:
        await _change(
            connection,
            ACKNOWLEDGE,
            episode,
            actor,
            now,
            {
                "status": ACKNOWLEDGED,
                "acknowledged_at": done,
                "acknowledged_by": actor.name,
                "acknowledged_for": actor.on_behalf_of,
                "acknowledged_via": actor.via,
            },
        )
    if note is not None:
        await _add_note(connection, episode.id, actor, now, note)
    return Acknowledgement(
        alert_id=episode.id,
        acknowledged_at=done if first else episode.acknowledged_at,
        acknowledged_by=actor.name if first else episode.acknowledged_by,
        first=first,
        fingerprint=episode.fingerprint,
        name=episode.name,
        service=episode.service,
    )


async def _add_note(
    connection: AsyncConnection, alert_id: str, actor: Actor, now: datetime, text: str
) -> int:
    written = await connection.execute(
        insert(alert_notes)
        .values(
            alert_id=alert_id,
            created_at=now,
            author=actor.name,
            author_for=actor.on_behalf_of,
            channel=actor.via,
            text=text,
        )
        .returning(alert_notes.c.id)
    )
    note_id: int = written.scalar_one()
    await audit.record(
        connection, NOTE, actor, now, alert_id=alert_id, after={"note": note_id, "text": text}
    )
    return note_id


async def _change(
    connection: AsyncConnection,
    action: str,
    episode: Row[Any],
    actor: Actor,
    now: datetime,
    after: Mapping[str, Any],
) -> None:
    """Change an alert, and write into the audit trail what it was and what it has become."""
    values = {"updated_at": now, **after}
    if not await _update(connection, alerts, episode.id, values):
        for name in await archive_tables(connection, alerts):
            archive = alerts.to_metadata(MetaData(), name=name)
            if await _update(connection, archive, episode.id, values):
                break
    before = {name: getattr(episode, name) for name in after}
    await audit.record(
        connection,
        action,
        actor,
        now,
        alert_id=episode.id,
        before=_as_json(before),
        after=_as_json(after),
    )


async def _update(
    connection: AsyncConnection, table: Table, alert_id: str, values: Mapping[str, Any]
) -> bool:
    changed = await connection.execute(update(table).where(table.c.id == alert_id).values(**values))
    return changed.rowcount > 0


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _iso(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ended(episode: Row[Any]) -> str:
    return f'the alert "{episode.id}" has ended at {_iso(episode.ends_at)}'


def _storable(actor: Actor) -> Actor:
    """Whom somebody claims to act for is as hostile as any text."""
    claimed = notes.storable(actor.on_behalf_of or "").strip()[: notes.NAME_CHARACTERS]
    return replace(actor, on_behalf_of=claimed or None)
