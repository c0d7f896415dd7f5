"""Runs the collectors: all in one query as long as that works, each by itself when it does not.

One query that returns every collector's rows as JSON costs a fraction of one query each. A single
view that is forbidden, locked or slow would fail it, so then its collectors are asked one by one,
each with its share of the time that is left, and those that fail are kept apart for a while.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import AsyncConnection

from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.postgres.collectors import Collector
from exporter.probers.postgres.session import query
from exporter.probers.result import Reason, Sample
from model import names

# How many seconds a collector that has failed is asked by itself.
APART = 60.0
# The share of the time left that the joint query may take, so that there is some to do without.
_JOINT_SHARE = 0.5
# A server that is alive ends a query itself; later than this many seconds after, it is cut off.
_GRACE = 0.2
_LEAST_TIMEOUT = 0.01


class Collection:
    """The collectors of one server, and which of them have lately failed."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors
        self._apart: dict[str, float] = {}
        # Which collectors failed in the last run, and why; empty if none did.
        self.complaints = ""

    async def run(
        self, connection: AsyncConnection[Any], deadline: float, samples: list[Sample]
    ) -> None:
        """Add the samples of all collectors.

        Raises ProbeFailure if the connection breaks or hangs.
        """
        clock = asyncio.get_running_loop().time
        now = clock()
        joint = [each for each in self._collectors if self._apart.get(each.name, now) <= now]
        alone = [each for each in self._collectors if each not in joint]
        try:
            limit = now + (deadline - now) * _JOINT_SHARE
            await _ask(joint, connection, limit, samples)
        except ProbeFailure as failure:
            _raise_if_lost(failure, connection)
            alone = list(self._collectors)
        complaints = []
        for position, collector in enumerate(alone):
            now = clock()
            limit = now + (deadline - now) / (len(alone) - position)
            if complaint := await self._run_alone(collector, connection, limit, samples):
                complaints.append(complaint)
        self.complaints = clean("; ".join(complaints))

    async def _run_alone(
        self,
        collector: Collector,
        connection: AsyncConnection[Any],
        limit: float,
        samples: list[Sample],
    ) -> str:
        """Add a collector's samples, and say why it failed; empty if it has not."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            await _ask([collector], connection, limit, samples)
        except ProbeFailure as failure:
            _raise_if_lost(failure, connection)
            self._apart[collector.name] = clock() + APART
            samples.extend(_outcome(collector, 0.0, clock() - started))
            return f"{collector.name}: {failure.detail}"
        return ""


def _raise_if_lost(failure: ProbeFailure, connection: AsyncConnection[Any]) -> None:
    """Postgres has answered already: a view that is slow or forbidden does not make it down.

    A connection that breaks does, and so does one that had to be cut off: the server did not end
    the query when it should have.
    """
    if failure.reason is Reason.RESET or connection.closed:
        raise failure


async def _ask(
    collectors: Sequence[Collector],
    connection: AsyncConnection[Any],
    limit: float,
    samples: list[Sample],
) -> None:
    """Add the samples of these collectors, of all of them or of none. Raises ProbeFailure."""
    if not collectors:
        return
    loop = asyncio.get_running_loop()
    left = limit - loop.time()
    if left < _LEAST_TIMEOUT:
        raise ProbeFailure(Reason.TIMEOUT, "no time was left for this query")
    major = connection.info.server_version // 10000
    # SET LOCAL ends with the implicit transaction of the two: behind a connection pooler it must
    # not reach others.
    text = f"SET LOCAL statement_timeout = {int(left * 1000)};\n{_joint_query(collectors, major)}"
    cursor = await query(connection, text, limit + _GRACE)
    cursor.nextset()
    assert cursor.pgresult is not None
    value = cursor.pgresult.get_value(0, 0)
    assert value is not None
    # A database in SQL_ASCII has bytes of any encoding in its names.
    samples.extend(_samples(collectors, json.loads(value.decode("utf-8", "replace"))))


def _joint_query(collectors: Sequence[Collector], major: int) -> str:
    """One row, one JSON array: a time, and for each collector its rows and the time after it."""
    parts = [
        f"(SELECT coalesce(json_agg(q), '[]') FROM ({each.query(major)}\n) AS q), {_NOW}"
        for each in collectors
    ]
    return f"SELECT json_build_array({_NOW}, {', '.join(parts)})"


# Arguments are evaluated in order, and a subquery without outer references when first needed.
_NOW = "extract(epoch FROM clock_timestamp())"


def _samples(collectors: Sequence[Collector], values: Sequence[Any]) -> Iterable[Sample]:
    for position, collector in enumerate(collectors):
        before, rows, after = values[2 * position : 2 * position + 3]
        yield from collector.samples(rows)
        if collector.limit is not None:
            yield Sample(names.PG_ROWS_OMITTED, (collector.name,), collector.omitted(rows))
        yield from _outcome(collector, 1.0, max(0.0, after - before))


def _outcome(collector: Collector, success: float, duration: float) -> tuple[Sample, Sample]:
    label = (collector.name,)
    return (
        Sample(names.PG_COLLECTOR_SUCCESS, label, success),
        Sample(names.PG_COLLECTOR_DURATION, label, duration),
    )
