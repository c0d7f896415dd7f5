"""Row (f): memory of one exporter that does the work of three."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench.ours import Exporter, Targets
from bench.peers import Blackbox, Peer, PostgresExporter, RedisExporter
from bench.rounds import Figures, Plan, interleaved
from bench.scraper import Scraper
from bench.table import Row
from bench.usage import resident_bytes
from bench.workshop import Workshop
from programs import Postgres, Redis

_SERVICES = 21
_INTERVAL = 1.0
_MEGABYTE = 1e-6


def memory(shop: Workshop) -> list[Row]:
    """(f): after a while of probing 21 services, a Postgres and a Redis, once a second."""
    plan = shop.plan
    samples = Plan(min(plan.rounds, 5), plan.seconds, limit=1.0, attempts=5)
    warm_up = 5.0 if shop.quick else 30.0
    with ExitStack() as running:
        postgres = running.enter_context(Postgres())
        redis = running.enter_context(Redis(shop.place("memory-redis")))
        services = tuple(shop.nginx.urls[:_SERVICES])
        targets = Targets(_INTERVAL, 0.9, services, (postgres.dsn(),), (f"{redis.url}/0",))
        exporter = running.enter_context(Exporter(shop.place("memory-exporter"), targets))
        blackbox = running.enter_context(
            Blackbox(shop.place("memory-blackbox"), shop.nginx.ca_file)
        )
        others: tuple[Peer, ...] = (
            running.enter_context(PostgresExporter(shop.place("memory-postgres"), postgres.dsn())),
            running.enter_context(RedisExporter(shop.place("memory-redis-exporter"), redis)),
        )
        exporter.settle()
        scrapers = [
            Scraper(exporter.port, compressed=True),
            *(Scraper(peer.port) for peer in others),
            *(Scraper(blackbox.port, Blackbox.path(url)) for url in services),
        ]
        for scraper in scrapers:
            running.enter_context(scraper)
        _work(scrapers, warm_up)
        parts = {peer.name: resident_bytes(peer.pid) for peer in (blackbox, *others)}

        def ours() -> Figures:
            _work(scrapers, _INTERVAL)
            return {"memory": resident_bytes(exporter.pid)}

        def peers() -> Figures:
            _work(scrapers, _INTERVAL)
            return {"memory": sum(resident_bytes(peer.pid) for peer in (blackbox, *others))}

        sides = interleaved(samples, {"ours": ours, "peer": peers})
    shown = ", ".join(f"{name} {size * _MEGABYTE:.0f}" for name, size in parts.items())
    return [
        Row(
            key="f",
            what="memory, doing the three exporters' work",
            unit="MB",
            ours=sides["ours"].spread("memory").times(_MEGABYTE),
            peer=sides["peer"].spread("memory").times(_MEGABYTE),
            most=60.0,
            notes=(
                (
                    f"Resident, shared libraries included, after {warm_up:g} s of probing "
                    f"{_SERVICES} services, a Postgres and a Redis once a second; the peers' sum "
                    f"is of {shown} MB. Other load does not change it, so no round is dropped."
                ),
            ),
        )
    ]


def _work(scrapers: list[Scraper], seconds: float) -> None:
    """What Prometheus would do, once a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        due = time.monotonic() + _INTERVAL
        for scraper in scrapers:
            scraper.scrape()
        time.sleep(max(0.0, due - time.monotonic()))
