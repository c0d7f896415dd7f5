"""Reads business metrics by SQL: a connection, a read-only transaction and a query each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from exporter.probers.failure import ProbeFailure
from exporter.probers.postgres.session import connect, query
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model import names
from model.sql import SqlMetrics

# The server ends the query itself, this many seconds before we would cut the connection.
_GRACE = 0.2


class SqlProber:
    """Asks one query. Keeps nothing but the time of its last success."""

    def __init__(self, target: SqlMetrics, url: str) -> None:
        self._target = target
        self._url = url
        self._last_success = 0.0

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect and ask once; `timeout` is in seconds. All of its samples, or none."""
        started = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + timeout
        samples: list[Sample] = []
        reason, detail = None, ""
        try:
            samples.extend(await self._ask(deadline, timeout))
            self._last_success = time.time()
        except ProbeFailure as failure:
            # The failure itself would hold this frame, the connection, and so its socket.
            reason, detail = failure.reason, failure.detail
        samples.append(Sample(names.SQL_LAST_SUCCESS, (), self._last_success))
        return ProbeResult(
            health=Health.HEALTHY if reason is None else Health.UNHEALTHY,
            duration=time.perf_counter() - started,
            ended_at=time.time(),
            reason=reason,
            detail=detail,
            samples=tuple(samples),
        )

    async def close(self) -> None:
        """Nothing is kept but a time."""

    async def _ask(self, deadline: float, timeout: float) -> list[Sample]:
        connection = await connect(self._url, deadline, timeout)
        try:
            left = deadline - asyncio.get_running_loop().time()
            limit = max(1, int((left - min(_GRACE, left / 4)) * 1000))
            begin = f"BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}"
            await query(connection, begin, deadline)
            cursor = await query(connection, limited(self._target), deadline)
            # Bounded by the query: no more rows than the limit and one.
            rows = await cursor.fetchall()
            columns = [column.name for column in cursor.description or ()]
        finally:
            # It ends the transaction, which has nothing to keep.
            await connection.close()
        return read(self._target, columns, rows)


def limited(target: SqlMetrics) -> str:
    """The query as a subquery: one statement, that returns no more than a row over its limit."""
    own = target.query.strip().rstrip(";").rstrip()
    return f"SELECT * FROM (\n{own}\n) AS query LIMIT {target.row_limit + 1}"  # noqa: S608 - it is the config's


def read(target: SqlMetrics, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Sample]:
    """The samples of a result. Raises ProbeFailure if any of it cannot be one."""
    if len(rows) > target.row_limit:
        raise ProbeFailure(Reason.QUERY, f"it returns more than {target.row_limit} rows")
    wanted = [*target.key_labels, *(value.column for value in target.values)]
    if missing := [name for name in wanted if columns.count(name) != 1]:
        raise ProbeFailure(
            Reason.QUERY, f"it has no column, or more than one, named {', '.join(missing)}"
        )
    places = {name: columns.index(name) for name in wanted}
    metrics = target.metrics
    samples: list[Sample] = []
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        labels = tuple(_label(target, name, row[places[name]]) for name in target.key_labels)
        if labels in seen:
            by = ", ".join(target.key_labels) or "it has no key_labels"
            raise ProbeFailure(Reason.QUERY, f"two rows have the same labels ({by})")
        seen.add(labels)
        for value, metric in zip(target.values, metrics, strict=True):
            number = _number(value.column, row[places[value.column]])
            if number is not None:
                samples.append(Sample(metric, labels, number))
    return [*samples, Sample(names.SQL_ROWS, (), len(rows))]


def _label(target: SqlMetrics, column: str, value: object) -> str:
    text = "" if value is None else str(value)
    if len(text) > target.label_length_limit:
        raise ProbeFailure(
            Reason.QUERY,
            f"a value of the label {column} is longer than {target.label_length_limit} characters",
        )
    return text


def _number(column: str, value: object) -> float | None:
    """A value as Prometheus has it; None for NULL."""
    if value is None:
        return None
    # A boolean is an int to Python, too.
    if isinstance(value, (int, float, Decimal)):
        return float(value)
    raise ProbeFailure(
        Reason.QUERY,
        f"the value column {column} holds {type(value).__name__}, which is no number; cast it",
    )
