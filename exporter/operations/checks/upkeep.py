"""Is old data archived, and is what Postgres knows of the tables fresh?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.archiving import Archiving
from exporter.ledger.tables import metadata
from exporter.operations.checks.finding import Advice, Finding, advised, fine
from exporter.operations.checks.opening import examined
from exporter.operations.checks.patient import Patient
from exporter.workers.cleanup import METRICS, ended_alerts
from model.workers import Workers

# Cleanup runs once a day, and leaves for the next day what somebody is changing.
_SLACK = timedelta(days=2)
# Autovacuum begins at a fifth of a table, and analyses at a tenth: twice that is late. Small
# tables are no matter.
_LATE_DEAD, _LATE_CHANGED, _LEAST = 0.4, 0.2, 10_000
_ACTIVITY = text("""
SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead, n_mod_since_analyze AS changed
FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND relname = ANY(:tables) ORDER BY 1
""")


async def check(patient: Patient) -> list[Finding]:
    """Both."""
    return [*await archiving(patient), *await statistics(patient)]


async def archiving(patient: Patient) -> list[Finding]:
    """Is there anything that cleanup should have archived?"""
    kept = patient.loaded.platform.workers if patient.loaded is not None else Workers()
    now = datetime.fromtimestamp(patient.clock(), UTC)
    return await examined(patient, "archives", partial(_archiving, kept=kept, now=now))


async def statistics(patient: Patient) -> list[Finding]:
    """Does Postgres know its tables? SQLite need not."""
    return await examined(patient, "statistics", _statistics)


async def _archiving(connection: AsyncConnection, kept: Workers, now: datetime) -> list[Finding]:
    alerts_before = now - kept.keep_alerts - _SLACK
    return [
        await _archived(connection, METRICS, now - kept.keep_metrics - _SLACK, kept.keep_metrics),
        await _archived(connection, ended_alerts(alerts_before), alerts_before, kept.keep_alerts),
    ]


async def _archived(
    connection: AsyncConnection, what: Archiving, before: datetime, age: timedelta
) -> Finding:
    due = (*what.only, what.at < before)
    query = select(func.count(), func.min(what.at, type_=what.at.type)).where(*due)
    number, oldest = (await connection.execute(query)).one()
    name = what.of.name
    if not number:
        return fine(f"{name} has nothing that should be archived (older than {age.days} days)")
    return advised(
        Advice.ARCHIVING_DUE,
        f"{name} has {number} rows older than {age.days} days, the oldest of {oldest:%Y-%m-%d}",
        "`python -m exporter archive`; does the worker cleanup run (`/api/v1/monitoring/workers`)?",
    )


async def _statistics(connection: AsyncConnection) -> list[Finding]:
    if connection.dialect.name != "postgresql":
        return []
    rows = (await connection.execute(_ACTIVITY, {"tables": list(metadata.tables)})).all()
    found = [
        advised(
            Advice.DEAD_ROWS,
            f"{row.name} has {row.dead} dead rows beside {row.live} live ones",
            f"`VACUUM ANALYZE {row.name};`. Is autovacuum on, and does an old transaction keep it "
            "from removing them (LongTransaction)?",
        )
        for row in rows
        if row.dead >= _LEAST and row.dead > _LATE_DEAD * row.live
    ]
    found += [
        advised(
            Advice.STATISTICS_STALE,
            f"{row.changed} rows of {row.name} have changed since its statistics were made",
            f"`ANALYZE {row.name};`. Is autovacuum on?",
        )
        for row in rows
        if row.changed >= _LEAST and row.changed > _LATE_CHANGED * row.live
    ]
    return found or [fine("Postgres' statistics of the ledger's tables are fresh")]
