"""The audit trail: who did what to which alert, written in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.actor import Actor
from exporter.ledger.tables import alert_audit


async def record(
    connection: AsyncConnection,
    action: str,
    actor: Actor,
    at: datetime,
    *,
    alert_id: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add a line. `before` and `after` hold what changed: JSON, times as ISO 8601 text."""
    await connection.execute(
        insert(alert_audit).values(
            at=at,
            alert_id=alert_id,
            action=action,
            actor=actor.name,
            actor_for=actor.on_behalf_of,
            channel=actor.via,
            address=actor.address,
            request_id=actor.request_id,
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
        )
    )
