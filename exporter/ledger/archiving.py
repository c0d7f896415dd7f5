"""Moves old rows to the archives of their months, within the database and in short transactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnClause,
    ColumnElement,
    Connection,
    Index,
    Insert,
    MetaData,
    Select,
    Table,
    TableClause,
    Tuple,
    delete,
    func,
    insert,
    inspect,
    select,
    table,
    tuple_,
)
from sqlalchemy import column as named
from sqlalchemy.schema import CreateTable

from exporter.ledger.archives import found_archives
from exporter.ledger.errors import ArchiveRefusedError
from exporter.ledger.store import Session

# What a batch locks is locked for some 50 ms, and what it writes is flushed at once.
BATCH = 1000
# Of an INSERT the library forgets how many rows it was, unless it is asked.
_COUNTED: Mapping[str, Any] = MappingProxyType({"preserve_rowcount": True})


@dataclass(frozen=True, slots=True)
class Archiving:
    """Which rows of a table are archived: those of a time in `at` before a moment, and `only`."""

    of: Table
    at: Column[datetime]
    only: tuple[ColumnElement[bool], ...] = ()
    batch: int = BATCH


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
        found = {archive.name: archive for archive in await found_archives(connection, what.of)}
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
    """Move a batch within the database: what is moved never comes here, nor do its keys."""
    async with session.begin() as connection:
        if connection.dialect.name == "postgresql":
            moved = await connection.execute(_in_one(what, due, into), execution_options=_COUNTED)
        else:
            moved = await connection.execute(_copied(what, due, into), execution_options=_COUNTED)
            # The same rows: nobody else writes to SQLite meanwhile.
            await connection.execute(delete(what.of).where(_key(what).in_(_oldest(what, due))))
    return moved.rowcount


def _in_one(what: Archiving, due: tuple[ColumnElement[bool], ...], into: TableClause) -> Insert:
    """Postgres' statement: it locks, removes and keeps the same rows."""
    keys = _oldest(what, due).with_for_update(skip_locked=True).cte("due")
    same = (column == keys.c[_alias(column)] for column in what.of.primary_key.columns)
    columns: list[ColumnClause[Any]] = [named(column.name) for column in into.columns]
    gone = delete(what.of).where(*same).returning(*columns).cte("gone")
    return (
        insert(into)
        .from_select([column.name for column in into.columns], select(*gone.c))
        .add_cte(keys, gone)
    )


def _copied(what: Archiving, due: tuple[ColumnElement[bool], ...], into: TableClause) -> Insert:
    columns: list[ColumnClause[Any]] = [named(column.name) for column in into.columns]
    rows = select(*columns).select_from(what.of).where(_key(what).in_(_oldest(what, due)))
    return insert(into).from_select([column.name for column in into.columns], rows)


def _oldest(what: Archiving, due: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    """The keys of the next batch, under names that are no column's."""
    keys = what.of.primary_key.columns
    return (
        select(*(column.label(_alias(column)) for column in keys))
        .where(*due)
        .order_by(what.at, *keys)
        .limit(what.batch)
    )


def _key(what: Archiving) -> Tuple:
    return tuple_(*what.of.primary_key.columns)


def _alias(column: Column[Any]) -> str:
    return f"due_{column.name}"
