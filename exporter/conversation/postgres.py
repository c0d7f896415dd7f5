"""What is noted of a conversation with Postgres, which libpq holds for us."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from exporter.conversation.recorder import Recorder

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor
    from psycopg.pq.abc import PGresult

C = TypeVar("C", bound="AsyncCursor[Any]")

_LONGEST_STATEMENT = 400
_LONGEST_ANSWER = 2000
_MOST_ROWS = 5


def note_connecting(recorder: Recorder, url: str) -> None:
    """Note whom libpq is asked to connect to."""
    parts = urlsplit(url)
    user = parts.username or "the default user"
    recorder.note(
        f"connect to {parts.hostname or 'the default host'}:{parts.port or 5432} "
        f"as {user}, database {parts.path.strip('/') or 'of that name'}"
    )


def note_connected(recorder: Recorder, connection: AsyncConnection[Any]) -> None:
    """Note what a new connection is."""
    info, pgconn = connection.info, connection.pgconn
    secured = "TLS" if pgconn.ssl_in_use else "no TLS"
    recorder.note(
        f"connected to {pgconn.hostaddr.decode() or info.host}:{info.port}: "
        f"Postgres {info.parameter_status('server_version')}, {secured}, "
        f"backend {info.backend_pid}"
    )


async def noted_query(recorder: Recorder, statement: str, answer: Awaitable[C]) -> C:
    """Note a query and what comes of it; `answer` is what runs it. Raises what that raises."""
    recorder.note(f"> {_cut(' '.join(statement.split()), _LONGEST_STATEMENT)}")
    try:
        cursor = await answer
    except Exception as error:
        text = " ".join(str(error).split())
        recorder.note(f"< {type(error).__name__}: {_cut(text, _LONGEST_ANSWER)}")
        raise
    recorder.note(f"< {_cut(await _told(cursor), _LONGEST_ANSWER)}")
    return cursor


def note_visiting(recorder: Recorder, where: Sequence[object], database: str, user: str) -> None:
    """Note whom we connect to ourselves; `where` begins with an address and a port."""
    host, port = where[:2]
    recorder.note(f"connect to {host}, port {port}, as {user}, database {database}: our own login")


def note_visited(recorder: Recorder, *, secured: bool, seconds: float) -> None:
    """Note a login of our own that succeeded, and how long its trivial query took."""
    recorder.note(f"logged in, {'TLS' if secured else 'no TLS'}")
    recorder.note(f"SELECT 1: answered in {seconds * 1000:.2f} ms")


def note_asked(recorder: Recorder, statement: bytes) -> None:
    """Note what is asked on a connection that is kept."""
    text = " ".join(statement.decode("utf-8", "replace").split())
    recorder.note(f"> {_cut(text, _LONGEST_STATEMENT)}")


def note_answered(recorder: Recorder, results: Sequence[PGresult]) -> None:
    """Note what each statement has returned."""
    recorder.note(f"< {_cut(' | '.join(map(_result, results)), _LONGEST_ANSWER)}")


async def _told(cursor: AsyncCursor[Any]) -> str:
    """The status of each statement, and the first rows of its result."""
    texts = []
    async for one in cursor.results():
        result = one.pgresult
        assert result is not None
        texts.append(_result(result))
    # Whoever has asked reads on from the first.
    await cursor.set_result(0)
    return " | ".join(texts)


def _result(result: PGresult) -> str:
    said = result.error_message.decode("utf-8", "replace").split("\n")[0]
    return "; ".join([(result.command_status or b"").decode() or said, *_rows(result)])


def _rows(result: PGresult) -> Iterator[str]:
    for row in range(min(result.ntuples, _MOST_ROWS)):
        values = (result.get_value(row, column) for column in range(result.nfields))
        yield ", ".join(
            "NULL" if value is None else value.decode("utf-8", "replace") for value in values
        )
    if result.ntuples > _MOST_ROWS:
        yield f"({result.ntuples} rows in all)"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"
