"""Brings the store's schema to this version's, one replica at a time."""

from __future__ import annotations

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
_VERSION_TABLE = "ledger_version"

log = structlog.get_logger("exporter.ledger")


async def migrate(engine: AsyncEngine) -> str:
    """Run the steps that the store does not have yet; answers the revision that it then has.

    A store that a newer version has migrated is left as it is: schemas are expanded first and
    contracted a version later, so this version works on the next one's.
    """
    async with engine.execution_options(write=True).begin() as connection:
        return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        # Another replica that migrates, and a large table, take what they take.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    current = _revision(connection)
    known = {step.revision for step in script.walk_revisions()}
    if current is not None and current not in known:
        log.warning("the ledger was migrated by a newer version", revision=current)
        return current
    command.upgrade(config, "head")
    return _revision(connection) or ""


def _revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": _VERSION_TABLE})
    return context.get_current_revision()
