"""A day of each target in half hours: how its probes went, from what all replicas have counted."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, cast, extract, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.store import Store
from exporter.ledger.tables import UtcDateTime, metrics

SLOT = timedelta(minutes=30)
SLOTS = 48
_SECONDS_A_DAY = 86400


class Went(StrEnum):
    """How the probes of half an hour went."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    # Some failed, and fewer than half.
    PARTLY = "partly"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Run:
    """Half hours that went alike: the first one's number, and how many there are."""

    start: int
    length: int
    went: Went


@dataclass(frozen=True, slots=True)
class Strip:
    """A target's day, the oldest half hour first.

    `begin` is when it begins; `availability` is the share of probes that succeeded, None of none.
    """

    begin: datetime
    runs: tuple[Run, ...]
    availability: float | None


class Strips:
    """The strips of targets, each asked of the store at most once in `fresh` seconds."""

    def __init__(self, store: Store, fresh: float = 60.0) -> None:
        self._store = store
        self._fresh = timedelta(seconds=fresh)
        self._asking = asyncio.Lock()
        self._known: dict[str, tuple[datetime, Strip]] = {}

    async def of(self, targets: Collection[str], now: datetime) -> Mapping[str, Strip]:
        """The strip of each target. Raises StoreUnavailableError."""
        async with self._asking:
            old = [name for name in targets if not self._is_fresh(name, now)]
            if old:
                found = await strips(self._store, old, now)
                self._known |= {name: (now, strip) for name, strip in found.items()}
            return {name: self._known[name][1] for name in targets}

    def _is_fresh(self, name: str, now: datetime) -> bool:
        known = self._known.get(name)
        return known is not None and timedelta(0) <= now - known[0] < self._fresh


async def strips(store: Store, targets: Collection[str], now: datetime) -> dict[str, Strip]:
    """The strips of these targets. Raises StoreUnavailableError."""
    begin = _slot(now) - (SLOTS - 1) * SLOT
    async with store.read() as connection:
        told = await _told(connection, targets, begin)
    made: dict[str, Strip] = {}
    for name in targets:
        made[name] = _strip(begin, told.get(name, ""))
        await asyncio.sleep(0)  # whatever else is due comes first
    return made


def _slot(at: datetime) -> datetime:
    """The start of the half hour that a time is in."""
    length = SLOT.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // length * length, at.tzinfo)


async def _told(
    connection: AsyncConnection, targets: Collection[str], begin: datetime
) -> dict[str, str]:
    """One text a target, made by the store: a row a half hour would hold the event loop."""
    c = metrics.c
    since = literal(begin, UtcDateTime)
    seconds: ColumnElement[Any]
    if connection.dialect.name == "postgresql":
        seconds = extract("epoch", c.timestamp - since)
    else:
        # To the millisecond, which is what Julian days are good for.
        seconds = func.round(
            (func.julianday(c.timestamp) - func.julianday(since)) * _SECONDS_A_DAY, 3
        )
    slot = cast(_whole(connection, seconds / SLOT.total_seconds()), Integer)
    counts = (
        select(
            c.target,
            slot.label("slot"),
            *(func.sum(c[name]).label(name) for name in ("probes", "successes", "degraded")),
        )
        .where(c.target.in_(targets), c.timestamp >= begin)
        .group_by(c.target, slot)
        .subquery()
    )
    numbers = [cast(counts.c[name], String) for name in ("slot", "probes", "successes", "degraded")]
    text = numbers[0] + ":" + numbers[1] + ":" + numbers[2] + ":" + numbers[3]
    found = await connection.execute(
        select(counts.c.target, func.aggregate_strings(text, " ")).group_by(counts.c.target)
    )
    return {row[0]: row[1] for row in found}


def _whole(connection: AsyncConnection, number: ColumnElement[Any]) -> ColumnElement[Any]:
    """Rounded down. Postgres casts to the nearest whole number, SQLite cuts, and has no floor()."""
    return func.floor(number) if connection.dialect.name == "postgresql" else number


def _strip(begin: datetime, told: str) -> Strip:
    went = [Went.UNKNOWN] * SLOTS
    probes = successes = 0
    for part in told.split():
        slot, *counts = map(int, part.split(":"))
        if 0 <= slot < SLOTS:
            went[slot] = _went(*counts)
            probes += counts[0]
            successes += counts[1]
    return Strip(begin, tuple(_runs(went)), successes / probes if probes else None)


def _went(probes: int, successes: int, degraded: int) -> Went:
    if not probes:
        return Went.UNKNOWN
    if 2 * successes < probes:
        return Went.DOWN
    if successes < probes:
        return Went.PARTLY
    return Went.DEGRADED if degraded else Went.UP


def _runs(went: list[Went]) -> list[Run]:
    runs: list[Run] = []
    for how, slots in groupby(went):
        start = runs[-1].start + runs[-1].length if runs else 0
        runs.append(Run(start, len(list(slots)), how))
    return runs
