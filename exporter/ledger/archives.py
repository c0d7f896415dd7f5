"""The archives of `alerts` and `metrics`: tables of old rows, ours or made by the runbook's SQL.

Who reads through `everywhere` in one transaction of `Store.read` sees each row once, whatever is
moved meanwhile: both the list of archives and the rows are of one snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import (
    Column,
    ColumnElement,
    DefaultClause,
    Select,
    Subquery,
    Table,
    literal,
    null,
    select,
    table,
    text,
    type_coerce,
    union_all,
)
from sqlalchemy import column as named
from sqlalchemy.ext.asyncio import AsyncConnection

_YEAR_MONTH = r"_archive_\d{4}_(0[1-9]|1[0-2])"
# Names of one type in different words.
_STRINGS = frozenset({"text", "character varying", "character"})

_FOUND_POSTGRES = text("""
SELECT c.relname AS name, a.attname AS "column",
       CASE WHEN t.typtype = 'b' THEN format_type(a.atttypid, NULL) ELSE t.typname END AS type,
       has_table_privilege(c.oid, 'SELECT') AS readable, pg_get_userbyid(c.relowner) AS owner
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
  AND (c.relname = :name OR c.relname LIKE :archives)
""")
_FOUND_SQLITE = text("""
SELECT m.name AS name, c.name AS "column", '' AS type, 1 AS readable, '' AS owner
FROM sqlite_master m, pragma_table_info(m.name) c
WHERE m.type = 'table' AND (m.name = :name OR m.name LIKE :archives)
""")

log = structlog.get_logger("exporter.ledger")


@dataclass(frozen=True, slots=True)
class Found:
    """An archive that there is: which columns it has, and why it cannot be read, if it cannot."""

    name: str
    columns: frozenset[str]
    trouble: str | None = None


async def archive_tables(connection: AsyncConnection, of: Table) -> list[str]:
    """The names of a table's archives that can be read, oldest first; others are logged."""
    return [found.name for found in await _readable(connection, of)]


async def everywhere(connection: AsyncConnection, of: Table) -> Subquery:
    """The rows of a table and of its archives, under the table's name and with its columns.

    What an archive lacks is the column's default, else NULL; what it has besides is left out.
    """
    archives = await _readable(connection, of)
    return union_all(select(of), *(_rows(found, of) for found in archives)).subquery(of.name)


async def _readable(connection: AsyncConnection, of: Table) -> list[Found]:
    found = await found_archives(connection, of)
    _tell_once(connection, found)
    return [archive for archive in found if archive.trouble is None]


async def found_archives(connection: AsyncConnection, of: Table) -> list[Found]:
    """All archives of a table, by name, those that cannot be read included."""
    postgres = connection.dialect.name == "postgresql"
    rows = (
        await connection.execute(
            _FOUND_POSTGRES if postgres else _FOUND_SQLITE,
            {"name": of.name, "archives": f"{of.name}%"},
        )
    ).all()
    types: dict[str, dict[str, str]] = {}
    refused: dict[str, str] = {}
    for row in rows:
        types.setdefault(row.name, {})[row.column] = row.type
        if not row.readable:
            refused[row.name] = f"its owner, {row.owner}, lets us not read it: GRANT SELECT"
    own = types.pop(of.name, {})
    return [
        Found(
            name,
            frozenset(types[name]),
            refused.get(name) or _differs(of, own, types[name]),
        )
        for name in sorted(types)
        if re.fullmatch(re.escape(of.name) + _YEAR_MONTH, name)
    ]


def _differs(of: Table, own: Mapping[str, str], archive: Mapping[str, str]) -> str | None:
    """Why rows of an archive cannot be read as those of the table."""
    missing = [column.name for column in of.primary_key if column.name not in archive]
    if missing:
        return f"it has no {', '.join(missing)}"
    other = [name for name in own if name in archive and _kind(own[name]) != _kind(archive[name])]
    if other:
        return f"{', '.join(other)}: of another type than in {of.name}"
    return None


def _kind(type_: str) -> str:
    return "text" if type_ in _STRINGS else type_


def _tell_once(connection: AsyncConnection, found: Iterable[Found]) -> None:
    """A line for each connection of the pool, not one for each request."""
    assert connection.sync_connection is not None  # it is open
    told: set[str] = connection.sync_connection.info.setdefault("archives_told", set())
    for archive in found:
        if archive.trouble is not None and archive.name not in told:
            told.add(archive.name)
            log.warning("an archive is not read", archive=archive.name, why=archive.trouble)


def _rows(archive: Found, of: Table) -> Select[Any]:
    source = table(archive.name, *(named(name) for name in archive.columns))
    columns = (
        source.c[column.name] if column.name in archive.columns else _default(column)
        for column in of.columns
    )
    return select(*columns)


def _default(column: Column[Any]) -> ColumnElement[Any]:
    default = column.server_default
    if not isinstance(default, DefaultClause):
        return null().label(column.name)
    value = literal(default.arg) if isinstance(default.arg, str) else default.arg
    return type_coerce(value, column.type).label(column.name)
