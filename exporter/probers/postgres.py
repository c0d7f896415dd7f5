"""Probes Postgres: a new connection each time, then its statistics views, each on its own.

A connection that was kept would go on working while the server refuses everybody else, so every
probe makes one, as the next client would have to. It also means that nothing can leak.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model import names
from model.targets import Postgres

Row = Sequence[Any]

_QUOTED = re.compile(r'"[^"]*"')
# A connection attempt carries no SQLSTATE in libpq, only text.
_CONNECT_FAILURES = (
    ("too many clients", Reason.TOO_MANY_CLIENTS),
    ("remaining connection slots", Reason.TOO_MANY_CLIENTS),
    ("too many connections", Reason.TOO_MANY_CLIENTS),
    ("authentication failed", Reason.AUTH),
    ("no password supplied", Reason.AUTH),
    ("pg_hba.conf", Reason.AUTH),
    ("permission denied", Reason.AUTH),
    ("is not permitted to log in", Reason.AUTH),
    ("failed to resolve host", Reason.DNS),
    ("refused", Reason.CONNECT_REFUSED),
    ("ssl", Reason.TLS),
    ("certificate", Reason.TLS),
    ("timeout", Reason.CONNECT_TIMEOUT),
    ("timed out", Reason.CONNECT_TIMEOUT),
    ("connection reset", Reason.RESET),
    ("closed the connection unexpectedly", Reason.RESET),
)


@dataclass(frozen=True, slots=True)
class Collector:
    """One query and the samples that its rows become."""

    name: str
    query: LiteralString
    samples: Callable[[Sequence[Row]], list[Sample]]


COLLECTORS: tuple[Collector, ...] = (
    Collector(
        "stat_activity",
        # Without pg_monitor all but the database of others' sessions is hidden from us.
        "SELECT coalesce(datname, ''),"
        " coalesce(state, CASE WHEN backend_type IS NULL THEN 'hidden' ELSE 'disabled' END),"
        " count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datname IS NOT NULL)"
        " GROUP BY 1, 2",
        lambda rows: [
            Sample(names.PG_STAT_ACTIVITY_COUNT, (row[0], row[1]), row[2]) for row in rows
        ],
    ),
    Collector(
        "settings",
        "SELECT current_setting('max_connections')::float8",
        lambda rows: [Sample(names.PG_SETTINGS_MAX_CONNECTIONS, (), row[0]) for row in rows],
    ),
    Collector(
        "postmaster",
        "SELECT extract(epoch FROM pg_postmaster_start_time())::float8",
        lambda rows: [Sample(names.PG_POSTMASTER_START_TIME, (), row[0]) for row in rows],
    ),
    Collector(
        "database",
        "SELECT datname, pg_database_size(oid)::float8 FROM pg_database"
        " WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')",
        # A database that is dropped meanwhile has no size.
        lambda rows: [
            Sample(names.PG_DATABASE_SIZE, (row[0],), row[1]) for row in rows if row[1] is not None
        ],
    ),
)


class PostgresProber:
    """Probes one Postgres. Keeps nothing between probes but the histogram of round trips."""

    def __init__(self, target: Postgres, url: str) -> None:
        self._target = target
        self._url = url
        self._round_trips = [0] * (len(names.PG_ROUND_TRIP.buckets) + 1)
        self._round_trip_sum = 0.0

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect, time a trivial query, run the collectors; `timeout` is in seconds."""
        started = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + timeout
        samples: list[Sample] = []
        reason = None
        try:
            detail = await self._collect(deadline, timeout, samples)
        except ProbeFailure as failure:
            # The failure itself would hold this frame, the connection, and so its socket.
            reason, detail = failure.reason, failure.detail
        samples.append(Sample(names.PG_UP, (), float(reason is None)))
        samples.append(Sample(names.PG_LAST_SCRAPE_ERROR, (), float(bool(detail))))
        samples.append(self._round_trip_sample())
        return ProbeResult(
            health=Health.HEALTHY if reason is None else Health.UNHEALTHY,
            duration=time.perf_counter() - started,
            ended_at=time.time(),
            reason=reason,
            detail=detail,
            samples=tuple(samples),
        )

    async def close(self) -> None:
        """Nothing is kept between probes."""

    async def _collect(self, deadline: float, timeout: float, samples: list[Sample]) -> str:
        """Fill in the samples, and say which collectors have failed; empty if none has."""
        connection = await self._connect(deadline, timeout)
        try:
            await self._time_round_trip(connection, deadline)
            complaints = [await _run(each, connection, deadline, samples) for each in COLLECTORS]
        finally:
            await connection.close()
        return clean("; ".join(filter(None, complaints)))

    async def _connect(self, deadline: float, timeout: float) -> AsyncConnection[Any]:
        try:
            async with asyncio.timeout_at(deadline):
                return await AsyncConnection.connect(
                    self._url,
                    autocommit=True,
                    application_name="monitoring-service",
                    # Of a database in SQL_ASCII psycopg would give us bytes.
                    client_encoding="UTF8",
                    # libpq would wait for each address of the host in turn.
                    connect_timeout=max(2, int(timeout)),
                )
        except TimeoutError:
            raise ProbeFailure(
                Reason.CONNECT_TIMEOUT, f"no connection in {timeout:g} s: it accepts, but is silent"
            ) from None
        except psycopg.Error as error:
            raise _connect_failure(error) from None

    async def _time_round_trip(self, connection: AsyncConnection[Any], deadline: float) -> None:
        started = time.perf_counter()
        try:
            await _query(connection, "SELECT 1", deadline)
        except ProbeFailure as failure:
            if failure.reason is Reason.TIMEOUT:
                self._count_round_trip(time.perf_counter() - started, answered=False)
            raise
        self._count_round_trip(time.perf_counter() - started, answered=True)

    def _count_round_trip(self, seconds: float, *, answered: bool) -> None:
        bounds = names.PG_ROUND_TRIP.buckets
        self._round_trips[bisect_left(bounds, seconds) if answered else len(bounds)] += 1
        self._round_trip_sum += seconds

    def _round_trip_sample(self) -> Sample:
        return Sample(
            names.PG_ROUND_TRIP, buckets=tuple(self._round_trips), sum=self._round_trip_sum
        )


