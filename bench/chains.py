"""An exporter and the Prometheus that makes it work: 200 targets at 1 s, ours and the peer's."""

from __future__ import annotations

import http
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from bench.ours import AGENT, Exporter, Targets
from bench.peers import Blackbox
from bench.workshop import BenchError, Workshop
from programs import Prometheus
from programs.server import Server, request

_NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
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
class Chain:
    """Both, running; `agent` is who the exporter is in a target's log."""

    exporter: Server
    prometheus: Prometheus
    agent: str

    def pause(self) -> None:
        """Stop both until it is their turn."""
        self.exporter.pause()
        self.prometheus.pause()


def ours(
    shop: Workshop,
    running: ExitStack,
    name: str,
    targets: Targets,
    variables: Mapping[str, str] = _NOTHING_MORE,
) -> Chain:
    """Our exporter, which has a result of every target, and a Prometheus that scrapes it."""
    exporter = running.enter_context(Exporter(shop.place(f"{name}-exporter"), targets, variables))
    exporter.settle()
    text = _SCRAPE_OURS.format(address=f"{exporter.host}:{exporter.port}")
    return Chain(exporter, _prometheus(shop, running, f"{name}-ours", text), AGENT)


def peer(
    shop: Workshop, running: ExitStack, name: str, urls: tuple[str, ...], ca_file: Path
) -> Chain:
    """blackbox_exporter, and a Prometheus that has it probe these services."""
    blackbox = running.enter_context(Blackbox(shop.place(f"{name}-blackbox"), ca_file))
    text = _SCRAPE_BLACKBOX.format(
        targets=json.dumps([f"{url}/health" for url in urls]),
        address=f"{blackbox.host}:{blackbox.port}",
    )
    return Chain(blackbox, _prometheus(shop, running, f"{name}-peer", text), Blackbox.agent)


def _prometheus(shop: Workshop, running: ExitStack, name: str, scrapes: str) -> Prometheus:
    config = shop.place(f"{name}.yml")
    Path(config).write_text(_PACE + scrapes)
    return running.enter_context(Prometheus(shop.place(name), config))


def query(prometheus: Prometheus, expression: str) -> list[dict[str, Any]]:
    """The series that answer an instant query. Raises BenchError if there is none."""
    status, body = request(f"{prometheus.url}/api/v1/query?query={quote(expression)}", timeout=30)
    result: list[dict[str, Any]] = (
        json.loads(body)["data"]["result"] if status == http.HTTPStatus.OK else []
    )
    if not result:
        raise BenchError(f"Prometheus has no answer to {expression}: {body[:200]}")
    return result


def value(prometheus: Prometheus, expression: str) -> float:
    """The number that answers an instant query. Raises BenchError if there is none."""
    return float(query(prometheus, expression)[0]["value"][1])
