"""When each channel was last tested: in the audit trail, where it stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger import audit
from exporter.ledger.store import Store
from exporter.ledger.tables import alert_audit
from exporter.operations.beside import operator

ACTION = "notification_test"
# Longer ago it does not matter when it was.
_LONGEST = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Tested:
    """A test of a channel. `direct` is None where that half was not tried."""

    at: datetime
    through: bool
    direct: bool | None

    @property
    def works(self) -> bool:
        """Whether no half is broken."""
        return self.through and self.direct is not False


async def note(
    store: Store, kind: str, now: datetime, *, through: bool, direct: bool | None
) -> None:
    """Keep what became of a test. Raises StoreUnavailableError."""
    told = {"channel": kind, "through_alertmanager": through, "directly": direct}
    async with store.begin() as connection:
        await audit.record(connection, ACTION, operator(None), now, after=told)


async def last(connection: AsyncConnection, now: datetime) -> dict[str, Tested]:
    """The last test of each kind of channel within 90 days."""
    c = alert_audit.c
    query = select(c.at, c.after).where(c.at >= now - _LONGEST, c.action == ACTION).order_by(c.id)
    found = {}
    for row in await connection.execute(query):
        said = row.after if isinstance(row.after, dict) else {}
        through, direct = said.get("through_alertmanager"), said.get("directly")
        found[str(said.get("channel"))] = Tested(row.at, bool(through), direct)
    return found
