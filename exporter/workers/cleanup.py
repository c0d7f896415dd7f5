"""cleanup: what is old goes to the archives, and what only served a while goes away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete

from exporter.ledger.archiving import Archiving, archive
from exporter.ledger.errors import ArchiveRefusedError
from exporter.ledger.revocations import forget_expired
from exporter.ledger.store import Session
from exporter.ledger.tables import RESOLVED, alert_groups, alerts, deliveries, metrics, replicas
from exporter.workers.compaction import compact
from model.workers import Workers

METRICS = Archiving(metrics, metrics.c.timestamp)
# PagerDuty repeats a delivery for minutes, and a replica that lives is seen every few seconds.
_DELIVERIES = timedelta(days=1)
_REPLICAS = timedelta(days=1)
_GROUPS = timedelta(days=30)

log = structlog.get_logger("exporter.workers")


def ended_alerts(before: datetime) -> Archiving:
    """Episodes that have ended before a time.

    One that a person has ended may be firing still. It has to stay where ingestion finds it, and so
    has one that fired for longer than alerts are kept.
    """
    ended = (alerts.c.status == RESOLVED, ~alerts.c.firing, alerts.c.ends_at < before)
    return Archiving(alerts, alerts.c.created_at, ended)


async def clean_up(
    session: Session,
    kept: Workers,
    now: datetime,
    progress: Callable[[str, int], None] = lambda _name, _moved: None,
) -> None:
    """Add up, archive and drop what is old. `progress` is told as archives.archive does.

    Raises ArchiveRefusedError when all that could be done is done, and StoreUnavailableError.
    """
    await compact(session, now)
    alerts_before = now - kept.keep_alerts
    refused: list[str] = []
    for what, before in (
        (METRICS, now - kept.keep_metrics),
        (ended_alerts(alerts_before), alerts_before),
    ):
        try:
            rows = await archive(session, what, before, progress)
            log.info("archived", table=what.of.name, rows=rows, before=before.isoformat())
        except ArchiveRefusedError as error:
            refused.append(str(error))
    for table, seen, age in (
        (deliveries, deliveries.c.received_at, _DELIVERIES),
        (alert_groups, alert_groups.c.seen_at, _GROUPS),
        (replicas, replicas.c.seen_at, _REPLICAS),
    ):
        async with session.begin() as connection:
            await connection.execute(delete(table).where(seen < now - age))
    async with session.begin() as connection:
        await forget_expired(connection, now)
    if refused:
        raise ArchiveRefusedError("; ".join(refused))
