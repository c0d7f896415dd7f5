"""The store of the ledger: transactions on SQLite or Postgres that end by a deadline, or say why.

Whatever is wrong with the store is one error, StoreUnavailableError: a webhook is then answered by
503 and sent again, and the API says the same. Nothing waits for a store that hangs.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from exporter.ledger.errors import SecondReplicaError, StoreUnavailableError
from exporter.ledger.migrate import Revisions, migrate, revisions
from exporter.ledger.pooler import require_sessions

# What the runbook's SQL looks for in pg_stat_activity.
APPLICATION_NAME = "monitoring-service"
# How long a transaction may take. Alertmanager gives a webhook 10 s before it sends it again.
DEADLINE = 5.0
_CONNECT_SECONDS = 3
# A machine that is gone says no goodbye: the server looks for it, and gives back its locks.
_SESSION = {
    "statement_timeout": int(DEADLINE * 1000),
    "timezone": "UTC",
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
}

log = structlog.get_logger("exporter.ledger")


@dataclass(frozen=True, slots=True)
class PoolState:
    """The pool at a moment: how many connections it may have, has given out, and who waits."""

    largest: int
    in_use: int
    waiting: int

    @property
    def available(self) -> int:
        """Idle, or may still be opened."""
        return max(0, self.largest - self.in_use)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where the store is: a Postgres `url` (with its password), or an SQLite file.

    `pool_min` connections are kept when idle, at most `pool_max` are open.
    """

    url: str | None = None
    file: Path = Path("monitoring.sqlite3")
    pool_min: int = 2
    pool_max: int = 10


class Store:
    """Opens, migrates and gives transactions. Before `open` has succeeded, every one is refused."""

    def __init__(self, options: StoreOptions) -> None:
        self.postgres = options.url is not None
        # Set once it has been opened, and from then on.
        self.opened = asyncio.Event()
        self._options = options
        self._engine = _engine(options)
        self._waiting = 0
        self._in_use = 0
        self._trouble: str | None = "the ledger's store is not open yet"
        self._lock: int | None = None
        self._writing = asyncio.Lock()

    @property
    def pool(self) -> PoolState:
        """How busy the pool is."""
        full = self._in_use >= self._options.pool_max
        return PoolState(self._options.pool_max, self._in_use, self._waiting if full else 0)

    async def open(self) -> str:
        """Migrate the store, and serve transactions from now on; answers the schema's revision.

        Raises StoreUnavailableError, to be tried again; SecondReplicaError where that is no use.
        """
        if not self.postgres:
            self._claim_file()
        with _told():
            if self._options.url is not None:
                await require_sessions(_unpooled(self._options.url))
            # A lock that another replica holds while it migrates a large table takes what it takes.
            revision = await migrate(self._engine)
        log.info("the ledger is open", store=self.name, revision=revision)
        self._trouble = None
        self.opened.set()
        return revision

    async def open_beside(self) -> Revisions:
        """Serve transactions beside the service, whose file and schema are left as they are.

        For a command: it claims nothing and migrates nothing. Answers the revisions, which are for
        the caller to judge. Raises StoreUnavailableError where there is no store.
        """
        if not self.postgres and not self._options.file.is_file():
            raise StoreUnavailableError(f"{self._options.file}: there is no such file")
        with _told():
            if self._options.url is not None:
                await require_sessions(_unpooled(self._options.url))
            found = await revisions(self._engine)
        self._trouble = None
        self.opened.set()
        return found

    async def close(self) -> None:
        """Close all connections."""
        self._trouble = "the ledger's store is closed"
        await self._engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def name(self) -> str:
        """What it is, for people: never a password."""
        return "postgresql" if self.postgres else f"sqlite, {self._options.file}"

    @asynccontextmanager
    async def begin(self, deadline: float = DEADLINE) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: committed at the end of the block, rolled back on an error.

        Raises StoreUnavailableError; what the block raises itself passes through.
        """
        # SQLite has one writer: those who wait here do so in order, and without polling.
        async with self._turn(deadline), self._transaction(deadline, write=True) as connection:
            yield connection

    @asynccontextmanager
    async def read(self, deadline: float = DEADLINE) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads. Raises StoreUnavailableError."""
        async with self._transaction(deadline, write=False) as connection:
            yield connection

    @asynccontextmanager
    async def _turn(self, deadline: float) -> AsyncIterator[None]:
        if self.postgres:
            yield
            return
        try:
            async with asyncio.timeout(deadline):
                await self._writing.acquire()
        except TimeoutError:
            raise StoreUnavailableError("the ledger's store is busy") from None
        try:
            yield
        finally:
            self._writing.release()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """One connection for several transactions: what it locks stays locked from one to the next.

        It is closed at the end, and with it goes every lock. Raises StoreUnavailableError.
        """
        async with self._connection() as connection:
            try:
                yield Session(self, connection)
            finally:
                await asyncio.shield(connection.invalidate())

    @asynccontextmanager
    async def within(
        self, connection: AsyncConnection, deadline: float
    ) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, on a connection of `session`. Raises StoreUnavailableError."""
        async with self._turn(deadline):
            with _told():
                cut = _Cut(connection, deadline)
                try:
                    await self._make_ready(connection, cut, write=True, again=False)
                    yield connection
                    await connection.commit()
                except BaseException:
                    await asyncio.shield(connection.rollback())
                    raise
                finally:
                    cut.stop()

    @asynccontextmanager
    async def _transaction(self, deadline: float, *, write: bool) -> AsyncIterator[AsyncConnection]:
        async with self._connection() as connection:
            cut = _Cut(connection, deadline)
            try:
                await self._make_ready(connection, cut, write=write)
                yield connection
                await connection.commit()
            finally:
                cut.stop()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        if self._trouble is not None:
            raise StoreUnavailableError(self._trouble)
        with _told():
            connection = await self._checked_out()
            try:
                yield connection
            finally:
                self._in_use -= 1
                await asyncio.shield(connection.close())

    async def _checked_out(self) -> AsyncConnection:
        self._waiting += 1
        try:
            connection = await self._engine.connect()
        finally:
            self._waiting -= 1
        self._in_use += 1
        return connection

    async def _make_ready(
        self, connection: AsyncConnection, cut: _Cut, *, write: bool, again: bool = True
    ) -> None:
        """Begin; connect anew if the server has closed the connection since it was last used."""
        await cut.start()
        if write or not self.postgres:
            await connection.execution_options(write=write)
        else:
            # All statements see the same: who asks which archives there are, and then reads them,
            # must not miss what was moved in between.
            await connection.execution_options(write=write, isolation_level="REPEATABLE READ")
        if not self.postgres:
            return
        try:
            await connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            if not error.connection_invalidated or cut.done or not again:
                raise
            await connection.rollback()
            # It connects again by itself.
            await cut.start()
            await connection.execute(text("SELECT 1"))

    def _claim_file(self) -> None:
        if self._lock is not None:
            return
        path = self._options.file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailableError(f"{path}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise SecondReplicaError(
                f"{path} is in use by another process: set LEDGER_FILE to another file, or "
                "DATABASE_URL to a Postgres that several replicas share"
            ) from None
        self._lock = lock


class Session:
    """Several transactions on one connection, each by a deadline of its own.

    Once the connection is lost, so are its locks: every further transaction is refused.
    """

    def __init__(self, store: Store, connection: AsyncConnection) -> None:
        self.store = store
        self._connection = connection

    @asynccontextmanager
    async def begin(self, deadline: float = DEADLINE) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes. Raises StoreUnavailableError."""
        if self._connection.invalidated:
            raise StoreUnavailableError("the connection to the ledger's store was lost")
        async with self.store.within(self._connection, deadline) as connection:
            yield connection


