"""A connection on which the statistics views are read: libpq's, watched by our poller."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, pq

from exporter.conversation.postgres import note_answered, note_asked
from exporter.conversation.recorder import recording
from exporter.probers.failure import ProbeFailure, clean
from exporter.probers.http.clock import now
from exporter.probers.http.poller import READ, WRITE, Poller
from exporter.probers.result import Reason

_ERRORS = frozenset({pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE})
_QUERY_CANCELED = b"57014"
_NO_SUCH_STATEMENT = b"26000"
_STATEMENT_EXISTS = b"42P05"


class Forgotten(ProbeFailure):
    """A prepared statement that the server does not have, or no longer."""


class Views:
    """Asks one query after another.

    psycopg's own waiting makes a task and two handles of the loop for each, and answers a
    cancellation by asking the server to cancel and waiting until it has, which a hung server
    never does. Here one that is late or cancelled closes the connection.
    """

    def __init__(self, connection: AsyncConnection[Any], poller: Poller) -> None:
        # The connection is held because it would close what it holds.
        self._connection = connection
        self._pgconn = connection.pgconn
        self._poller = poller
        self._prepared = ""

    @property
    def major(self) -> int:
        """The server's major version."""
        return self._pgconn.server_version // 10000

    @property
    def closed(self) -> bool:
        """Whether it can be used no more."""
        return self._connection.closed

    def close(self) -> None:
        """Close it."""
        self._pgconn.finish()

    async def ask(self, statement: bytes, deadline: float) -> Any:
        """The last result of some statements, by `deadline` in seconds of `clock.now`.

        Raises ProbeFailure.
        """
        if now() >= deadline:
            raise ProbeFailure(Reason.TIMEOUT, "no time was left for this query")
        recorder = recording()
        if recorder is not None:
            note_asked(recorder, statement)
        answer = _Answer(self._pgconn, self._poller, deadline)
        fd = -1
        try:
            self._pgconn.send_query(statement)
            fd = self._pgconn.socket
            self._poller.watch_connected(fd, answer, READ)
            answer.flush()
            await answer.done
        except psycopg.Error as error:
            self._leave(fd)
            raise ProbeFailure(Reason.RESET, f"the connection broke: {clean(str(error))}") from None
        except (ProbeFailure, asyncio.CancelledError):
            self._leave(fd)
            raise
        self._poller.release(fd)
        if recorder is not None:
            note_answered(recorder, answer.results)
        return self._result(answer.results)

    async def prepare(self, statement: str, before: str, deadline: float) -> str:
        """Have a query planned once; what executes it. Raises ProbeFailure.

        `before` are statements of the same transaction: planning waits for locks, too.
        It is named by what it says: behind a connection pooler a statement of the same name may
        be somebody else's.
        """
        digest = hashlib.sha256(statement.encode()).hexdigest()[:32]
        execute = f"EXECUTE monitoring_{digest}"
        if self._prepared != execute:
            text = f"{before}PREPARE monitoring_{digest} AS {statement}"
            with suppress(_ExistsError):
                await self.ask(text.encode(), deadline)
            self._prepared = execute
        return execute

    def _leave(self, fd: int) -> None:
        if fd >= 0:
            self._poller.forget(fd)
        self.close()

    def _result(self, results: list[Any]) -> Any:
        for result in results:
            if result.status in _ERRORS:
                said = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
                text = (said or result.error_message).decode("utf-8", "replace")
                if self._pgconn.status != pq.ConnStatus.OK:
                    raise ProbeFailure(Reason.RESET, f"the connection broke: {text}")
                state = result.error_field(pq.DiagnosticField.SQLSTATE)
                if state == _NO_SUCH_STATEMENT:
                    raise Forgotten(Reason.QUERY, text)
                if state == _STATEMENT_EXISTS:
                    raise _ExistsError(Reason.QUERY, text)
                reason = Reason.TIMEOUT if state == _QUERY_CANCELED else Reason.QUERY
                raise ProbeFailure(reason, text)
        return results[-1]


class _ExistsError(ProbeFailure):
    """A statement that was prepared before."""


class _Answer:
    """Waits for all results of what was sent."""

    __slots__ = ("_pgconn", "_poller", "_unsent", "deadline", "done", "results")

    def __init__(self, pgconn: Any, poller: Poller, deadline: float) -> None:
        self._pgconn = pgconn
        self._poller = poller
        self._unsent = False
        self.deadline = deadline
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.results: list[Any] = []

    def flush(self) -> None:
        """Send what has not been sent yet. Raises psycopg.Error."""
        unsent = bool(self._pgconn.flush())
        if unsent != self._unsent:
            self._unsent = unsent
            self._poller.watch(self._pgconn.socket, READ | WRITE if unsent else READ)

    def ready(self, _events: int, _at: float) -> None:
        """Take what has come."""
        if self.done.done():
            return
        try:
            if self._unsent:
                self.flush()
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    self.done.set_result(None)
                    return
                self.results.append(result)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self.done.set_exception(error.with_traceback(None))

    def expire(self, _at: float) -> None:
        """The deadline has passed."""
        if not self.done.done():
            failure = ProbeFailure(Reason.TIMEOUT, "a query has not come back in time")
            self.done.set_exception(failure)
