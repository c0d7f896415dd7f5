"""What a collector is: one query, and how its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.metric import Metric

# A row as JSON has it: column to value.
Row = Mapping[str, Any]
# Samples that are not made yet: what did not change is not made again.
Values = Iterable[tuple[Metric, tuple[str, ...], float]]

# What one server may add to Prometheus; what is beyond is counted in PG_ROWS_OMITTED.
DATABASES = 100
TABLES = 100
SESSION_GROUPS = 100
ROLES = 100
SLOTS = 50
STANDBYS = 50
VACUUMS = 50
# The column in which a query with a limit says how many rows there were before it.
FOUND = "found"


@dataclass(frozen=True, slots=True)
class Server:
    """What the queries depend on: the major version, and whether we may list the files of WAL."""

    major: int
    lists_wal: bool


@dataclass(frozen=True, slots=True)
class Collector:
    """A query, by what the server is, and what each of its rows says.

    `limit` is how many rows it returns at most, None if their number is fixed; the column `found`
    then says how many there were. `stamp` is an expression: while its value is as it was, the
    rows are as they were, and the query is not run. `query` gives None where there is nothing to
    ask.
    """

    name: str
    query: Callable[[Server], str | None]
    values: Callable[[Row], Values]
    limit: int | None = None
    stamp: str | None = None


def always(query: str) -> Callable[[Server], str | None]:
    """The same query for every server."""
    return lambda _server: query


def columns(labels: Sequence[str], metrics: Mapping[str, Metric]) -> Callable[[Row], Values]:
    """Rows in which each column named is a metric; NULL is no sample, and no label either."""
    pairs = tuple(metrics.items())

    def values(row: Row) -> Values:
        own = tuple([str(row[label]) for label in labels])
        for column, metric in pairs:
            value = row.get(column)
            if value is not None:
                yield metric, own, float(value)

    return values
