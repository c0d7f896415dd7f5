"""`python -m bench.families`: what families the peers expose by default, of servers in full use.

The lists are committed, and a test holds our catalogue against them.
"""

from __future__ import annotations

import re
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.ours import ROOT
from bench.peers import Peer, PostgresExporter, RedisExporter
from programs import Postgres, Redis

DIRECTORY = ROOT / "bench" / "families"
_LABEL = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"')
# Of the program and of Go, not of what it watches.
_FOREIGN = ("go_", "process_", "promhttp_")
_PARTS = ("_bucket", "_sum", "_count")
_IN_USE = """
CREATE TABLE large AS SELECT n, repeat('x', 500) FROM generate_series(1, 20000) AS n;
DELETE FROM large WHERE n % 2 = 0;
CREATE INDEX ON large (n);
SELECT pg_create_logical_replication_slot('logical', 'test_decoding');
SELECT pg_create_physical_replication_slot('physical', true);
SELECT pg_switch_wal();
"""


class DefaultPostgresExporter(PostgresExporter):
    """postgres_exporter as it is run without any option."""

    def _command(self) -> Sequence[str | Path]:
        return (self._program, f"--web.listen-address={self.host}:{self.port}")


class DefaultRedisExporter(RedisExporter):
    """redis_exporter as it is run without any option but its address."""

    def _command(self) -> Sequence[str | Path]:
        return (
            self._program,
            f"--web.listen-address={self.host}:{self.port}",
            f"--redis.addr={self._redis.url}",
        )


def families(text: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The type and the labels, sorted, of each family of an exposition that has series."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for line in text.splitlines():
        if not line or line.startswith(("#", *_FOREIGN)):
            continue
        name = re.split(r"[{ ]", line, maxsplit=1)[0]
        family = next((name[: -len(part)] for part in _PARTS if _is_part(name, part, types)), name)
        labels = tuple(sorted({*_LABEL.findall(line)} - {"le", "quantile"}))
        found[family] = (types[family], labels)
    return found


def _is_part(name: str, part: str, types: dict[str, str]) -> bool:
    return name not in types and name.endswith(part)


def read(kind: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """A committed list: name, type, labels."""
    lines = (DIRECTORY / f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    parts = (line.split() for line in lines if not line.startswith("#"))
    return {name: (kind, tuple(labels)) for name, kind, *labels in parts}


def _scraped(peer: Peer) -> dict[str, tuple[str, tuple[str, ...]]]:
    with urllib.request.urlopen(f"{peer.url}/metrics") as answer:  # noqa: S310 - our own server
        return families(answer.read().decode())


def _of_postgres(directory: Path) -> Iterator[dict[str, tuple[str, tuple[str, ...]]]]:
    settings = {"wal_level": "logical", "archive_mode": "on", "archive_command": "true"}
    settings["max_slot_wal_keep_size"] = "1GB"
    with Postgres(settings=settings) as server:
        server.execute(_IN_USE)
        standby = Postgres()
        try:
            standby.follow(server, slot="standby")
            with standby, _vacuuming(server):
                for name, watched in (("primary", server), ("standby", standby)):
                    with DefaultPostgresExporter(directory / name, watched.dsn()) as peer:
                        time.sleep(2)
                        yield _scraped(peer)
        finally:
            standby.close()


@contextmanager
def _vacuuming(server: Postgres) -> Iterator[None]:
    """A vacuum under way that takes its time."""
    connection = psycopg.connect(server.dsn(), autocommit=True)
    try:
        connection.execute("SET vacuum_cost_delay = 100")
        connection.execute("SET vacuum_cost_limit = 1")
        connection.pgconn.send_query(b"VACUUM large")
        yield
    finally:
        connection.close()


def _of_redis(directory: Path) -> Iterator[dict[str, tuple[str, tuple[str, ...]]]]:
    with Redis(directory / "master") as master:
        place = ("--replicaof", f"{master.host} {master.port}")
        with Redis(directory / "replica", args=place) as replica:
            with socket.create_connection((master.host, master.port)) as client:
                client.sendall(b"SET key value EX 1000\r\n")
                client.recv(100)
            time.sleep(2)
            for name, watched in (("of-master", master), ("of-replica", replica)):
                with DefaultRedisExporter(directory / name, watched) as peer:
                    _scraped(peer)
                    yield _scraped(peer)


def main() -> None:
    """Write the lists."""
    DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for kind, found in (("postgres", _of_postgres), ("redis", _of_redis)):
            together: dict[str, tuple[str, tuple[str, ...]]] = {}
            for some in found(Path(place) / kind):
                together |= {name: one for name, one in some.items() if name not in together}
            lines = [
                f"{name} {type_} {' '.join(labels)}".rstrip()
                for name, (type_, labels) in sorted(together.items())
            ]
            text = f"# python -m bench.families: {kind}_exporter's name, type and labels\n"
            (DIRECTORY / f"{kind}.txt").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
