"""What is delivered once counts once: Slack's requests, PagerDuty's events, and ours to it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.tables import deliveries
from exporter.ledger.upsert import insert_into

Source = Literal["slack", "pagerduty", "pagerduty-out"]

# Longer than Slack's window, than PagerDuty repeats an event, and than we would repeat ours.
_REMEMBERED = timedelta(days=7)


async def is_first(
    connection: AsyncConnection, source: Source, event_id: str, now: datetime
) -> bool:
    """Whether nothing of this id has come before; it has from now on, if the transaction lasts."""
    await connection.execute(
        delete(deliveries).where(
            deliveries.c.source == source, deliveries.c.received_at < now - _REMEMBERED
        )
    )
    written = await connection.execute(
        insert_into(connection, deliveries)
        .values(source=source, event_id=event_id, received_at=now)
        .on_conflict_do_nothing()
        .returning(deliveries.c.event_id)
    )
    return written.one_or_none() is not None


async def claim(
    connection: AsyncConnection, source: Source, event_id: str, now: datetime, until: datetime
) -> bool:
    """Whether this is ours to deliver until then; nobody else's claim may be under way.

    Whoever has claimed it calls `settle` when it is delivered, or `forget`. A process that dies
    does neither: its claim runs out, and it is delivered again.
    """
    row = {"received_at": now, "claimed_until": until}
    written = await connection.execute(
        insert_into(connection, deliveries)
        .values(source=source, event_id=event_id, **row)
        .on_conflict_do_update(
            index_elements=["source", "event_id"],
            set_=row,
            where=deliveries.c.claimed_until < now,
        )
        .returning(deliveries.c.event_id)
    )
    return written.one_or_none() is not None


async def settle(connection: AsyncConnection, source: Source, event_id: str) -> None:
    """It is delivered, or given up for good: it never comes again."""
    await connection.execute(
        update(deliveries).where(*_named(source, event_id)).values(claimed_until=None)
    )


async def known(
    connection: AsyncConnection, source: Source, event_ids: Collection[str], now: datetime
) -> set[str]:
    """Those of these ids that have come before, or are claimed by somebody now."""
    found = await connection.execute(
        select(deliveries.c.event_id).where(
            deliveries.c.source == source,
            deliveries.c.event_id.in_(event_ids),
            or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until >= now),
        )
    )
    return set(found.scalars())


async def forget(connection: AsyncConnection, source: Source, event_id: str) -> None:
    """It may come again."""
    await connection.execute(delete(deliveries).where(*_named(source, event_id)))


def _named(source: Source, event_id: str) -> tuple[ColumnElement[bool], ...]:
    return deliveries.c.source == source, deliveries.c.event_id == event_id
