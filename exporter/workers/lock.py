"""Lets a worker run on one replica at a time."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import func, select

from exporter.ledger.store import Session, Store

# Of advisory locks with two keys, those of the workers: any number that nobody else uses.
_WORKERS = 3017


@asynccontextmanager
async def held(store: Store, name: str) -> AsyncIterator[Session | None]:
    """A session that holds a worker's lock; None if another replica's does.

    The lock is the connection's. It is gone when the connection is: at the end of the block, when
    this process dies, or when the server restarts, after which the session does nothing more.
    SQLite needs none: a store in a file has one process. Raises StoreUnavailableError.
    """
    async with store.session() as session:
        yield session if not store.postgres or await _locked(session, name) else None


async def _locked(session: Session, name: str) -> bool:
    key = zlib.crc32(name.encode()) >> 1
    async with session.begin() as connection:
        return bool(await connection.scalar(select(func.pg_try_advisory_lock(_WORKERS, key))))
