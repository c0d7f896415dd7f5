"""How large the ledger's store is, how fast it grows, and what it will be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import aiohttp
from sqlalchemy import Column, Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.tables import alert_audit, alert_notes, alerts, metrics
from exporter.operations.prometheus import value_at
from exporter.settings import Settings
from model import names
from model.platform import Platform

_DAY = timedelta(days=1)
# Growth is that of a week; of the last day, rows are not added up yet.
_WEEK = timedelta(days=7)
_LEAST = timedelta(days=1)
# What grows with time, and the time of a row. Nothing is ever deleted: archives stay.
_GROWING: Mapping[Table, Column[datetime]] = MappingProxyType(
    {
        metrics: metrics.c.timestamp,
        alerts: alerts.c.created_at,
        alert_notes: alert_notes.c.created_at,
        alert_audit: alert_audit.c.at,
    }
)
_SIZE_POSTGRES = text("SELECT current_database(), pg_database_size(current_database())")
_ROWS_POSTGRES = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
_TABLE_POSTGRES = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes of a store, and how many come in a day; None where too little is known.

    `source` is who knows it.
    """

    bytes: int
    per_day: float | None
    source: str

    def after(self, days: int) -> float | None:
        """What it will be then, if it goes on so."""
        return None if self.per_day is None else self.bytes + days * self.per_day


async def growth_of(
    connection: AsyncConnection,
    session: aiohttp.ClientSession,
    settings: Settings,
    platform: Platform,
    now: datetime,
) -> Growth:
    """By Prometheus' history of the last week, else by the rows that the ledger itself has."""
    if connection.dialect.name != "postgresql":
        size = _file_bytes(settings.ledger_file)
        return Growth(size, await _by_rows(connection, now, size), "its own rows")
    database, size = (await connection.execute(_SIZE_POSTGRES)).one()
    told = await _by_prometheus(session, platform, str(database))
    if told is not None:
        return Growth(size, told, "Prometheus")
    return Growth(size, await _by_rows(connection, now, None), "its own rows")


def _file_bytes(file: Path) -> int:
    parts = (file, file.with_name(f"{file.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


# --- Prometheus ---------------------------------------------------------------------------------


async def _by_prometheus(
    session: aiohttp.ClientSession, platform: Platform, database: str
) -> float | None:
    """Bytes a day, from the first that has watched this database for a day."""
    target = next((one for one in platform.postgres if one.variable == "DATABASE_URL"), None)
    if target is None:
        return None
    series = (
        f"{names.PG_DATABASE_SIZE.name}"
        f"{{target={json.dumps(target.name)},datname={json.dumps(database)}}}"
    )
    window = f"{_WEEK.days}d"
    for address in platform.watched_by.prometheus:
        watched = f"time() - min(min_over_time(timestamp({series})[{window}:10m]))"
        span = await value_at(session, address, watched)
        if span is not None and span >= _LEAST.total_seconds():
            return await value_at(session, address, f"86400 * max(deriv({series}[{window}]))")
    return None


# --- its own rows -------------------------------------------------------------------------------


async def _by_rows(connection: AsyncConnection, now: datetime, whole: int | None) -> float | None:
    """Bytes a day: the rows of a week by what a row takes.

    `whole` is the size of all tables together, where that of each is not known.
    """
    end = now - _DAY
    begin = end - _WEEK
    oldest = await _oldest(connection, now)
    span = end - max(begin, oldest)
    if span < _LEAST:
        return None
    counts = {table: await _rows(connection, table) for table in _GROWING}
    per_day = 0.0
    for table, at in _GROWING.items():
        if not counts[table]:
            continue
        share = counts[table] / sum(counts.values())
        size = await _bytes_of(connection, table) if whole is None else whole * share
        lately = select(func.count()).where(at >= begin, at < end)
        new: int = (await connection.execute(lately)).scalar_one()
        per_day += size / counts[table] * new / (span / _DAY)
    return per_day


async def _oldest(connection: AsyncConnection, now: datetime) -> datetime:
    """The time of the first row that there is."""
    found = [await connection.scalar(select(func.min(at))) for at in _GROWING.values()]
    return min((at for at in found if at is not None), default=now)


async def _rows(connection: AsyncConnection, table: Table) -> int:
    """How many rows it has: where Postgres has an estimate, that, which takes no time."""
    if connection.dialect.name == "postgresql":
        estimated = await connection.scalar(_ROWS_POSTGRES, {"name": table.name})
        if estimated is not None and estimated > 0:
            return int(estimated)
    return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def _bytes_of(connection: AsyncConnection, table: Table) -> float:
    return float(await connection.scalar(_TABLE_POSTGRES, {"name": table.name}) or 0)
