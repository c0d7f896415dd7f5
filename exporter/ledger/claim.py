"""A replica's name in the store: who lives, and that no two processes live by one name.

What two wrote under one name would count for one, and each would be taken for the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.errors import SecondReplicaError
from exporter.ledger.store import Store
from exporter.ledger.tables import replicas
from exporter.ledger.upsert import insert_into
from exporter.version import VERSION

# Whoever has said nothing for so long is taken to be gone: it is three times too late.
_GONE_SECONDS = 6.0
# Once may be the last word of a process that this one takes the place of.
_SIGNS_OF_LIFE = 3

Said = tuple[datetime, datetime]


class Claim:
    """A name that this process says again and again that it has, from `started_at` on."""

    def __init__(self, store: Store, name: str, started_at: datetime) -> None:
        self._store = store
        self._name = name
        self._started_at = started_at
        # What another process of this name has said last, when we saw that, and how often.
        self._other: Said | None = None
        self._since = 0.0
        self._signs = 0

    async def renew(self) -> None:
        """Say that we live. After a restart our own last life has to be over for a while.

        Raises StoreUnavailableError; SecondReplicaError where another process lives by this name.
        """
        async with self._store.begin() as connection:
            other = None if await self._say(connection) else await self._said(connection)
        if other is None:
            self._other, self._signs = None, 0
        elif other != self._other:
            self._signs += self._other is not None
            self._other, self._since = other, monotonic()
        if self._signs >= _SIGNS_OF_LIFE:
            raise SecondReplicaError(
                f'another process that shares this store is called "{self._name}" too: set REPLICA '
                "to a name of its own for each"
            )

    async def _say(self, connection: AsyncConnection) -> bool:
        """Whether the name is ours."""
        row = {"started_at": self._started_at, "seen_at": datetime.now(UTC), "version": VERSION}
        said = await connection.execute(
            insert_into(connection, replicas)
            .values(name=self._name, **row)
            .on_conflict_do_update(index_elements=["name"], set_=row, where=self._free())
            .returning(replicas.c.name)
        )
        return said.first() is not None

    def _free(self) -> ColumnElement[bool]:
        ours = replicas.c.started_at == self._started_at
        if self._other is None or monotonic() - self._since < _GONE_SECONDS:
            return ours
        started_at, seen_at = self._other
        return or_(ours, and_(replicas.c.started_at == started_at, replicas.c.seen_at == seen_at))

    async def _said(self, connection: AsyncConnection) -> Said | None:
        columns = select(replicas.c.started_at, replicas.c.seen_at)
        row = (await connection.execute(columns.where(replicas.c.name == self._name))).first()
        return None if row is None else (row.started_at, row.seen_at)
