"""What Alembic runs: the steps, on the connection that it is given, in one transaction."""

from __future__ import annotations

from alembic import context

from exporter.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="ledger_version",
    # SQLite changes a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
