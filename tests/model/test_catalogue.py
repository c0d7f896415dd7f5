"""The catalogue of metrics keeps Prometheus' rules, and the names that people know."""

from __future__ import annotations

import re

import pytest

from model import names
from model.names import Metric, MetricType, Scope, catalogue

# By identity: a setting has a place in a table, and may have a name of its own too.
METRICS = list(
    {
        id(metric): metric
        for metric in (*vars(names).values(), *names.PG_SETTINGS.values())
        if isinstance(metric, Metric)
    }.values()
)


def each(metrics: list[Metric]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("metric", metrics, ids=[metric.name for metric in metrics])


def test_no_two_metrics_have_one_name() -> None:
    assert len(catalogue()) == len(METRICS)


def test_no_metric_looks_like_a_part_of_a_histogram() -> None:
    parts = {
        metric.name + suffix
        for metric in METRICS
        if metric.type is MetricType.HISTOGRAM
        for suffix in ("_bucket", "_sum", "_count")
    }
    assert parts.isdisjoint(catalogue())


@each(METRICS)
def test_names_and_labels_are_ones_that_prometheus_accepts(metric: Metric) -> None:
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", metric.name)
    assert len(set(metric.labels)) == len(metric.labels)
    for label in metric.labels:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", label)
        assert label not in {"le", "quantile"}


@each([metric for metric in METRICS if metric.scope is not Scope.SERVICE])
def test_what_we_expose_leaves_the_labels_of_the_scrape_to_prometheus(metric: Metric) -> None:
    assert {"job", "instance"}.isdisjoint(metric.labels)


@each(METRICS)
def test_help_is_one_sentence(metric: Metric) -> None:
    assert metric.help.endswith(".")
    assert "\n" not in metric.help


@each(METRICS)
def test_a_counter_ends_in_total_and_else_only_what_is_untyped(metric: Metric) -> None:
    if metric.type is not MetricType.UNTYPED:
        assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)


@each(METRICS)
def test_only_histograms_have_buckets_and_theirs_rise(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("wanted", ["errors_total", "process_resident_memory"])
def test_what_the_runbook_greps_for_is_found(wanted: str) -> None:
    assert any(wanted in name for name in catalogue())
