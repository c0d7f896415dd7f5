"""The real Prometheus and Alertmanager expose what the catalogue says, by name and label."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from model import names_alerting
from model.metric import Metric, MetricType
from programs import Alertmanager, Prometheus
from programs.server import request

DEADLINE = 90.0
METRICS = [value for value in vars(names_alerting).values() if isinstance(value, Metric)]
ALERTMANAGER_YML = """
route: {receiver: nobody}
receivers: [{name: nobody}]
"""
# One rule that fires, for an Alertmanager that takes it.
PROMETHEUS_YML = """
global: {{evaluation_interval: 1s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
"""
RULES_YML = """
groups: [{name: always, rules: [{alert: Always, expr: vector(1)}]}]
"""


def labels_of(page: str, name: str) -> list[set[str]]:
    """The labels of each series of a name; `le` and the like are labels too."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? \S+$", page, re.MULTILINE)
    return [set(re.findall(r'(\w+)="', labels)) for labels in found]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What each program says of itself, once Prometheus has sent an alert."""
    directory = tmp_path_factory.mktemp("alerting")
    (directory / "alertmanager.yml").write_text(ALERTMANAGER_YML)
    (directory / "rules.yml").write_text(RULES_YML)
    with Alertmanager(directory / "a", directory / "alertmanager.yml") as alertmanager:
        address = alertmanager.url.removeprefix("http://")
        config = directory / "prometheus.yml"
        config.write_text(
            PROMETHEUS_YML.format(rules=directory / "rules.yml", alertmanager=address)
        )
        with Prometheus(directory / "p", config) as prometheus:
            ends = time.monotonic() + DEADLINE
            while True:
                page = request(f"{prometheus.url}/metrics")[1]
                # There is a series before anything was sent.
                if re.search(r"^prometheus_notifications_sent_total\S* [1-9]", page, re.MULTILINE):
                    break
                assert time.monotonic() < ends, "Prometheus has sent no alert"
                time.sleep(0.2)
            told = request(f"{alertmanager.url}/metrics")[1]
            yield {"prometheus": page, "alertmanager": told}


@pytest.mark.parametrize("metric", METRICS, ids=[metric.name for metric in METRICS])
def test_the_program_exposes_it_with_its_type_and_labels(
    pages: dict[str, str], metric: Metric
) -> None:
    page = pages[metric.name.partition("_")[0]]
    assert f"# TYPE {metric.name} {metric.type.value}\n" in page
    counts = metric.type is MetricType.HISTOGRAM
    found = labels_of(page, f"{metric.name}_bucket" if counts else metric.name)
    assert found
    # Newer versions tell more: what an alert sums by has to be there.
    assert all(labels >= set(metric.labels) for labels in found)
