"""A pooler before Postgres: one that keeps sessions serves, one that does not is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from api_serving import CONFIG, environment
from operating import operate
from pgbouncer import PgBouncer
from stores import new_database

from exporter.ledger.errors import TransactionPoolerError
from exporter.ledger.store import Store, StoreOptions
from exporter.workers.lock import held
from programs import Postgres


@asynccontextmanager
async def pooled(directory: Path, server: Postgres, mode: str) -> AsyncIterator[StoreOptions]:
    """A new database, through a pooler of this mode."""
    database = urlsplit(new_database(server)).path
    with PgBouncer(directory / "pgbouncer", server, mode) as pooler:
        yield StoreOptions(url=pooler.url.replace("//", "//postgres@") + database)


async def test_the_store_is_not_opened_where_each_transaction_has_another_session(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with pooled(tmp_path, postgres, "transaction") as options:
        store = Store(options)
        for opening in (store.open, store.open_beside):
            with pytest.raises(TransactionPoolerError, match="pool_mode=session"):
                await opening()
        await store.close()


async def test_doctor_names_the_pooler_and_so_does_migrate(
    postgres: Postgres, tmp_path: Path
) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    async with pooled(tmp_path, postgres, "transaction") as options:
        variables = environment(options, MONITORING_CONFIG=str(tmp_path / "config.py"))
        said, migrated = await asyncio.gather(
            operate(tmp_path, "doctor", **variables), operate(tmp_path, "migrate", **variables)
        )
    assert "FAULT    pooler in transaction mode: DATABASE_URL leads through a pooler" in said.said
    assert (migrated.code, "pool_mode=transaction" in migrated.complaint) == (1, True)


async def test_through_a_pooler_that_keeps_sessions_the_ledger_works_and_locks_hold(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with pooled(tmp_path, postgres, "session") as options:
        one, other = Store(options), Store(options)
        try:
            await one.open()
            await other.open()
            async with held(one, "cleanup") as session:
                assert session is not None
                async with held(other, "cleanup") as second:
                    assert second is None
        finally:
            await one.close()
            await other.close()
