"""Row (b): 200 targets, each once a second, and Prometheus that scrapes the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from bench import chains
from bench.chains import Chain, value
from bench.ours import Targets
from bench.rounds import DisturbedError, Figures, Side, Spread, interleaved
from bench.table import Row
from bench.usage import cpu_seconds
from bench.workshop import Workshop, turn

_TARGETS = 200
# What the number of probes in a window may differ by at its edges.
_TOLERANCE = 0.15
_MICRO, _MILLI = 1e6, 1e3


def paced(shop: Workshop) -> list[Row]:
    """(b): CPU of exporter and Prometheus, and the durations that are reported."""
    plan = shop.plan.of(5, 12.0)
    settle = 2.0 if shop.quick else 3.0
    with ExitStack() as running:
        made = {name: make(shop, running) for name, make in _CHAINS.items()}
        time.sleep(settle)
        for chain in made.values():
            chain.pause()

        def measure(chain: Chain) -> Callable[[], Figures]:
            return lambda: _measure(shop, chain, settle, plan.seconds)

        sides = interleaved(plan, {name: measure(chain) for name, chain in made.items()})
    return _rows(sides)


def _ours(shop: Workshop, running: ExitStack) -> Chain:
    targets = Targets(1.0, 0.9, services=tuple(shop.nginx.urls[:_TARGETS]))
    return chains.ours(shop, running, "paced", targets)


def _peer(shop: Workshop, running: ExitStack) -> Chain:
    urls = tuple(shop.nginx.urls[:_TARGETS])
    return chains.peer(shop, running, "paced", urls, shop.nginx.ca_file)


_CHAINS: Mapping[str, Callable[[Workshop, ExitStack], Chain]] = {"ours": _ours, "peer": _peer}


def _measure(shop: Workshop, chain: Chain, settle: float, seconds: float) -> Figures:
    with turn(settle, chain.prometheus, chain.exporter):
        since = shop.nginx.position()
        exporter, prometheus = cpu_seconds(chain.exporter.pid), cpu_seconds(chain.prometheus.pid)
        time.sleep(seconds)
        exporter = cpu_seconds(chain.exporter.pid) - exporter
        prometheus = cpu_seconds(chain.prometheus.pid) - prometheus
        seen = shop.nginx.connections(since, chain.agent)
        window = f"[{seconds:g}s]"
        duration = value(chain.prometheus, f"avg(avg_over_time(probe_duration_seconds{window}))")
        up = value(chain.prometheus, "sum(probe_success)")
    if up != _TARGETS:
        raise DisturbedError(
            f"{chain.exporter.name}: Prometheus sees {up:g} of {_TARGETS} targets up"
        )
    if abs(seen.new / (_TARGETS * seconds) - 1) > _TOLERANCE:
        raise DisturbedError(
            f"{chain.exporter.name}: {seen} in {seconds:g} s for {_TARGETS} targets"
        )
    return {
        "cpu": (exporter + prometheus) / seen.new,
        "exporter": exporter / seen.new,
        "prometheus": prometheus / seen.new,
        "duration": duration,
        "rate": seen.new / seconds,
    }


def _rows(sides: Mapping[str, Side]) -> list[Row]:
    ours, peer = sides["ours"], sides["peer"]
    parts = "; ".join(
        f"{name}: {_micro(side, 'exporter')} + {_micro(side, 'prometheus')} µs a probe, "
        f"{side.spread('rate').median:.0f} new connections a second"
        for name, side in sides.items()
    )
    return [
        Row(
            key="b",
            what=f"{_TARGETS} targets at 1 s: CPU of exporter + Prometheus per probe",
            unit="µs",
            ours=ours.spread("cpu").times(_MICRO),
            peer=peer.spread("cpu").times(_MICRO),
            most_ratio=0.13,
            notes=(
                f"Exporter + Prometheus, {parts} (nginx's log).",
                "Prometheus scrapes either side once a second, so that both are as fresh.",
            ),
        ),
        Row(
            key="b",
            what="the same: mean duration that is reported",
            unit="ms",
            ours=ours.spread("duration").times(_MILLI),
            peer=peer.spread("duration").times(_MILLI),
            most_ratio=1.0,
        ),
    ]


def _micro(side: Side, name: str) -> str:
    spread: Spread = side.spread(name).times(_MICRO)
    return f"{spread.median:.0f}"
