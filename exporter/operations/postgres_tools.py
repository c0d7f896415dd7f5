"""pg_dump and psql, as processes that are told a password only by their environment."""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter.operations.console import OperationError

_CONNECT_SECONDS = 10
_CHUNK = 2**20
_PROGRESS_SECONDS = 5.0
_SAID = 5


def connect(url: str, **more: Any) -> psycopg.Connection[Any]:
    """A connection that commits each statement. Raises OperationError."""
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS, **more)
    except psycopg.Error as error:
        raise OperationError(f"the database cannot be reached: {str(error).strip()}") from None


def at_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return make_conninfo(url, dbname=name)


def dump(url: str, snapshot: str, to: Path, progress: Callable[[str], None]) -> None:
    """pg_dump of a snapshot that a connection has exported, as compressed SQL.

    Owners and grants are left out: where it is restored, roles may have other names.
    Raises OperationError.
    """
    options = ("--format=plain", "--compress=6", "--no-owner", "--no-privileges", "--no-password")
    place = (f"--snapshot={snapshot}", f"--file={to}")
    with tempfile.TemporaryFile() as said:
        process = _start("pg_dump", (*options, *place), url, stderr=said)
        told = time.monotonic()
        while process.poll() is None:
            time.sleep(0.05)
            if time.monotonic() - told > _PROGRESS_SECONDS:
                told = time.monotonic()
                progress(f"dumping: {to.stat().st_size / 1e6:.1f} MB so far")
        _judge("pg_dump", process.returncode, said)


def load(url: str, statements: Iterable[bytes]) -> None:
    """Run SQL by psql in one transaction: all of it, or nothing. Raises OperationError."""
    options = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
    rest = ("--no-password", "--output=/dev/null", "--file=-")
    with tempfile.TemporaryFile() as said:
        process = _start("psql", (*options, *rest), url, stdin=subprocess.PIPE, stderr=said)
        assert process.stdin is not None
        try:
            with process.stdin as pipe:
                for part in statements:
                    pipe.write(part)
        except BrokenPipeError:
            pass  # it has ended, and says why
        except BaseException:
            # Closing its input would let it commit what it has.
            process.kill()
            process.wait()
            raise
        process.wait()
        _judge("psql", process.returncode, said)


def read(file: Path) -> Iterator[bytes]:
    """A dump in parts, unpacked where it is packed. Raises OperationError."""
    try:
        with file.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(file) if packed else file.open("rb") as source:
            while part := source.read(_CHUNK):
                yield part
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise OperationError(f"{file}: cannot be read: {error}") from None


def _start(
    program: str, options: Sequence[str], url: str, *, stdin: int = subprocess.DEVNULL, stderr: Any
) -> subprocess.Popen[bytes]:
    parts = conninfo_to_dict(url)
    environment = {**os.environ, "PGCONNECT_TIMEOUT": str(_CONNECT_SECONDS), "LC_ALL": "C"}
    password = parts.pop("password", None)
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    try:
        return subprocess.Popen(
            [program, *options, f"--dbname={make_conninfo('', **parts)}"],
            env=environment,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    except FileNotFoundError:
        raise OperationError(
            f"{program} is not on the PATH: install Postgres' client programs (Debian: apt install "
            "postgresql-client)"
        ) from None


def _judge(program: str, code: int, said: Any) -> None:
    if code == 0:
        return
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    raise OperationError(f"{program} ended with {code}: {' | '.join(lines[:_SAID])}")
