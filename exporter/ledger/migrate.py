"""Brings the store's schema to this version's, one replica at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

# An advisory lock of its own, for whoever migrates: any number that nobody else uses.
_LOCK = 3017_0001
VERSION_TABLE = "ledger_version"
_MIGRATIONS = Path(__file__).parent / "migrations"

log = structlog.get_logger("exporter.ledger")


@dataclass(frozen=True, slots=True)
class Revisions:
    """The schema that a store has, None for none, and the one that this version wants.

    `known` is False where a newer version has migrated it.
    """

    current: str | None
    wanted: str
    known: bool

    @property
    def behind(self) -> bool:
        """Whether there are steps that the store does not have."""
        return self.known and self.current != self.wanted


def head() -> str:
    """The revision of the schema that this version has."""
    return ScriptDirectory(str(_MIGRATIONS)).get_current_head() or ""


async def migrate(engine: AsyncEngine) -> str:
    """Run the steps that the store does not have yet; answers the revision that it then has.

    A store that a newer version has migrated is left as it is: schemas are expanded first and
    contracted a version later, so this version works on the next one's.
    """
    async with engine.execution_options(write=True).begin() as connection:
        return await connection.run_sync(_upgrade)


async def revisions(engine: AsyncEngine) -> Revisions:
    """The revision that the store has, and the one that this version wants. Changes nothing."""
    async with engine.connect() as connection:
        return await connection.run_sync(_revisions)


def _revisions(connection: Connection) -> Revisions:
    current = _revision(connection)
    script = _script(_config(connection))
    known = {step.revision for step in script.walk_revisions()}
    return Revisions(current, script.get_current_head() or "", current is None or current in known)


def _upgrade(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        # Another replica that migrates, and a large table, take what they take.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = _config(connection)
    script = _script(config)
    current = _revision(connection)
    known = {step.revision for step in script.walk_revisions()}
    if current is not None and current not in known:
        log.warning(
            "the ledger was migrated by a newer version, on whose schema this one works; "
            "update this replica too",
            revision=current,
            ours=script.get_current_head(),
        )
        return current
    command.upgrade(config, "head")
    return _revision(connection) or ""


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _script(config: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(config)


def _revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()
