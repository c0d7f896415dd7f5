"""PostgreSQL."""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import quote

from programs import cache
from programs.errors import FetchError, MissingProgramError, ServerError
from programs.faketime import Clock
from programs.find import find, version
from programs.process import child, tied
from programs.server import ANSWER_SECONDS, Server
from programs.system import System

_PREFIX = "tickettoken-postgres-"
_INITDB_PREFIX = "tickettoken-initdb-"
_ABANDONED_SECONDS = 60
# The shortest question that a server answers before it wants to know who asks.
_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_INITDB = ("--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
# The superuser needs no password; every other user logs in as in production.
_ACCESS = """\
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
_FAST = MappingProxyType(
    {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "shared_buffers": "32MB",
        "unix_socket_directories": "",
        "listen_addresses": "127.0.0.1",
    }
)


class Postgres(Server):
    """A PostgreSQL cluster in a temporary directory of its own, which close() removes.

    The superuser is postgres, without a password. `settings` go to postgresql.conf; `binaries` is
    the directory of another PostgreSQL than is found; `clock` tells it the time. Run by root, the
    server's user is postgres or nobody. All clusters are copies of one that initdb made, and so
    share its system identifier.
    Raises MissingProgramError.
    """

    name: ClassVar[str] = "postgres"
    scheme: ClassVar[str] = "postgresql"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    # On SIGKILL it would leave its shared memory behind.
    death_signal: ClassVar[signal.Signals] = signal.SIGQUIT

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock
        self._binaries = binaries or find("postgres").parent
        self._user = _server_user()
        self._settings = {**_FAST, **(settings or {})}
        _remove_abandoned(_workplace())
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_workplace()))
        super().__init__(directory)
        # Held while this process lives: tells a directory in use from an abandoned one.
        lock = os.open(directory, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_SH)
        self._remove = weakref.finalize(self, _remove_directory, directory, lock)
        directory.chmod(0o755)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def binaries(self) -> Path:
        """The directory of its programs."""
        return self._binaries

    def dsn(self, user: str = "postgres", password: str = "", dbname: str = "postgres") -> str:
        """The URL to connect with."""
        secret = f":{quote(password, safe='')}" if password else ""
        place = f"{self.host}:{self.port}/{quote(dbname, safe='')}"
        return f"{self.scheme}://{quote(user, safe='')}{secret}@{place}"

    def execute(self, sql: str, dbname: str = "postgres") -> str:
        """Runs statements as the superuser, each in its own transaction, until one fails.

        Returns the rows, one a line, columns parted by |. Raises ServerError with psql's complaint.
        """
        quiet = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--file=-")
        result = subprocess.run(
            [self._binaries / "psql", *quiet, "--set=ON_ERROR_STOP=1", self.dsn(dbname=dbname)],
            input=sql,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ServerError(f"{sql!r}: {result.stderr.strip()}")
        return result.stdout.removesuffix("\n")

    def follow(self, primary: "Postgres", slot: str) -> None:
        """Makes its data a copy of a running server's, whose hot standby it starts as.

        `slot` is the replication slot that is made for it there. Raises ServerError.
        """
        source = (f"--dbname={primary.dsn()}", "--checkpoint=fast", "--wal-method=stream")
        standby = ("--write-recovery-conf", "--create-slot", f"--slot={slot}", "--no-sync")
        result = subprocess.run(
            tied((self._binaries / "pg_basebackup", *source, *standby, "-D", self.data)),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ServerError(f"no copy of {primary.name}: {result.stdout.strip()}")
        if self._user is not None:
            _give(self.data, self._user)

    def close(self) -> None:
        """Stops the server and removes its directory."""
        self.stop()
        self._remove()

    def _prepare(self) -> None:
        if not self._remove.alive:
            raise ServerError(f"{self.name} was closed; its data are gone")
        if not self.data.exists():
            self._create()
        (self.data / "port.conf").write_text(f"port = {self.port}\n")

    def _create(self) -> None:
        template = _template(self._binaries, self._user)
        shutil.copytree(template, self.data)
        lines = "".join(f"{key} = {_quoted(value)}\n" for key, value in self._settings.items())
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"{lines}include 'port.conf'\n")
        (self.data / "pg_hba.conf").write_text(_ACCESS)
        (self.data / "port.conf").touch()
        self.data.chmod(0o700)
        if self._user is not None:
            _give(self.data, self._user)

    def _command(self) -> Sequence[str | Path]:
        command = (self._binaries / "postgres", "-D", self.data)
        return command if self._clock is None else self._clock.within(command)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return child(
            self._command(),
            user=self._user,
            cwd=self.data,
            env=_environment(),
            log=self.log,
            death_signal=self.death_signal,
        )

    def _answers(self) -> bool:
        # Its last line is the postmaster's state; while starting up it accepts connections, too.
        status = self.data / "postmaster.pid"
        if not (status.exists() and status.read_text().rstrip().endswith("ready")):
            return False
        try:
            with socket.create_connection((self.host, self.port), ANSWER_SECONDS) as connection:
                connection.sendall(_SSL_REQUEST)
                return connection.recv(1) in (b"N", b"S")
        except OSError:
            return False


def _server_user() -> str | None:
    """PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


def _environment() -> dict[str, str]:
    """Without the variables that would point psql or postgres to another server or language."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}


def _workplace() -> Path:
    """Where temporary directories may be: the server's user must get through to them."""
    usual = Path(tempfile.gettempdir())
    # Root's own TMPDIR may be closed to others.
    for place in (usual, Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if place.is_dir() and (os.geteuid() != 0 or _open_to_all(place)):
            return place
    raise ServerError(f"postgres needs a temporary directory that all users can enter, not {usual}")


def _open_to_all(directory: Path) -> bool:
    places = (directory.resolve(), *directory.resolve().parents)
    return all(place.stat().st_mode & stat.S_IXOTH for place in places)


def _template(binaries: Path, user: str | None) -> Path:
    """A data directory fresh from initdb, made once for each PostgreSQL."""
    initdb = binaries / "initdb"
    identity = hashlib.sha256("\n".join((str(initdb), *_INITDB)).encode()).hexdigest()[:8]
    try:
        shelf = cache.cache_directory(System().environment) / "postgres"
        cache.make(shelf)
    except FetchError as error:
        raise MissingProgramError(str(error)) from error
    final = shelf / f"{version(initdb)}-{identity}"
    with cache.locked(shelf):
        if not final.is_dir():
            with cache.appearing(final) as unfinished:
                _initialise(initdb, unfinished, user)
    return final


def _initialise(initdb: Path, target: Path, user: str | None) -> None:
    # Not in the cache, where the server's user may not write.
    with tempfile.TemporaryDirectory(prefix=_INITDB_PREFIX, dir=_workplace()) as place:
        data = Path(place) / "data"
        if user is not None:
            _give(Path(place), user)
        result = subprocess.run(
            tied((initdb, *_INITDB, "-D", data), user=user),
            cwd=place,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ServerError(f"{initdb} ended with {result.returncode}\n{result.stdout.strip()}")
        shutil.copytree(data, target, dirs_exist_ok=True)


def _give(directory: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _quoted(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"


def _remove_directory(directory: Path, lock: int) -> None:
    shutil.rmtree(directory)
    os.close(lock)


def _remove_abandoned(workplace: Path) -> None:
    """Removes what processes that were killed have left."""
    for directory in workplace.glob(f"{_PREFIX}*"):
        try:
            status = directory.stat()
            recent = time.time() - status.st_mtime < _ABANDONED_SECONDS
            if status.st_uid == os.geteuid() and not recent:
                _remove_if_unused(directory)
        except FileNotFoundError:
            # Another process was faster.
            continue


def _remove_if_unused(directory: Path) -> None:
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory)
    except BlockingIOError:
        return
    finally:
        os.close(lock)