class _Cut:
    """Ends what a connection waits for when its time is over, by shutting its socket down.

    psycopg answers a cancellation by asking the server to cancel and waiting until it has, which a
    server that hangs never does.
    """

    def __init__(self, connection: AsyncConnection, seconds: float) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds
        self._timer: asyncio.TimerHandle | None = None
        self.done = False

    async def start(self) -> None:
        self.stop()
        raw = await self._connection.get_raw_connection()
        self._timer = self._loop.call_at(self._at, self._now, raw.driver_connection)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _now(self, driver: Any) -> None:
        self.done = True
        if hasattr(driver, "pgconn"):
            with suppress(OSError, Exception):  # it may have been closed meanwhile
                number = os.dup(driver.pgconn.socket)
                with socket.socket(fileno=number) as duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)


class _told:  # noqa: N801 - reads as a statement
    """Turns what the database says into StoreUnavailableError, but for faults of what was asked."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PoolTimeoutError):
            raise StoreUnavailableError("Pool connection timeout: no connection is free") from None
        if isinstance(error, (IntegrityError, DataError)):
            return
        if isinstance(error, DBAPIError):
            raise StoreUnavailableError(_first_line(error.orig)) from None
        if isinstance(error, (SQLAlchemyError, OSError, sqlite3.Error, TimeoutError)):
            raise StoreUnavailableError(_first_line(error)) from None


def _first_line(error: BaseException | None) -> str:
    return f"the ledger's store does not work: {str(error).partition(chr(10))[0][:200]}"


def _engine(options: StoreOptions) -> AsyncEngine:
    if options.url is not None:
        return _postgres(options.url, options)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(options.file)),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=options.pool_min,
        max_overflow=options.pool_max - options.pool_min,
        pool_timeout=DEADLINE,
        connect_args={"timeout": DEADLINE, "isolation_level": None},
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _postgres(url: str, options: StoreOptions) -> AsyncEngine:
    return create_async_engine(
        _address(url),
        pool_size=options.pool_min,
        max_overflow=options.pool_max - options.pool_min,
        pool_timeout=DEADLINE,
        connect_args=_connecting(url),
    )


def _unpooled(url: str) -> AsyncEngine:
    return create_async_engine(_address(url), poolclass=NullPool, connect_args=_connecting(url))


def _address(url: str) -> URL:
    return (
        make_url(url)
        .set(drivername="postgresql+psycopg")
        .update_query_dict({"application_name": APPLICATION_NAME})
    )


def _connecting(url: str) -> dict[str, Any]:
    connect: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS}
    if "options" not in make_url(url).query:
        connect["options"] = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    return connect


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for setting in ("journal_mode = WAL", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    # What reads first and writes then would fail when somebody else has written in between.
    write = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
