"""Rows (l) and (m): how fast the ledger takes alerts in, and how fast it lists them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from bench import ledger_exporter as ledger
from bench import ledger_load
from bench.ours import Exporter
from bench.rounds import Figures, Side, interleaved
from bench.scraper import paced
from bench.table import Row
from bench.usage import cpu_seconds
from bench.workshop import Workshop
from programs import Postgres

_ALERTS, _CONNECTIONS = 1000, 50
# Alertmanager cancels what takes longer, and sends it again.
_PATIENCE_MS = 10_000.0
_HISTORY = 100_000
_LISTED_SECONDS = 20.0
_STATISTICS = "/api/alerts/statistics?window=30d"
_STATISTICS_READ = 5
_MILLI = 1e3
_STORES = ("SQLite", "Postgres")


def ingestion(shop: Workshop) -> list[Row]:
    """(l): 1,000 alerts, each by a webhook of its own, as fast as they are taken."""
    count = _ALERTS // 10 if shop.quick else _ALERTS
    with ExitStack() as running:
        postgres = running.enter_context(Postgres())
        made = {
            "SQLite": ledger.started(
                shop, running, "sqlite", LEDGER_FILE=str(shop.place("ledger.sqlite3"))
            ),
            "Postgres": ledger.started(shop, running, "postgres", DATABASE_URL=postgres.dsn()),
        }

        def measure(exporter: Exporter) -> Callable[[], Figures]:
            return lambda: _taken_in(exporter, count)

        sides = interleaved(
            shop.plan.of(5, 0.0), {name: measure(exporter) for name, exporter in made.items()}
        )
    return _ingestion_rows(sides, count)


def listing(shop: Workshop) -> list[Row]:
    """(m): the list of active alerts on Postgres, with a long history beside."""
    with ExitStack() as running:
        postgres = running.enter_context(Postgres())
        exporter = ledger.started(shop, running, "history", DATABASE_URL=postgres.dsn())
        history = _HISTORY // 10 if shop.quick else _HISTORY
        postgres.execute(ledger.seeded(history))
        time.sleep(ledger.forgotten(shop))
        plan = shop.plan.of(3, _LISTED_SECONDS)
        sides = interleaved(plan, {"ours": lambda: _read(exporter, plan.seconds)})
    return _listing_rows(sides["ours"], history)


def _taken_in(exporter: Exporter, count: int) -> Figures:
    bodies = ledger_load.webhooks(secrets.token_hex(4), count)
    started = time.perf_counter()
    took = ledger_load.delivered(exporter.port, bodies, _CONNECTIONS)
    seconds = time.perf_counter() - started
    return {
        "rate": count / seconds,
        "p99": ledger.quantile(took, 0.99),
        "lag": ledger.lag(exporter),
    }


def _read(exporter: Exporter, seconds: float) -> Figures:
    with ledger_load.reader(exporter.port, ledger_load.LIST) as scraper:
        before = cpu_seconds(exporter.pid)
        took = paced(scraper, ledger_load.LISTS_PER_SECOND, seconds)
        used, lag = cpu_seconds(exporter.pid) - before, ledger.lag(exporter)
        _, body = scraper.scrape()
    with ledger_load.reader(exporter.port, _STATISTICS) as scraper:
        counted = [scraper.scrape()[0] for _ in range(_STATISTICS_READ)]
    return {
        "p50": ledger.quantile(took, 0.5),
        "p99": ledger.quantile(took, 0.99),
        "statistics": ledger.quantile(counted, 0.5),
        "cpu": used / len(took),
        "lag": lag,
        "listed": body.count(b'"ruleId"'),
    }


def _ingestion_rows(sides: Mapping[str, Side], count: int) -> list[Row]:
    note = (
        f"{count:,} alerts that are new, each by a webhook of its own, as Alertmanager sends them, "
        f"over {_CONNECTIONS} connections; what is answered is committed. Alertmanager waits for "
        f"10 s. {_lags(sides)}"
    )
    rates = [
        Row(
            key="l",
            what=f"webhooks taken in, {store}",
            unit="alerts/s",
            ours=sides[store].spread("rate"),
            notes=(note,) if store == _STORES[0] else (),
        )
        for store in _STORES
    ]
    answers = [
        Row(
            key="l",
            what=f"answer to a webhook, {store}, p99",
            unit="ms",
            ours=sides[store].spread("p99").times(_MILLI),
            most=_PATIENCE_MS,
        )
        for store in _STORES
    ]
    return [*rates, *answers]


def _listing_rows(side: Side, history: int) -> list[Row]:
    note = (
        f"{side.spread('listed').median:g} open alerts and {history:,} that ended within "
        f"{ledger.DAYS} days, on Postgres; the list is read {ledger_load.LISTS_PER_SECOND:g} times "
        "a second over one connection while 20 services are probed, which all in all takes "
        f"{side.spread('cpu').times(_MILLI).median:.1f} ms of CPU a list. "
        f"{_lags({'Postgres': side})}"
    )
    return [
        Row(
            key="m",
            what="list of active alerts, p99",
            unit="ms",
            ours=side.spread("p99").times(_MILLI),
            most=50.0,
            notes=(note,),
        ),
        Row(
            key="m",
            what="list of active alerts, p50",
            unit="ms",
            ours=side.spread("p50").times(_MILLI),
        ),
        Row(
            key="m",
            what="statistics over 30 days",
            unit="ms",
            ours=side.spread("statistics").times(_MILLI),
        ),
    ]


def _lags(sides: Mapping[str, Side]) -> str:
    lags = (
        f"{name} {side.spread('lag').times(_MILLI).median:.1f} ms" for name, side in sides.items()
    )
    return f"The event loop was late by at most ({', '.join(lags)}); goal 10 ms."
