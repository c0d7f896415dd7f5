"""Have the ledger's tables the indexes that its queries need, whatever they are called?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Index, inspect, text
from sqlalchemy.schema import CreateIndex

from exporter.ledger.tables import metadata
from exporter.operations.checks.finding import Advice, Finding, advised, fine
from exporter.operations.checks.opening import examined
from exporter.operations.checks.patient import Patient

# CREATE INDEX CONCURRENTLY that has failed leaves one behind that is kept up and never used.
_INVALID = text("""
SELECT c.relname AS name, t.relname AS "table", p.pid IS NOT NULL AS being_made
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = i.indexrelid
WHERE NOT i.indisvalid AND pg_table_is_visible(t.oid) AND t.relname = ANY(:tables)
ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Present:
    """An index that there is: its columns in order, None for an expression."""

    name: str
    columns: tuple[str | None, ...]
    unique: bool
    partial: bool


async def check(patient: Patient) -> list[Finding]:
    """Those of our own schema; one that begins with the same columns serves as well."""
    return await examined(patient, "indexes", lambda connection: connection.run_sync(_check))


def _check(connection: Connection) -> list[Finding]:
    invalid = _invalid(connection)
    found = [
        advised(
            Advice.INDEX_INVALID,
            f"{name} of {table} is not valid: making it has failed, and no query uses it",
            f"`DROP INDEX CONCURRENTLY {name};`, then make it again.",
        )
        for name, (table, being_made) in invalid.items()
        if not being_made
    ]
    found += [
        fine(f"{name} of {table} is being made")
        for name, (table, being_made) in invalid.items()
        if being_made
    ]
    missing = [
        index
        for table in metadata.sorted_tables
        for index in sorted(table.indexes, key=lambda one: str(one.name))
        if not any(_serves(one, index) for one in _present(connection, table.name, invalid))
    ]
    found += [
        advised(
            Advice.INDEX_MISSING,
            f"{_table(index)} has no index on {', '.join(_columns(index))}",
            f"`{_statement(index, connection.dialect)};`",
        )
        for index in missing
    ]
    return found or [fine("the ledger's tables have their indexes")]


def _invalid(connection: Connection) -> Mapping[str, tuple[str, bool]]:
    if connection.dialect.name != "postgresql":
        return {}
    rows = connection.execute(_INVALID, {"tables": list(metadata.tables)})
    return {row.name: (row.table, row.being_made) for row in rows}


def _present(connection: Connection, table: str, invalid: Mapping[str, object]) -> list[Present]:
    inspector = inspect(connection)
    key = inspector.get_pk_constraint(table)
    found = [
        Present(str(key.get("name")), tuple(key["constrained_columns"]), unique=True, partial=False)
    ]
    for index in inspector.get_indexes(table):
        if index["name"] in invalid:
            continue
        options: Mapping[str, Any] = index.get("dialect_options", {})
        partial = any(name.endswith("_where") and options[name] is not None for name in options)
        columns = tuple(index["column_names"])
        found.append(Present(str(index["name"]), columns, bool(index["unique"]), partial))
    return found


def _serves(present: Present, wanted: Index) -> bool:
    """Whether an index does what another one is for."""
    columns = _columns(wanted)
    if wanted.unique:
        # It forbids something: it has to forbid just that.
        return (
            present.unique and present.partial == _partial(wanted) and (present.columns == columns)
        )
    if present.partial and not _partial(wanted):
        return False
    return present.columns[: len(columns)] == columns


def _columns(index: Index) -> tuple[str, ...]:
    return tuple(column.name for column in index.columns)


def _table(index: Index) -> str:
    assert index.table is not None  # it is of our metadata
    return index.table.name


def _partial(index: Index) -> bool:
    return index.dialect_options["postgresql"]["where"] is not None


def _statement(index: Index, dialect: Dialect) -> str:
    made = _words(str(CreateIndex(index).compile(dialect=dialect)))
    # So that nobody who writes has to wait.
    concurrently = dialect.name == "postgresql"
    return made.replace("INDEX", "INDEX CONCURRENTLY", 1) if concurrently else made


def _words(statement: str) -> str:
    return " ".join(statement.split())
