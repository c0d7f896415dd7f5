"""`python -m exporter archive`: what the cleanup worker does at night, now."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from time import monotonic

import click
import psycopg

from exporter.ledger.errors import ArchiveRefusedError
from exporter.ledger.store import Store
from exporter.ledger.tables import alerts, metrics
from exporter.operations.beside import store_beside
from exporter.operations.console import MISUSED, OperationError, finish, refuse, say, settings
from exporter.operations.postgres_tools import connect
from exporter.settings import Settings
from exporter.workers.cleanup import clean_up
from exporter.workers.lock import held
from model.declared import ConfigError
from model.load import config_path, load
from model.workers import Workers

_PROGRESS_SECONDS = 2.0


@click.command("archive")
@click.option("--no-vacuum", is_flag=True, help="Leave out VACUUM ANALYZE, which Postgres gets.")
def command(no_vacuum: bool) -> None:
    """Move old metrics and ended alerts to the archives of their months now.

    How old is the config's: workers=Workers(keep_metrics=…, keep_alerts=…). The service may run.
    """
    found = settings()
    try:
        kept = load(config_path(os.environ)).workers
    except ConfigError as error:
        refuse(str(error).splitlines(), MISUSED)
    finish(archive_now(found, kept, vacuum=not no_vacuum))


class _Progress:
    """Says how far it is, now and then."""

    def __init__(self) -> None:
        self._told = 0.0
        self.rows: dict[str, int] = {}

    def __call__(self, archive: str, moved: int) -> None:
        table = archive.partition("_")[0]
        self.rows[table] = moved
        if monotonic() - self._told > _PROGRESS_SECONDS:
            self._told = monotonic()
            say(f"{table}: {moved} rows moved; now to {archive}")


async def archive_now(found: Settings, kept: Workers, *, vacuum: bool) -> str:
    """Archive, and answer the last line. Raises OperationError or StoreUnavailableError."""
    progress = _Progress()
    async with store_beside(found, writes=True) as store:
        try:
            await _archive(store, kept, progress)
        except ArchiveRefusedError as error:
            raise OperationError(f"all but this was archived: {error}") from None
    url = found.database_url
    if url is not None and vacuum:
        _vacuum(url.get_secret_value())
    moved = ", ".join(f"{progress.rows.get(name, 0)} rows of {name}" for name in _TABLES)
    return f"done: {moved} archived"


async def _archive(store: Store, kept: Workers, progress: _Progress) -> None:
    async with held(store, "cleanup") as session:
        if session is None:
            raise OperationError("a replica is archiving just now: wait until it is done")
        now = datetime.now(UTC)
        for name, age in (("metrics", kept.keep_metrics), ("alerts", kept.keep_alerts)):
            say(f"{name}: archiving what is older than {(now - age):%Y-%m-%d %H:%M} UTC")
        await clean_up(session, kept, now, progress)


_TABLES = (metrics.name, alerts.name)


def _vacuum(url: str) -> None:
    with connect(url) as connection:
        for name in _TABLES:
            say(f"{name}: VACUUM ANALYZE")
            try:
                connection.execute(f"VACUUM ANALYZE {name}")
            except psycopg.Error as error:
                raise OperationError(f"VACUUM ANALYZE {name}: {str(error).strip()}") from None
