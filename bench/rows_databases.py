"""Rows (d) and (e): one collection of Postgres' and of Redis' metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.ours import Exporter, Targets
from bench.peers import Peer, PostgresExporter, RedisExporter
from bench.rounds import Figures, Side, interleaved
from bench.scraper import Scraper, families, paced
from bench.table import Row
from bench.usage import cpu_seconds
from bench.workshop import BenchError, Workshop, probes, turn
from programs import Postgres, Redis

# As many collections a second, so that a window has enough of them; all of one server.
_TARGETS = 40
_SETTLE = 2.0
_MICRO = 1e6
# Not the database's: of the exporter that tells them, or of the Go that it is written in.
_OF_THE_EXPORTER = ("go_", "process_", "promhttp_", "python_", "monitoring_", "probe_")

# Both sides log in as in production: by password (SCRAM), with the least rights.
_ROLE, _PASSWORD = "monitoring", "correct-horse-battery-staple"
_POPULATE = """
CREATE ROLE monitoring LOGIN PASSWORD 'correct-horse-battery-staple' IN ROLE pg_monitor;
CREATE TABLE payments(id serial PRIMARY KEY, status text, created_at timestamptz, amount numeric);
INSERT INTO payments(status, created_at, amount)
    SELECT 'paid', now(), n FROM generate_series(1, 1000) AS n;
ANALYZE;
"""


def postgres(shop: Workshop) -> list[Row]:
    """(d): Postgres."""
    with Postgres() as server:
        server.execute(_POPULATE)
        dsn = server.dsn(_ROLE, _PASSWORD)
        urls = (f"{dsn}?sslmode=disable",) * _TARGETS
        targets = Targets(1.0, 0.9, postgres=urls)
        with PostgresExporter(shop.place("postgres-exporter"), dsn) as peer:
            sides, notes = _measured(shop, "postgres", targets, peer, "pg_")
    return [_row("d", "Postgres: CPU per collection", 0.20, sides, notes)]


def redis(shop: Workshop) -> list[Row]:
    """(e): Redis."""
    with Redis(shop.place("redis-server")) as server:
        targets = Targets(1.0, 0.9, redis=(f"{server.url}/0",) * _TARGETS)
        with RedisExporter(shop.place("redis-exporter"), server) as peer:
            sides, notes = _measured(shop, "redis", targets, peer, "redis_")
    return [_row("e", "Redis: CPU per collection", 0.30, sides, notes)]


def _measured(
    shop: Workshop, kind: str, targets: Targets, peer: Peer, prefix: str
) -> tuple[Mapping[str, Side], tuple[str, ...]]:
    plan = shop.plan.of(5, 8.0)
    directory: Path = shop.place(f"{kind}-ours")
    with Exporter(directory, targets) as exporter:
        exporter.settle()
        notes = _compared(exporter, peer, prefix)
        exporter.pause()
        sides = interleaved(
            plan,
            {
                "ours": lambda: _ours(exporter, kind, plan.seconds),
                "peer": lambda: _peer(peer, plan.seconds),
            },
        )
    return sides, notes


def _ours(exporter: Exporter, kind: str, seconds: float) -> Figures:
    """Collections are probes here; Prometheus' scrape, once a second, is done too."""
    with turn(_SETTLE, exporter):
        succeeded, failed = probes(exporter, kind)
        before = cpu_seconds(exporter.pid)
        with Scraper(exporter.port) as scraper:
            paced(scraper, 1.0, seconds)
        cpu = cpu_seconds(exporter.pid) - before
        after, failed_after = probes(exporter, kind)
    if failed_after > failed:
        raise BenchError(f"{failed_after - failed} probes failed beside {after - succeeded}")
    return {"cpu": cpu / (after - succeeded), "rate": (after - succeeded) / seconds}


def _peer(peer: Peer, seconds: float) -> Figures:
    with Scraper(peer.port) as scraper:
        paced(scraper, _TARGETS, 1.0)
        before = cpu_seconds(peer.pid)
        collections = len(paced(scraper, _TARGETS, seconds))
        cpu = cpu_seconds(peer.pid) - before
    return {"cpu": cpu / collections, "rate": collections / seconds}


def _compared(exporter: Exporter, peer: Peer, prefix: str) -> tuple[str, ...]:
    """What each side tells of one database: series, and families of the peer that ours lacks."""
    with Scraper(exporter.port) as scraper:
        mine = families(scraper.scrape()[1])
    with Scraper(peer.port) as scraper:
        scraper.scrape()
        theirs = families(scraper.scrape()[1])
    ours = {name: count for name, count in mine.items() if name.startswith(prefix)}
    other = {name: n for name, n in theirs.items() if not name.startswith(_OF_THE_EXPORTER)}
    missing = sorted(other.keys() - ours.keys())
    up = theirs.get(f"{prefix}up", 0)
    if not up or not ours:
        raise BenchError(f"{peer.name}: no {prefix}up in its answer, or nothing in ours")
    shown = f": {', '.join(missing)}" if 0 < len(missing) <= 40 else ""
    return (
        (
            f"Per database {sum(ours.values()) // _TARGETS} series in {len(ours)} families of "
            f"ours, {sum(other.values())} in {len(other)} of the peer's; "
            f"{len(missing)} of the peer's families are not among ours{shown}."
        ),
    )


def _row(
    key: str, what: str, goal: float, sides: Mapping[str, Side], notes: tuple[str, ...]
) -> Row:
    ours, peer = sides["ours"], sides["peer"]
    return Row(
        key=key,
        what=what,
        unit="µs",
        ours=ours.spread("cpu").times(_MICRO),
        peer=peer.spread("cpu").times(_MICRO),
        most_ratio=goal,
        notes=(
            (
                f"{_TARGETS} targets at 1 s on one server, ours each by a new connection, and one "
                f"scrape a second; the peer is scraped {_TARGETS} times a second. Achieved: "
                f"{ours.spread('rate').median:.1f} and {peer.spread('rate').median:.1f} a second."
            ),
            *notes,
        ),
    )
