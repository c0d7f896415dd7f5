"""Row (b): 200 targets, each once a second, and Prometheus that scrapes the result."""

from __future__ import annotations

import http
import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.ours import AGENT, Exporter, Targets
from bench.peers import Blackbox
from bench.rounds import DisturbedError, Figures, Side, Spread, interleaved
from bench.table import Row
from bench.usage import cpu_seconds
from bench.workshop import BenchError, Workshop, turn
from programs import Prometheus
from programs.server import Server, request

_TARGETS = 200
# What the number of probes in a window may differ by at its edges.
_TOLERANCE = 0.15
_MICRO, _MILLI = 1e6, 1e3

_PACE = "global: {scrape_interval: 1s, scrape_timeout: 900ms}\n"
_SCRAPE_OURS = """\
scrape_configs:
  - job_name: monitoring-service
    static_configs: [{{targets: ["{address}"]}}]
"""
_SCRAPE_BLACKBOX = """\
scrape_configs:
  - job_name: blackbox
    metrics_path: /probe
    params: {{module: [http]}}
    static_configs: [{{targets: {targets}}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: "{address}"}}
"""


@dataclass(frozen=True, slots=True)
class _Chain:
    """An exporter and the Prometheus that makes it work; `agent` is who it is in nginx's log."""

    exporter: Server
    prometheus: Prometheus
    agent: str


def paced(shop: Workshop) -> list[Row]:
    """(b): CPU of exporter and Prometheus, and the durations that are reported."""
    plan = shop.plan.of(5, 12.0)
    settle = 2.0 if shop.quick else 3.0
    with ExitStack() as running:
        chains = {name: make(shop, running) for name, make in _CHAINS.items()}
        time.sleep(settle)
        for chain in chains.values():
            chain.exporter.pause()
            chain.prometheus.pause()

        def measure(chain: _Chain) -> Callable[[], Figures]:
            return lambda: _measure(shop, chain, settle, plan.seconds)

        sides = interleaved(plan, {name: measure(chain) for name, chain in chains.items()})
    return _rows(sides)


def _ours(shop: Workshop, running: ExitStack) -> _Chain:
    targets = Targets(1.0, 0.9, services=tuple(shop.nginx.urls[:_TARGETS]))
    exporter = running.enter_context(Exporter(shop.place("paced-exporter"), targets))
    exporter.settle()
    text = _SCRAPE_OURS.format(address=f"{exporter.host}:{exporter.port}")
    return _Chain(exporter, _prometheus(shop, running, "paced-ours", text), AGENT)


def _peer(shop: Workshop, running: ExitStack) -> _Chain:
    blackbox = running.enter_context(Blackbox(shop.place("paced-blackbox"), shop.nginx.ca_file))
    targets = [f"{url}/health" for url in shop.nginx.urls[:_TARGETS]]
    text = _SCRAPE_BLACKBOX.format(
        targets=json.dumps(targets), address=f"{blackbox.host}:{blackbox.port}"
    )
    return _Chain(blackbox, _prometheus(shop, running, "paced-peer", text), Blackbox.agent)


_CHAINS: Mapping[str, Callable[[Workshop, ExitStack], _Chain]] = {"ours": _ours, "peer": _peer}


def _prometheus(shop: Workshop, running: ExitStack, name: str, scrapes: str) -> Prometheus:
    config = shop.place(f"{name}.yml")
    Path(config).write_text(_PACE + scrapes)
    return running.enter_context(Prometheus(shop.place(name), config))


def _measure(shop: Workshop, chain: _Chain, settle: float, seconds: float) -> Figures:
    with turn(settle, chain.prometheus, chain.exporter):
        since = shop.nginx.position()
        exporter, prometheus = cpu_seconds(chain.exporter.pid), cpu_seconds(chain.prometheus.pid)
        time.sleep(seconds)
        exporter = cpu_seconds(chain.exporter.pid) - exporter
        prometheus = cpu_seconds(chain.prometheus.pid) - prometheus
        seen = shop.nginx.connections(since, chain.agent)
        window = f"[{seconds:g}s]"
        duration = _query(chain.prometheus, f"avg(avg_over_time(probe_duration_seconds{window}))")
        up = _query(chain.prometheus, "sum(probe_success)")
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


def _query(prometheus: Prometheus, expression: str) -> float:
    status, body = request(f"{prometheus.url}/api/v1/query?query={quote(expression)}")
    result = json.loads(body)["data"]["result"] if status == http.HTTPStatus.OK else []
    if not result:
        raise BenchError(f"Prometheus has no answer to {expression}: {body[:200]}")
    return float(result[0]["value"][1])


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
