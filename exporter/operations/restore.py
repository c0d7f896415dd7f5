"""`python -m exporter restore`: puts a backup into the ledger's store, all of it or nothing."""

from __future__ import annotations

import fcntl
import gzip
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

import click
from psycopg import sql

from exporter.ledger.migrate import VERSION_TABLE
from exporter.ledger.options import store_options
from exporter.ledger.store import Store
from exporter.ledger.tables import alert_audit, alert_notes, alerts, incidents, metadata, metrics
from exporter.operations.console import OperationError, finish, say, settings
from exporter.operations.contents import (
    MARK,
    Contents,
    checks,
    from_comment,
    of_postgres,
    of_sqlite,
    total,
)
from exporter.operations.postgres_tools import connect, load, read
from exporter.settings import Settings

_ARCHIVE = re.compile(r"(alerts|metrics)_archive_\d{4}_\d{2}")
# What is history. The rest comes by itself as soon as an exporter runs.
_HISTORY = frozenset(table.name for table in (alerts, alert_notes, alert_audit, incidents, metrics))
_AUDIT_FUNCTION = "alert_audit_is_append_only"
# The service holds its locks for seconds; somebody's forgotten transaction holds them for ever.
_LOCK_TIMEOUT = "60s"


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Overwrite a ledger that has history in it.")
def command(file: Path, replace: bool) -> None:
    """Restore a backup (.sql, .sql.gz; .sqlite3, .sqlite3.gz) into the ledger's store.

    Then the schema is brought to this version's, and all rows are counted. Nothing changes unless
    all of it succeeds.
    """
    finish(restore(settings(), file, replace=replace))


async def restore(found: Settings, file: Path, *, replace: bool) -> str:
    """Restore a backup; answers the last line. Raises OperationError or StoreUnavailableError."""
    options = store_options(found)
    url = options.url
    counted = (
        _postgres(url, file, replace=replace)
        if url is not None
        else _sqlite(options.file, file, replace=replace)
    )
    store = Store(options)
    try:
        revision = await store.open()
    finally:
        await store.close()
    return f"done: {total(counted)} rows of {len(counted)} tables, schema {revision}"


def _refuse_history(contents: Contents, *, replace: bool) -> None:
    """Raises OperationError where there is something to lose, and nobody has said so."""
    held = {
        name: content.rows
        for name, content in contents.items()
        if content.rows and (name in _HISTORY or _ARCHIVE.fullmatch(name))
    }
    if held and not replace:
        rows = ", ".join(f"{name} {number}" for name, number in held.items())
        raise OperationError(
            f"the ledger is not empty (rows: {rows}): back it up and say --replace, or name "
            "another store"
        )


# --- Postgres -----------------------------------------------------------------------------------


def _postgres(url: str, file: Path, *, replace: bool) -> Contents:
    with connect(url) as connection:
        present = of_postgres(connection)
        row = connection.execute("SELECT current_schema()").fetchone()
    schema = row[0] if row is not None else None
    ours = {
        name.partition(".")[2]: content
        for name, content in present.items()
        if name.partition(".")[0] == schema and _is_ours(name.partition(".")[2])
    }
    _refuse_history(ours, replace=replace)
    say("restoring")
    end = _End(file)
    load(url, chain(_dropped(ours), end.watching(read(file)), end.checks()))
    if end.contents is not None:
        say("counts and checksums of all tables are those of the backup")
        return end.contents
    say("the file does not say what it should hold, as pg_dump's own never does; counting")
    with connect(url) as connection:
        return of_postgres(connection)


def _is_ours(name: str) -> bool:
    return name in metadata.tables or name == VERSION_TABLE or bool(_ARCHIVE.fullmatch(name))


def _dropped(tables: Iterable[str]) -> Iterator[bytes]:
    """In the transaction that restores: it is undone with it."""
    yield f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}';\n".encode()
    for name in tables:
        yield sql.SQL("DROP TABLE {};\n").format(sql.Identifier(name)).as_bytes(None)
    yield f"DROP FUNCTION IF EXISTS {_AUDIT_FUNCTION}();\n".encode()


class _End:
    """Keeps the end of what passes by: it shows that the file is whole, and what it should hold."""

    _BYTES = 2**20
    # What pg_dump writes last.
    _WHOLE = b"\n-- PostgreSQL database dump complete\n"

    def __init__(self, file: Path) -> None:
        self._file = file
        self._end = b""
        # None where the file does not say: the runbook's own pg_dump.
        self.contents: Contents | None = None

    def watching(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The parts, unchanged. Raises OperationError at the end of a file that is cut."""
        for part in parts:
            self._end = (self._end + part)[-self._BYTES :]
            yield part
        if self._WHOLE not in self._end:
            raise OperationError(f"{self._file}: is no whole dump of pg_dump: its end is missing")
        line = self._end.rstrip().rpartition(b"\n")[2]
        if line.startswith(MARK):
            try:
                self.contents = from_comment(line)
            except ValueError as error:
                raise OperationError(f"{self._file}: its last line: {error}") from None

    def checks(self) -> Iterator[bytes]:
        """What fails, and undoes the restore, where something else is there than should be."""
        if self.contents is not None:
            yield from checks(self.contents)


# --- SQLite -------------------------------------------------------------------------------------


def _sqlite(to: Path, file: Path, *, replace: bool) -> Contents:
    try:
        with (
            _alone(to),
            tempfile.TemporaryDirectory(dir=to.resolve().parent, prefix=".restore-") as place,
        ):
            if to.exists():
                with closing(sqlite3.connect(to)) as present:
                    _refuse_history(of_sqlite(present), replace=replace)
            say("unpacking")
            unpacked = Path(place) / "unpacked.sqlite3"
            _unpack(file, unpacked)
            say("counting")
            with closing(sqlite3.connect(unpacked)) as restored:
                found = _checked(restored)
            say("restoring")
            # What was written ahead belongs to the old file.
            for suffix in ("-wal", "-shm"):
                Path(f"{to}{suffix}").unlink(missing_ok=True)
            unpacked.replace(to)
    except sqlite3.Error as error:
        raise OperationError(f"{file}: {error}") from None
    except OSError as error:
        raise OperationError(f"{error.filename or file}: {error.strerror or error}") from None
    return found


def _checked(connection: sqlite3.Connection) -> Contents:
    (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    if said != "ok":
        raise OperationError(f"the file is damaged: {said}")
    found = of_sqlite(connection)
    if alerts.name not in found:
        raise OperationError("the file holds no ledger")
    return found


def _unpack(file: Path, to: Path) -> None:
    with file.open("rb") as source:
        packed = source.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(file) if packed else file.open("rb") as source, to.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (EOFError, gzip.BadGzipFile) as error:
        raise OperationError(f"{file}: cannot be read: {error}") from None


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Hold the lock that a service with this file holds. Raises OperationError if one does."""
    store.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(f"{store}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise OperationError(f"{store} is in use: stop the service first") from None
    finally:
        os.close(lock)
