"""Version n-1 works on the schema of n: each step only adds, so that what n-1 says still holds.

Which statements a version emits follows from its tables, so its schema stands for it. What a later
version may add, and that today's code works on it, is in test_newer_schema.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from schemas import contractions, on, reflected, revisions, shapes, upgrade
from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.types import JSON, Boolean, DateTime, Float, Integer, String

from exporter.ledger.migrate import head
from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import metadata

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
# What a check constraint asks for.
SAID: Mapping[str, Mapping[str, Any]] = {
    "alerts": {"status": "resolved", "firing": False},
    "incidents": {"priority": "P0"},
}
# A trigger refuses to change these.
APPEND_ONLY = {"alert_audit"}


def row(table: Table) -> dict[str, Any]:
    """A row with something in every column."""
    said = {column.name: value(column.type) for column in table.columns}
    return {**said, **SAID.get(table.name, {})}


def value(of: object) -> object:
    if isinstance(of, Boolean):
        return True
    if isinstance(of, DateTime):
        return NOON
    if isinstance(of, JSON):
        return {"a": 1}
    if isinstance(of, (Integer, Float)):
        return 1
    return "text"[: of.length] if isinstance(of, String) else "text"


def speak(tables: Mapping[str, Table]) -> Any:
    """Emit what a version with these tables does: write, read, change and remove each column."""

    def work(connection: Connection) -> None:
        for table in tables.values():
            said = row(table)
            connection.execute(insert(table).values(said))
            (read,) = connection.execute(select(table)).mappings()
            assert read.keys() == said.keys()
            if table.name not in APPEND_ONLY:
                connection.execute(update(table).values(said))
                connection.execute(delete(table))
                assert connection.scalar(select(func.count()).select_from(table)) == 0

    return work


# --- every step that there is -------------------------------------------------------------------


async def test_each_step_only_adds_and_takes_what_the_version_before_says(
    options: StoreOptions,
) -> None:
    steps = revisions()
    assert steps[-1] == head()
    await upgrade(options, steps[0])
    for step in steps[1:]:
        before, tables = await on(options, shapes), await on(options, reflected)
        await upgrade(options, step)
        problems = contractions(before, await on(options, shapes))
        assert problems == [], f"step {step}: the version before it would notice"
        if step == steps[-1]:
            # On the way there, the audit's lines, which nobody may remove, would pile up.
            await on(options, speak(tables))


async def test_the_steps_make_the_tables_that_the_code_has(options: StoreOptions) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"version_table": "ledger_version"})
        found: list[Any] = compare_metadata(context, metadata)
        return found

    await upgrade(options, "head")
    assert await on(options, differences) == []


# --- what the comparison sees -------------------------------------------------------------------

NOTICED = {
    "ALTER TABLE facts RENAME TO truths": ["facts is gone"],
    "ALTER TABLE replicas DROP COLUMN version": ["replicas.version is gone"],
    "ALTER TABLE replicas RENAME COLUMN version TO release": [
        "replicas.version is gone",
        "replicas.release is new, not nullable, and has no default",
    ],
    "CREATE UNIQUE INDEX one ON replicas (version)": ["replicas refuses now: UNIQUE"],
    "DROP INDEX alerts_one_open": ["alerts has lost: UNIQUE"],
}
POSTGRES = {
    "ALTER TABLE workers ALTER COLUMN name TYPE text": ["workers.name: type was"],
    "ALTER TABLE alerts ALTER COLUMN resolution SET NOT NULL": ["alerts.resolution: nullable was"],
    "ALTER TABLE replicas ALTER COLUMN version DROP NOT NULL": ["replicas.version: nullable was"],
    "ALTER TABLE alerts ALTER COLUMN firing DROP DEFAULT": ["alerts.firing: default was"],
    "ALTER TABLE replicas ADD COLUMN more text NOT NULL": ["replicas.more is new"],
    "ALTER TABLE workers ADD CHECK (successes < 9)": ["workers refuses now: CHECK"],
    "ALTER TABLE workers ADD FOREIGN KEY (replica) REFERENCES replicas (name)": [
        "workers refuses now: FOREIGN KEY"
    ],
    "ALTER TABLE facts DROP CONSTRAINT facts_pkey": ["facts: the primary key was"],
    "DROP TRIGGER alert_audit_append_only ON alert_audit": ["alert_audit has lost: TRIGGER"],
}
UNNOTICED = (
    "CREATE TABLE more (id integer)",
    "ALTER TABLE alerts ADD COLUMN more text",
    "ALTER TABLE alerts ADD COLUMN more integer NOT NULL DEFAULT 7",
    "CREATE INDEX more ON alerts (severity)",
    "DROP INDEX alerts_by_name",
)


async def test_what_the_version_before_would_notice_is_told(options: StoreOptions) -> None:
    expected = NOTICED if options.url is None else NOTICED | POSTGRES
    for statement, found in (await noticed(options, expected)).items():
        told = zip(found, expected[statement], strict=True)
        assert all(one.startswith(words) for one, words in told), (statement, found)


async def test_what_only_adds_is_no_matter(options: StoreOptions) -> None:
    assert await noticed(options, UNNOTICED) == {one: [] for one in UNNOTICED}


async def noticed(options: StoreOptions, statements: Iterable[str]) -> dict[str, list[str]]:
    """What is told of each statement, each on the schema of today."""

    def work(connection: Connection) -> dict[str, list[str]]:
        before, found = shapes(connection), {}
        for statement in statements:
            with connection.begin_nested() as tried:
                connection.exec_driver_sql(statement)
                found[statement] = contractions(before, shapes(connection))
                tried.rollback()
        return found

    await upgrade(options, "head")
    return await on(options, work)
