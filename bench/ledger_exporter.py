"""What the ledger's rows share: an exporter that keeps one, episodes in it, and figures of both."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench import ledger_load
from bench.ours import Exporter, Targets
from bench.scraper import Scraper
from bench.workshop import BenchError, Workshop

OPEN, DAYS = 200, 29
_LAG = b"monitoring_event_loop_lag_seconds "
# What ended within a month, and what is open: `{first}` to `{last}`, each on its own minute.
_EPISODES = """
INSERT INTO alerts (id, fingerprint, name, severity, service, status, labels, annotations,
    generator_url, starts_at, ends_at, created_at, updated_at, response_due_at, source, resolution,
    firing, suppressed, false_positive)
SELECT gen_random_uuid()::text, lpad(to_hex(n), 16, '0'), 'Alert' || n % 40,
    (ARRAY['critical', 'error', 'warning', 'info'])[1 + n % 4], 'service-' || n % 21, {status},
    jsonb_build_object('alertname', 'Alert' || n % 40, 'service', 'service-' || n % 21,
        'severity', (ARRAY['critical', 'error', 'warning', 'info'])[1 + n % 4], 'n', n::text),
    jsonb_build_object('summary', 'episode ' || n, 'description', repeat('It does not answer. ', 8),
        'value', '0', 'threshold', '< 0.5', 'runbook_url', 'http://monitoring/runbooks/' || n),
    'http://prometheus:9090/graph?g0.expr=probe_success', began, {ends}, began, began,
    began + interval '5 minutes', 'webhook', {resolution}, {firing}, false, false
FROM (SELECT n, now() - interval '{days} days' * (n::float / {last}) AS began
    FROM generate_series({first}, {last}) AS n) AS episodes;
"""


def started(shop: Workshop, running: ExitStack, name: str, **store: str) -> Exporter:
    """One whose store is open, and which probes 20 services. Raises BenchError."""
    targets = Targets(1.0, 0.9, services=tuple(shop.nginx.urls[:20]), ledger=True)
    exporter = running.enter_context(
        Exporter(shop.place(f"ledger-{name}"), targets, ledger_load.variables(**store))
    )
    exporter.settle()
    opened(exporter)
    return exporter


def opened(exporter: Exporter) -> None:
    """Wait for its store. Raises BenchError."""
    deadline = time.monotonic() + 30.0
    with Scraper(exporter.port) as scraper:
        while b"\nalert_ledger_store_up 1" not in scraper.scrape()[1]:
            if time.monotonic() > deadline:
                raise BenchError("the ledger's store is not open after 30 s")
            time.sleep(0.2)


def forgotten(shop: Workshop) -> float:
    """For how many seconds the exporter remembers how late its event loop was."""
    return 0.0 if shop.quick else 20.0


def seeded(history: int) -> str:
    """The statements that make so many episodes that have ended, and those that are open."""
    ended = {
        "status": "'resolved'",
        "ends": "began + interval '4 minutes'",
        "resolution": "'alertmanager'",
        "firing": "false",
    }
    still = {"status": "'active'", "ends": "NULL", "resolution": "NULL", "firing": "true"}
    last = history + OPEN
    return "".join(
        (
            _EPISODES.format(**ended, first=OPEN + 1, last=last, days=DAYS),
            _EPISODES.format(**still, first=1, last=OPEN, days=1),
            "ANALYZE alerts;",
        )
    )


def lag(exporter: Exporter) -> float:
    """For how many seconds the event loop was late at most, lately."""
    with Scraper(exporter.port) as scraper:
        _, _, rest = scraper.scrape()[1].partition(b"\n" + _LAG)
    return float(rest.partition(b"\n")[0])


def quantile(values: list[float], share: float) -> float:
    """The value under which a share of them is."""
    return sorted(values)[max(0, -(-round(share * 1000) * len(values) // 1000) - 1)]
