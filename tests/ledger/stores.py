"""Stores for tests: an SQLite file and a database of a real Postgres, both new for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from exporter.ledger.store import Store, StoreOptions
from programs import Postgres

KINDS = ("sqlite", "postgresql")


def new_database(server: Postgres) -> str:
    """The URL of a new, empty database of its superuser."""
    name = f"ledger_{uuid.uuid4().hex}"
    server.execute(f'CREATE DATABASE "{name}"')
    return server.dsn(dbname=name)


@asynccontextmanager
async def opened(options: StoreOptions) -> AsyncIterator[Store]:
    """An open store."""
    store = Store(options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def beside(options: StoreOptions) -> AsyncIterator[Store]:
    """An open store that another process serves."""
    store = Store(options)
    await store.open_beside()
    try:
        yield store
    finally:
        await store.close()


def sqlite(directory: Path) -> StoreOptions:
    """A store in a new SQLite file."""
    return StoreOptions(file=directory / "ledger.sqlite3")
