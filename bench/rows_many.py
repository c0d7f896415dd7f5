"""Rows (h) and (i): 10,000 targets, what a scrape of them costs and what a probe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack

from bench.ours import AGENT, Exporter, Targets
from bench.rounds import DisturbedError, Figures, Side, interleaved
from bench.scraper import Scraper, paced
from bench.table import Row
from bench.usage import cpu_seconds
from bench.workshop import Workshop, turn

_MANY, _FEW = 10_000, 100
_INTERVAL, _TIMEOUT = 10.0, 3.0
# Whole intervals: within one, probes need not be spread evenly.
_WINDOW = _INTERVAL
_PER_SECOND = 2.0
_TOLERANCE = 0.1
_MILLI, _MICRO = 1e3, 1e6


def many(shop: Workshop) -> list[Row]:
    """(h) and (i): CPU of a scrape, and of a probe with many targets against few."""
    plan = shop.plan.of(3, _WINDOW)
    with ExitStack() as running:
        small = running.enter_context(Exporter(shop.place("few"), _targets(shop, _FEW)))
        small.settle()
        small.pause()
        large = running.enter_context(Exporter(shop.place("many"), _targets(shop, _MANY)))
        large.settle()

        def of_many() -> Figures:
            # After a pause all targets start anew within half an interval.
            with turn(0.0 if shop.quick else 2 * _INTERVAL, large):
                return _scraped(shop, large)

        def of_few() -> Figures:
            with turn(_INTERVAL / 2, small):
                cpu, probes = _probing(shop, small, _WINDOW if shop.quick else 2 * _WINDOW)
            return {"cpu": cpu / probes}

        sides = interleaved(plan, {"many": of_many, "few": of_few})
    return _rows(sides)


def _targets(shop: Workshop, count: int) -> Targets:
    urls = shop.nginx.urls
    return Targets(
        _INTERVAL, _TIMEOUT, services=tuple(urls[number % len(urls)] for number in range(count))
    )


def _probing(shop: Workshop, exporter: Exporter, seconds: float) -> tuple[float, int]:
    """CPU seconds of a stretch in which nobody scrapes, and the probes in it."""
    since, before = shop.nginx.position(), cpu_seconds(exporter.pid)
    time.sleep(seconds)
    return (
        cpu_seconds(exporter.pid) - before,
        shop.nginx.connections(since, AGENT).new,
    )


def _scraped(shop: Workshop, exporter: Exporter) -> Figures:
    """What a scrape adds to the CPU that probing takes anyhow."""
    idle, probes = _probing(shop, exporter, _WINDOW)
    expected = _MANY * _WINDOW / _INTERVAL
    if abs(probes / expected - 1) > _TOLERANCE:
        raise DisturbedError(f"{probes} probes in {_WINDOW:g} s, but {expected:g} are due")
    figures = {"cpu": idle / probes}
    for name, compressed in (("plain", False), ("compressed", True)):
        with Scraper(exporter.port, compressed=compressed) as scraper:
            started, before = time.monotonic(), cpu_seconds(exporter.pid)
            took = paced(scraper, _PER_SECOND, _WINDOW)
            used = cpu_seconds(exporter.pid) - before
            probing = idle * (time.monotonic() - started) / _WINDOW
            _, body = scraper.scrape()
        figures[name] = (used - probing) / len(took)
        figures["bytes"] = len(body)
        figures["series"] = sum(not line.startswith(b"#") for line in body.splitlines())
    return figures


def _rows(sides: Mapping[str, Side]) -> list[Row]:
    large, small = sides["many"], sides["few"]
    size, series = large.spread("bytes").median, large.spread("series").median
    note = (
        f"{series:,.0f} series, {size * 1e-6:.1f} MB. CPU of {_WINDOW:g} s with "
        f"{_PER_SECOND:g} scrapes a second, less that of {_WINDOW:g} s without, while 1,000 "
        "targets a second are probed. The Go figures are the issue's: Debian has no exporter "
        "that serves so many targets."
    )
    return [
        *(
            Row(
                key="h",
                what=f"/metrics, {_MANY:,} targets at 10 s: CPU, {name}",
                unit="ms",
                ours=large.spread(name).times(_MILLI),
                quoted=quoted,
                most=most,
                notes=(note,) * (name == "plain"),
            )
            for name, most, quoted in (("plain", 20.0, 344.0), ("compressed", 100.0, 472.0))
        ),
        Row(
            key="i",
            what=f"CPU per probe, {_MANY:,} targets against {_FEW}, each at 10 s",
            unit="µs",
            ours=large.spread("cpu").times(_MICRO),
            peer=small.spread("cpu").times(_MICRO),
            most_ratio=1.3,
            notes=(f"What stands as the peer is our exporter with {_FEW} targets.",),
        ),
    ]
