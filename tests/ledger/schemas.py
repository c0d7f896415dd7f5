"""Schemas of the ledger at any revision, as they are in a database, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from exporter.ledger import migrate
from exporter.ledger.store import Store, StoreOptions

T = TypeVar("T")

FIRST = "0001"
_OF_COLUMNS = ("type", "nullable", "default")


async def on(options: StoreOptions, work: Callable[[Connection], T]) -> T:
    """Do something to the store's database, whatever its schema, in one transaction."""
    store = Store(options)
    try:
        async with store._engine.execution_options(write=True).begin() as connection:
            return await connection.run_sync(work)
    finally:
        await store.close()


def revisions() -> list[str]:
    """All revisions, the first one first."""
    script = ScriptDirectory(str(migrate._MIGRATIONS))
    return [step.revision for step in script.walk_revisions()][::-1]


async def upgrade(options: StoreOptions, revision: str) -> None:
    """Bring the store to a revision, and no further."""
    await on(options, lambda connection: command.upgrade(migrate._config(connection), revision))


async def run(options: StoreOptions, sql: str) -> None:
    """Run statements that end with a semicolon at the end of a line."""

    def work(connection: Connection) -> None:
        for statement in sql.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)

    await on(options, work)


async def first_ledger(options: StoreOptions) -> None:
    """A ledger of the first revision, with something of everything in it."""
    await upgrade(options, FIRST)
    await run(options, (Path(__file__).parent / "first_ledger.sql").read_text(encoding="utf-8"))


def reflected(connection: Connection) -> dict[str, Table]:
    """The tables that there are, but Alembic's own."""
    metadata = MetaData()
    metadata.reflect(connection)
    return {name: table for name, table in metadata.tables.items() if name != "ledger_version"}


# --- what there is ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape:
    """A table, as far as statements of another version depend on it."""

    columns: dict[str, dict[str, str]]
    key: tuple[str, ...]
    # What refuses rows: constraints, unique indexes and triggers, each as text.
    refuses: frozenset[str]


def shapes(connection: Connection) -> dict[str, Shape]:
    """Every table but Alembic's own."""
    found = inspect(connection)
    return {
        name: Shape(
            {
                column["name"]: {what: str(column.get(what)) for what in _OF_COLUMNS}
                for column in found.get_columns(name)
            },
            tuple(found.get_pk_constraint(name)["constrained_columns"]),
            frozenset(
                [
                    *(f"CHECK {one['sqltext']}" for one in found.get_check_constraints(name)),
                    *(f"FOREIGN KEY {one}" for one in found.get_foreign_keys(name)),
                    *(f"UNIQUE {one}" for one in found.get_unique_constraints(name)),
                    *(_index(one) for one in found.get_indexes(name) if one["unique"]),
                    *_triggers(connection, name),
                ]
            ),
        )
        for name in found.get_table_names()
        if name != "ledger_version"
    }


def _index(one: ReflectedIndex) -> str:
    options = one.get("dialect_options", {})
    where = [str(given) for option, given in options.items() if option.endswith("_where")]
    return f"UNIQUE {one['column_names']} {where}"


def _triggers(connection: Connection, table: str) -> list[str]:
    if connection.dialect.name == "postgresql":
        query = text(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger "
            "WHERE tgrelid = CAST(:name AS regclass) AND NOT tgisinternal"
        )
    else:
        query = text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name")
    return [f"TRIGGER {sql}" for sql in connection.execute(query, {"name": table}).scalars()]


def contents(tables: Mapping[str, Shape]) -> Callable[[Connection], dict[str, list[str]]]:
    """What reads all rows of these tables, of their columns alone, as text and in order."""

    def read(connection: Connection) -> dict[str, list[str]]:
        found = {}
        for name, shape in tables.items():
            columns = ", ".join(f'"{column}"' for column in shape.columns)
            rows = connection.exec_driver_sql(f'SELECT {columns} FROM "{name}"').all()
            found[name] = sorted(map(repr, rows))
        return found

    return read


# --- what a step may not do ---------------------------------------------------------------------


def contractions(before: dict[str, Shape], after: dict[str, Shape]) -> list[str]:
    """What statements of the version before would notice of a step, in words."""
    return [
        problem
        for name, old in before.items()
        for problem in (_noticed(name, old, after[name]) if name in after else (f"{name} is gone",))
    ]


def _noticed(name: str, old: Shape, new: Shape) -> Iterator[str]:
    for column, was in old.columns.items():
        now = new.columns.get(column)
        if now is None:
            yield f"{name}.{column} is gone"
            continue
        for what in _OF_COLUMNS:
            if was[what] != now[what]:
                yield f"{name}.{column}: {what} was {was[what]} and is {now[what]}"
    for column, now in new.columns.items():
        if column not in old.columns and now["nullable"] == "False" and now["default"] == "None":
            yield f"{name}.{column} is new, not nullable, and has no default"
    if old.key != new.key:
        yield f"{name}: the primary key was {old.key} and is {new.key}"
    yield from (f"{name} refuses now: {one}" for one in sorted(new.refuses - old.refuses))
    # An upsert names what it conflicts with.
    yield from (f"{name} has lost: {one}" for one in sorted(old.refuses - new.refuses))
