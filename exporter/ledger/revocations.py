"""Tokens and sessions that are refused before they expire, by all replicas.

The list is short, since what has expired is on it no more, and is read anew with all that the
ledger tells of itself: whoever asks is judged without waiting for the store. While that is away,
what was last known is what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.store import Store
from exporter.ledger.tables import revocations
from exporter.ledger.upsert import insert_into

_SESSION: Final = "session"
_PERSON: Final = "person"
# As long as a token may live, of any issuer that we trust; ours live for 366 days at most.
_TOKENS_LIVE: Final = timedelta(days=400)


class Revocations:
    """What is refused, as this replica knows it. While it is read-only it tells no other."""

    def __init__(self, store: Store, *, read_only: bool = False) -> None:
        self._store = store
        self._read_only = read_only
        # Ended here, until when they would have lasted; other replicas are still to be told.
        self._ended: dict[str, datetime] = {}
        self._sessions: frozenset[str] = frozenset()
        self._people: Mapping[str, float] = MappingProxyType({})

    def refuses(self, subject: str, issued: float, session_id: str | None) -> bool:
        """Whether a token that was issued to somebody then, in unix time, is not to be taken."""
        return (
            session_id in self._sessions
            or session_id in self._ended
            or issued <= self._people.get(subject, -1.0)
        )

    def end_session(self, session_id: str, until: datetime) -> None:
        """Refuse a session that would have lasted until then; others are told by `refresh`."""
        self._ended[session_id] = until

    async def refresh(self, now: datetime) -> None:
        """Tell what was ended here, and read what was ended elsewhere.

        Raises StoreUnavailableError; then it is told the next time.
        """
        told = dict(self._ended)
        if told and not self._read_only:
            async with self._store.begin() as connection:
                for session_id, until in told.items():
                    await _refuse(connection, _SESSION, session_id, now, until)
        query = select(revocations).where(revocations.c.until > now)
        async with self._store.read() as connection:
            rows = (await connection.execute(query)).all()
        self._sessions = frozenset(row.name for row in rows if row.kind == _SESSION)
        self._people = MappingProxyType(
            {row.name: row.at.timestamp() for row in rows if row.kind == _PERSON}
        )
        for session_id, until in told.items():
            if session_id in self._sessions or until <= now:
                del self._ended[session_id]


async def revoke_person(connection: AsyncConnection, subject: str, now: datetime) -> None:
    """Refuse all tokens and sessions that were issued to somebody until now."""
    await _refuse(connection, _PERSON, subject, now, now + _TOKENS_LIVE)


async def forget_expired(connection: AsyncConnection, now: datetime) -> None:
    """Drop what has expired by itself."""
    await connection.execute(delete(revocations).where(revocations.c.until < now))


async def _refuse(
    connection: AsyncConnection,
    kind: Literal["session", "person"],
    name: str,
    at: datetime,
    until: datetime,
) -> None:
    row = {"at": at, "until": until}
    await connection.execute(
        insert_into(connection, revocations)
        .values(kind=kind, name=name, **row)
        .on_conflict_do_update(index_elements=["kind", "name"], set_=row)
    )
