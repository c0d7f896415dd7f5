"""Episodes for tests, as ingestion would have stored them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Table, insert, select

from exporter.ledger.store import Store
from exporter.ledger.tables import ACTIVE, RESOLVED, alert_audit, alert_notes, alerts

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def fingerprint(number: int) -> str:
    """A fingerprint as Alertmanager writes it."""
    return f"{number:016x}"


async def add_episode(store: Store, number: int = 1, **settings: Any) -> str:
    """An open, critical episode that began at noon; answers its id."""
    alert_id = str(uuid.uuid4())
    episode = {
        "id": alert_id,
        "fingerprint": fingerprint(number),
        "name": "ServiceDown",
        "severity": "critical",
        "service": "payment-service",
        "status": ACTIVE,
        "labels": {"alertname": "ServiceDown", "service": "payment-service"},
        "annotations": {},
        "starts_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
        "response_due_at": NOON + timedelta(minutes=5),
        "source": "webhook",
        "firing": True,
        **settings,
    }
    async with store.begin() as connection:
        await connection.execute(insert(alerts).values(episode))
    return alert_id


async def add_ended_episode(store: Store, number: int = 1, **settings: Any) -> str:
    """An episode that Alertmanager ended after a minute."""
    ended = {"status": RESOLVED, "ends_at": NOON + timedelta(minutes=1), "firing": False}
    return await add_episode(store, number, **{**ended, "resolution": "alertmanager", **settings})


async def episode(store: Store, alert_id: str) -> Row[Any]:
    """An episode as it is stored."""
    async with store.read() as connection:
        return (await connection.execute(select(alerts).where(alerts.c.id == alert_id))).one()


async def rows(store: Store, table: Table) -> list[dict[str, Any]]:
    """All rows of a table, in the order in which they were written."""
    async with store.read() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


async def trail(store: Store) -> list[tuple[str, str, str]]:
    """The audit trail: action, actor, channel."""
    return [
        (line["action"], line["actor"], line["channel"]) for line in await rows(store, alert_audit)
    ]


async def noted(store: Store) -> list[tuple[str, str]]:
    """All notes: author, text."""
    return [(note["author"], note["text"]) for note in await rows(store, alert_notes)]
