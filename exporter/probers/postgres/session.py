"""One connection to Postgres: made in time, asked in time, and cut off when it hangs."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from exporter.conversation.postgres import note_connected, note_connecting, noted_query
from exporter.conversation.recorder import recording
from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.postgres.failures import login_refused, silent
from exporter.probers.postgres.place import APPLICATION
from exporter.probers.result import Reason


async def connect(url: str, deadline: float, timeout: float) -> AsyncConnection[Any]:
    """A new connection by the loop's time `deadline`; `timeout` is how many seconds that were.

    Raises ProbeFailure.
    """
    recorder = recording()
    if recorder is not None:
        note_connecting(recorder, url)
    try:
        async with asyncio.timeout_at(deadline):
            connection = await _connected(url, timeout)
    except TimeoutError:
        raise silent(timeout) from None
    except psycopg.Error as error:
        raise _connect_failure(error) from None
    if recorder is not None:
        note_connected(recorder, connection)
    return connection


async def _connected(url: str, timeout: float) -> AsyncConnection[Any]:
    try:
        return await AsyncConnection.connect(
            url,
            autocommit=True,
            application_name=APPLICATION,
            # Of a database in SQL_ASCII psycopg would give us bytes.
            client_encoding="UTF8",
            # libpq would wait for each address of the host in turn.
            connect_timeout=max(2, int(timeout)),
        )
    except asyncio.CancelledError as error:
        # psycopg's frames hold the half-made connection, and the traceback holds the frames: it
        # would stay open as long as somebody holds the cancelled task.
        raise error.with_traceback(None)  # noqa: B904 - it is the same


async def query(
    connection: AsyncConnection[Any], statement: str, deadline: float
) -> AsyncCursor[Any]:
    """Run a query; at the deadline, or when cancelled, cut the connection. Raises ProbeFailure.

    psycopg answers a cancellation by asking the server to cancel and waiting for it to comply,
    which a hung server never does.
    """
    loop = asyncio.get_running_loop()
    if loop.time() >= deadline:
        raise ProbeFailure(Reason.TIMEOUT, "no time was left for this query")
    cut = False

    def sever() -> None:
        nonlocal cut
        cut = True
        _sever(connection)

    task = loop.create_task(_execute(connection, statement))
    timer = loop.call_at(deadline, sever)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        _sever(connection)
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
    finally:
        timer.cancel()
    try:
        return task.result()
    except (psycopg.Error, UnicodeDecodeError) as error:
        if cut:
            raise ProbeFailure(Reason.TIMEOUT, "a query has not come back in time") from None
        if connection.broken or connection.closed:
            raise ProbeFailure(Reason.RESET, f"the connection broke: {_text(error)}") from None
        if isinstance(error, psycopg.errors.QueryCanceled):
            raise ProbeFailure(Reason.TIMEOUT, _text(error)) from None
        raise ProbeFailure(Reason.QUERY, _text(error)) from None


async def _execute(connection: AsyncConnection[Any], statement: str) -> AsyncCursor[Any]:
    answer = connection.cursor().execute(statement.encode())
    recorder = recording()
    return await (answer if recorder is None else noted_query(recorder, statement, answer))


def _text(error: Exception) -> str:
    """What is wrong, without the lines of our own query that Postgres points at."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return clean(primary or str(error))


def _sever(connection: AsyncConnection[Any]) -> None:
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        except OSError:  # the server was faster: it is cut already
            return


def _connect_failure(error: psycopg.Error) -> ProbeFailure:
    if isinstance(error, psycopg.ProgrammingError):
        # libpq would repeat the part of the URL that it cannot read, which may be the password.
        return ProbeFailure(Reason.CONNECT, "the URL cannot be read: encode what is special in it")
    return login_refused("", str(error))
