"""The archives of `alerts` and `metrics`: tables of old rows, ours or made by the runbook's SQL.

Who reads through `everywhere` in one transaction of `Store.read` sees each row once, whatever is
moved meanwhile: both the list of archives and the rows are of one snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import (
    Column,
    ColumnClause,
    ColumnElement,
    Connection,
    DefaultClause,
    Index,
    MetaData,
    Select,
    Subquery,
    Table,
    TableClause,
    delete,
    func,
    insert,
    inspect,
    literal,
    null,
    select,
    table,
    text,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy import column as named
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from exporter.ledger.errors import ArchiveRefusedError
from exporter.ledger.store import Session

# What a batch locks is locked for some 50 ms, and what it writes is flushed at once.
BATCH = 1000
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


@dataclass(frozen=True, slots=True)
class Archiving:
    """Which rows of a table are archived: those of a time in `at` before a moment, and `only`."""

    of: Table
    at: Column[datetime]
    only: tuple[ColumnElement[bool], ...] = ()
    batch: int = BATCH


# --- reading ------------------------------------------------------------------------------------


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
    found = await _found(connection, of)
    _tell_once(connection, found)
    return [archive for archive in found if archive.trouble is None]


async def _found(connection: AsyncConnection, of: Table) -> list[Found]:
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


# --- archiving ----------------------------------------------------------------------------------


async def archive(
    session: Session,
    what: Archiving,
    before: datetime,
    progress: Callable[[str, int], None] = lambda _name, _moved: None,
) -> int:
    """Move what is older into the archive of its month; answers how many rows that were.

    `progress` is told an archive's name and how many rows were moved so far, after each batch.

    Each batch is a transaction of its own, so that nobody waits for long. Rows that somebody is
    changing are left for the next time. A month whose archive cannot be written is left too, and
    raises ArchiveRefusedError when all others are done. Raises StoreUnavailableError.
    """
    moved = 0
    refused: list[str] = []
    since: datetime | None = None
    while (month := await _oldest_month(session, what, before, since)) is not None:
        since = _month_after(month)
        name = f"{what.of.name}_archive_{month:%Y_%m}"
        due = (*what.only, what.at >= month, what.at < min(since, before))
        try:
            columns = await _made(session, what, name)
            while batch := await _move(session, what, due, table(name, *map(named, columns))):
                moved += batch
                progress(name, moved)
        except ArchiveRefusedError as error:
            refused.append(str(error))
    if refused:
        raise ArchiveRefusedError("; ".join(refused))
    return moved


async def _oldest_month(
    session: Session, what: Archiving, before: datetime, since: datetime | None
) -> datetime | None:
    """The month of the oldest row that is due, in UTC."""
    later = () if since is None else (what.at >= since,)
    oldest = select(func.min(what.at)).where(*what.only, what.at < before, *later)
    async with session.begin() as connection:
        at: datetime | None = await connection.scalar(oldest)
    if at is None:
        return None
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _month_after(month: datetime) -> datetime:
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


async def _made(session: Session, what: Archiving, name: str) -> list[str]:
    """Make an archive unless there is one. Raises ArchiveRefusedError if rows would not fit in."""
    async with session.begin() as connection:
        newer = await connection.run_sync(_unknown_columns, what.of)
        found = {archive.name: archive for archive in await _found(connection, what.of)}
        if name not in found:
            made = what.of.to_metadata(MetaData(), name=name)
            made.indexes.clear()
            for column in newer:
                made.append_column(column)
            await connection.execute(CreateTable(made))
            await connection.run_sync(Index(f"{name}_by_time", made.c[what.at.name]).create)
            return [column.name for column in made.columns]
        archive_ = found[name]
        if archive_.trouble is not None:
            raise ArchiveRefusedError(f"{name}: {archive_.trouble}")
        wanted = [column.name for column in (*what.of.columns, *newer)]
        missing = [column for column in wanted if column not in archive_.columns]
        if missing:
            raise ArchiveRefusedError(
                f"{name}: it has no {', '.join(missing)}: ALTER TABLE {name} ADD COLUMN, or give "
                "it another name"
            )
        if connection.dialect.name == "postgresql" and not await connection.scalar(
            select(func.has_table_privilege(name, "INSERT"))
        ):
            raise ArchiveRefusedError(f"{name}: we may not write it: GRANT INSERT")
        return wanted


def _unknown_columns(connection: Connection, of: Table) -> list[Column[Any]]:
    """What a newer version has added to a table: its rows are not moved without it."""
    return [
        Column(column["name"], column["type"])
        for column in inspect(connection).get_columns(of.name)
        if column["name"] not in of.columns
    ]


async def _move(
    session: Session, what: Archiving, due: tuple[ColumnElement[bool], ...], into: TableClause
) -> int:
    key = tuple_(*what.of.primary_key.columns)
    oldest = (
        select(*what.of.primary_key.columns)
        .where(*due)
        .order_by(what.at)
        .limit(what.batch)
        .with_for_update(skip_locked=True)
    )
    async with session.begin() as connection:
        keys = [tuple(row) for row in await connection.execute(oldest)]
        if keys:
            columns: list[ColumnClause[Any]] = [named(column.name) for column in into.columns]
            rows = select(*columns).select_from(what.of)
            chosen = key.in_(keys)
            await connection.execute(
                insert(into).from_select(list(into.columns.keys()), rows.where(chosen))
            )
            await connection.execute(delete(what.of).where(chosen))
    return len(keys)
