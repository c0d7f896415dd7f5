"""Row (n): how fast the API answers while a million rows of metrics are archived."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import psycopg
from psycopg.rows import TupleRow

from bench import ledger_exporter as ledger
from bench import ledger_load
from bench.ours import Exporter
from bench.rounds import Figures, Side, interleaved
from bench.scraper import Scraper, paced
from bench.table import Row
from bench.workshop import BenchError, Workshop
from programs import Postgres

_ROWS, _HISTORY = 1_000_000, 10_000
_IDLE_SECONDS = 30.0
_MILLI = 1e3
# The goal of the issue.
_MOST_RATIO = 2.0
# The worker looks at least once a minute whether it is due.
_BEGUN_SECONDS, _DONE_SECONDS = 120.0, 900.0
_IDLE, _ARCHIVING = "idle", "archiving"
# Of the months that are over 90 days old: 21 targets, a row in three minutes for each.
_OLD = """
INSERT INTO metrics
    (timestamp, target, replica, kind, seconds, probes, successes, degraded, duration_sum, buckets)
SELECT now() - interval '91 days' - n / 21 * interval '3 minutes', 'service-' || n %% 21, '*',
    'http', 180, 36, 36, 0, 0.4, '{"18": 3, "19": 11, "20": 14, "21": 6, "24": 2}'
FROM generate_series(0, %(rows)s::int - 1) AS n
"""
_ARCHIVES = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'metrics\\_archive\\_%' ORDER BY 1
"""
_RUNNING = "SELECT running FROM workers WHERE name = 'cleanup'"

_Connection = psycopg.Connection[TupleRow]


def archive(shop: Workshop) -> list[Row]:
    """(n): the list of open alerts, at rest and while the cleanup worker archives, on Postgres."""
    rows = _ROWS // 100 if shop.quick else _ROWS
    with ExitStack() as running:
        postgres = running.enter_context(Postgres())
        exporter = ledger.started(shop, running, "archive", DATABASE_URL=postgres.dsn())
        postgres.execute(ledger.seeded(_HISTORY))
        store = running.enter_context(psycopg.connect(postgres.dsn(), autocommit=True))
        plan = shop.plan.of(2, _IDLE_SECONDS)
        measures: dict[str, Callable[[], Figures]] = {
            _IDLE: lambda: _idle(shop, exporter, plan.seconds),
            _ARCHIVING: lambda: _archiving(shop, exporter, store, rows),
        }
        sides = interleaved(plan, measures)
    return _rows(sides, rows)


def _idle(shop: Workshop, exporter: Exporter, seconds: float) -> Figures:
    time.sleep(ledger.forgotten(shop))
    with ledger_load.reader(exporter.port, ledger_load.LIST) as scraper:
        took = paced(scraper, ledger_load.LISTS_PER_SECOND, seconds)
    return {**_quantiles(took), "lag": ledger.lag(exporter)}


def _archiving(shop: Workshop, exporter: Exporter, store: _Connection, rows: int) -> Figures:
    _seed(store, rows)
    time.sleep(ledger.forgotten(shop))
    took: list[float] = []
    # A run is due at once if there was none.
    store.execute("DELETE FROM workers WHERE name = 'cleanup'")
    if shop.quick:
        exporter.stop()
        exporter.start()
        exporter.wait_ready()
        ledger.opened(exporter)
    _wait_begun(store)
    started = time.monotonic()
    with ledger_load.reader(exporter.port, ledger_load.LIST) as scraper:
        took += _looked(scraper)
        while _one(store, _RUNNING):
            if time.monotonic() - started > _DONE_SECONDS:
                raise BenchError(f"{rows} rows are not archived after {_DONE_SECONDS:g} s")
            took += _looked(scraper)
        seconds = time.monotonic() - started
    lag = ledger.lag(exporter)
    _prove_and_drop(store, rows)
    return {**_quantiles(took), "lag": lag, "rate": rows / seconds}


def _looked(scraper: Scraper) -> list[float]:
    return paced(scraper, ledger_load.LISTS_PER_SECOND, 0.5)


def _seed(store: _Connection, rows: int) -> None:
    store.execute(_OLD, {"rows": rows})
    store.execute("VACUUM ANALYZE metrics")
    # Not while it is measured.
    store.execute("CHECKPOINT")


def _wait_begun(store: _Connection) -> None:
    """Raises BenchError."""
    deadline = time.monotonic() + _BEGUN_SECONDS
    while _one(store, _RUNNING) is None:
        if time.monotonic() > deadline:
            raise BenchError(f"the cleanup worker has not begun after {_BEGUN_SECONDS:g} s")
        time.sleep(0.05)


def _prove_and_drop(store: _Connection, rows: int) -> None:
    """Every row has to be in an archive, once. Raises BenchError."""
    names = [str(name) for (name,) in store.execute(_ARCHIVES).fetchall()]
    moved = sum(int(str(_one(store, f"SELECT count(*) FROM {name}"))) for name in names)  # noqa: S608
    left = _one(store, "SELECT count(*) FROM metrics WHERE timestamp < now() - interval '90 days'")
    if (moved, left) != (rows, 0):
        raise BenchError(f"of {rows} rows {moved} were archived, and {left} were left")
    for name in names:
        store.execute(f"DROP TABLE {name}")


def _one(store: _Connection, query: str) -> object:
    """The only value of the only row; None without one."""
    row = store.execute(query).fetchone()
    return None if row is None else row[0]


def _quantiles(took: list[float]) -> Figures:
    return {"p50": ledger.quantile(took, 0.5), "p99": ledger.quantile(took, 0.99)}


def _rows(sides: Mapping[str, Side], rows: int) -> list[Row]:
    idle, busy = sides[_IDLE], sides[_ARCHIVING]
    lags = ", ".join(
        f"{name} {side.spread('lag').times(_MILLI).median:.1f} ms" for name, side in sides.items()
    )
    note = (
        f"{rows:,} rows of over 90 days are archived by the cleanup worker of the exporter that "
        f"answers, on Postgres (fsync is off), {busy.spread('rate').median:,.0f} a second; "
        f"{ledger.OPEN} open alerts are listed {ledger_load.LISTS_PER_SECOND:g} times a second "
        "while 20 services are probed. What stands as the peer is the same at rest. All rows were "
        f"found in the archives, each once. The event loop was late by at most ({lags})."
    )
    return [
        Row(
            key="n",
            what=f"list of active alerts while rows are archived, {name}",
            unit="ms",
            ours=busy.spread(name).times(_MILLI),
            peer=idle.spread(name).times(_MILLI),
            most_ratio=_MOST_RATIO if name == "p99" else None,
            notes=(note,) if name == "p99" else (),
        )
        for name in ("p99", "p50")
    ]
