"""`python -m exporter backup`: a backup that was restored and counted before it counts as one."""

from __future__ import annotations

import gzip
import shlex
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import click
import psycopg

from exporter.ledger.options import store_options
from exporter.ledger.state import BACKED_UP, BACKUP
from exporter.ledger.store import Store
from exporter.ledger.tables import facts
from exporter.ledger.upsert import insert_into
from exporter.operations.console import MISUSED, OperationError, finish, refuse, say, settings
from exporter.operations.contents import (
    Contents,
    as_comment,
    differences,
    of_postgres,
    of_sqlite,
    total,
)
from exporter.operations.postgres_tools import connect, dump, load, read
from exporter.operations.scratch import check_allowed, scratch_database
from exporter.settings import Settings

_FILE = "{file}"


@click.command("backup")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where the file goes; by default where you are.",
)
@click.option(
    "--scratch",
    metavar="URL",
    help="A Postgres whose user may make databases, to try the restore on; by default the same.",
)
@click.option(
    "--upload-hook",
    metavar="COMMAND",
    help="Run when the file is verified, {file} being its path: 'aws s3 cp {file} s3://…'.",
)
def command(directory: Path, scratch: str | None, upload_hook: str | None) -> None:
    """Back up the ledger's store, and prove it by restoring it elsewhere and counting.

    Makes monitoring_backup_YYYYMMDD.sql.gz of Postgres, .sqlite3.gz of SQLite. A second one of the
    same day takes the first one's place, once it is verified.
    """
    found = settings()
    hook = _hook(upload_hook)
    finish(back_up(found, directory, scratch, hook))


def _hook(given: str | None) -> list[str]:
    if given is None:
        return []
    try:
        words = shlex.split(given)
    except ValueError as error:
        refuse([f"--upload-hook: {error}"], MISUSED)
    if not any(_FILE in word for word in words):
        refuse([f"--upload-hook: does not say where {_FILE} goes: 'cp {_FILE} …'"], MISUSED)
    return words


async def back_up(
    found: Settings, directory: Path, scratch: str | None, hook: list[str] | None = None
) -> str:
    """Make a backup, verify it, upload it and note its time; answers the last line.

    Raises OperationError or StoreUnavailableError; then there is no new file, unless it is the
    upload or the note that has failed.
    """
    options = store_options(found)
    store = Store(options)
    try:
        # First, since a store whose schema is not there could not be told of the backup.
        if (await store.open_beside()).current is None:
            raise OperationError("the store has no ledger: run `python -m exporter migrate`")
        at = datetime.now(UTC)
        if options.url is not None:
            url = options.url
            file, contents = _to_file(
                directory / f"monitoring_backup_{at:%Y%m%d}.sql.gz",
                lambda part: _postgres(url, scratch or url, part),
            )
        else:
            file, contents = _to_file(
                directory / f"monitoring_backup_{at:%Y%m%d}.sqlite3.gz",
                lambda part: _sqlite(options.file, part),
            )
        _upload(hook or [], file)
        about = {"file": file.name, "bytes": file.stat().st_size, "uploaded": bool(hook)}
        await _note(store, at, about)
    finally:
        await store.close()
    return (
        f"done: {file}, {file.stat().st_size} bytes, {total(contents)} rows of "
        f"{len(contents)} tables, as of {at:%Y-%m-%dT%H:%M:%SZ}"
    )


def _to_file(file: Path, make: Callable[[Path], Contents]) -> tuple[Path, Contents]:
    """Make a file in full, and only then give it its name."""
    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        part.touch(0o600)
        contents = make(part)
        part.replace(file)
    except OSError as error:
        raise OperationError(f"{error.filename or file}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return file, contents


# --- Postgres -----------------------------------------------------------------------------------


def _postgres(url: str, scratch: str, part: Path) -> Contents:
    check_allowed(scratch)
    with connect(url) as connection:
        contents = _dump(connection, url, part)
    say(f"verifying: restoring {total(contents)} rows into a scratch database")
    with _told_how_long(), scratch_database(scratch) as place:
        load(place, read(part))
        with connect(place) as restored:
            _compare(contents, of_postgres(restored))
    return contents


def _dump(connection: psycopg.Connection[object], url: str, part: Path) -> Contents:
    """Dump and count the same snapshot, whatever is written meanwhile."""
    try:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert isinstance(row, tuple)
        say("dumping")
        dump(url, str(row[0]), part, say)
        say("counting what was dumped")
        contents = of_postgres(connection)
        connection.execute("ROLLBACK")
    except psycopg.Error as error:
        raise OperationError(f"the database does not answer: {str(error).strip()}") from None
    # A gzip file may have several members, which gunzip joins.
    with part.open("ab") as file:
        file.write(gzip.compress(as_comment(contents)))
    return contents


# --- SQLite -------------------------------------------------------------------------------------


def _sqlite(source: Path, part: Path) -> Contents:
    try:
        with tempfile.TemporaryDirectory(dir=part.parent, prefix=".backup-") as place:
            copy = Path(place) / "copy.sqlite3"
            contents = _copy(source, copy)
            with copy.open("rb") as plain, gzip.open(part, "wb", compresslevel=6) as packed:
                shutil.copyfileobj(plain, packed)
            say(f"verifying: unpacking and counting {total(contents)} rows")
            unpacked = Path(place) / "unpacked.sqlite3"
            with _told_how_long():
                with gzip.open(part) as packed, unpacked.open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
                with closing(sqlite3.connect(unpacked)) as restored:
                    _intact(restored)
                    _compare(contents, of_sqlite(restored))
    except sqlite3.Error as error:
        raise OperationError(f"{source}: {error}") from None
    return contents


def _copy(source: Path, to: Path) -> Contents:
    """Copy and count the same snapshot: the copy is read in the transaction that counts."""
    uri = f"{source.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        say("counting")
        contents = of_sqlite(connection)
        say("copying")
        with closing(sqlite3.connect(to)) as copy:
            connection.backup(copy)
        connection.execute("ROLLBACK")
    return contents


def _intact(connection: sqlite3.Connection) -> None:
    (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    if said != "ok":
        raise OperationError(f"the copy is damaged: {said}")


# --- both ---------------------------------------------------------------------------------------


@contextmanager
def _told_how_long() -> Iterator[None]:
    """Say how long the trial took: whoever has lost data asks how long a restore will take."""
    began = monotonic()
    yield
    say(f"verified: to restore and compare it takes {monotonic() - began:.1f} s")


def _compare(wanted: Contents, found: Contents) -> None:
    if told := differences(wanted, found):
        raise OperationError(f"what was restored is not what was backed up: {'; '.join(told)}")


def _upload(hook: list[str], file: Path) -> None:
    if not hook:
        return
    words = [word.replace(_FILE, str(file)) for word in hook]
    say(f"uploading by {words[0]}")
    try:
        code = subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        raise OperationError(f"--upload-hook: {words[0]}: {error.strerror}") from None
    if code != 0:
        raise OperationError(
            f"--upload-hook: {words[0]} ended with {code}: {file} is verified, but here only, and "
            "does not count as a backup"
        )


async def _note(store: Store, at: datetime, about: dict[str, object]) -> None:
    """Say when, for monitoring_last_backup_timestamp_seconds, and what it was, for checklists."""
    told: dict[str, object] = {BACKED_UP: at.isoformat(), BACKUP: about}
    async with store.begin() as connection:
        for name, value in told.items():
            await connection.execute(
                insert_into(connection, facts)
                .values(name=name, value=value)
                .on_conflict_do_update(index_elements=["name"], set_={"value": value})
            )