async def _run(
    collector: Collector,
    connection: AsyncConnection[Any],
    deadline: float,
    samples: list[Sample],
) -> str:
    """Add a collector's samples, and say why it failed; empty if it has not.

    Postgres has answered already: a statistics view that is slow or forbidden does not make it
    down, a connection that breaks does.
    """
    started = time.perf_counter()
    complaint = ""
    try:
        rows = await _query(connection, collector.query, deadline)
        samples.extend(collector.samples(rows))
    except ProbeFailure as failure:
        if failure.reason is Reason.RESET:
            raise
        complaint = f"{collector.name}: {failure.detail}"
    duration = time.perf_counter() - started
    samples.append(Sample(names.PG_COLLECTOR_SUCCESS, (collector.name,), float(not complaint)))
    samples.append(Sample(names.PG_COLLECTOR_DURATION, (collector.name,), duration))
    return complaint


async def _query(
    connection: AsyncConnection[Any], query: LiteralString, deadline: float
) -> Sequence[Row]:
    """Run a query; at the deadline, or when cancelled, cut the connection.

    psycopg answers a cancellation by asking the server to cancel and waiting for it to comply,
    which a hung server never does.
    """
    loop = asyncio.get_running_loop()
    if loop.time() >= deadline:
        raise ProbeFailure(Reason.TIMEOUT, "no time was left for this query")
    task = loop.create_task(_fetch(connection, query))
    try:
        done, _ = await asyncio.wait([task], timeout=deadline - loop.time())
    except asyncio.CancelledError:
        await _cut_off(task, connection)
        raise
    if not done:
        await _cut_off(task, connection)
        raise ProbeFailure(Reason.TIMEOUT, "a query has not come back in time")
    try:
        return task.result()
    except (psycopg.Error, UnicodeDecodeError) as error:
        if connection.broken or connection.closed:
            raise ProbeFailure(Reason.RESET, f"the connection broke: {_text(error)}") from None
        raise ProbeFailure(Reason.QUERY, _text(error)) from None


async def _cut_off(task: asyncio.Task[Sequence[Row]], connection: AsyncConnection[Any]) -> None:
    """End a query by cutting its connection; what it then complains of is our doing."""
    _sever(connection)
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


async def _fetch(connection: AsyncConnection[Any], query: LiteralString) -> Sequence[Row]:
    cursor = await connection.execute(query)
    return await cursor.fetchall()


def _sever(connection: AsyncConnection[Any]) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        except OSError:  # the server was faster: it is cut already
            return


def _connect_failure(error: psycopg.Error) -> ProbeFailure:
    if isinstance(error, psycopg.ProgrammingError):
        # libpq would repeat the part of the URL that it cannot read, which may be the password.
        return ProbeFailure(Reason.CONNECT, "the URL cannot be read: encode what is special in it")
    text = _text(error)
    # Names of databases and users stand in quotes, and may be any of the words.
    words = _QUOTED.sub("", text).lower()
    for part, reason in _CONNECT_FAILURES:
        if part in words:
            return ProbeFailure(reason, text)
    return ProbeFailure(Reason.CONNECT, text)


def _text(error: Exception) -> str:
    return clean(str(error))
