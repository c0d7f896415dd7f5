"""Whether connections to Postgres keep their sessions, or a pooler lends them by transaction."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from exporter.ledger.errors import TransactionPoolerError


async def require_sessions(engine: AsyncEngine) -> None:
    """Let only what keeps its session pass: workers' locks are the session's.

    `engine` has no pool of its own. Of two connections that are open at the same time, each has a
    backend, and keeps it; what a pooler gives out anew for every transaction is the same one twice,
    or another one next. Raises TransactionPoolerError.
    """
    async with engine.connect() as one, engine.connect() as other:
        first, second, again = await _backend(one), await _backend(other), await _backend(one)
    if first == second or first != again:
        raise TransactionPoolerError(
            "DATABASE_URL leads through a pooler that gives each transaction another session "
            "(PgBouncer's pool_mode=transaction), in which locks do not hold: connect past it, or "
            "set pool_mode=session for this database"
        )


async def _backend(connection: AsyncConnection) -> int:
    """The process of the server that a transaction is run by."""
    found: int = (await connection.execute(select(func.pg_backend_pid()))).scalar_one()
    await connection.commit()
    return found
