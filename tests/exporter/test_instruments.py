"""What the exporter counts of itself is what a parser reads back, and a histogram adds up."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.instruments import Registry
from model.names import Metric, MetricType

GAUGE = Metric("test_gauge", MetricType.GAUGE, "A gauge.", ("name",))
PLAIN = Metric("test_plain", MetricType.GAUGE, "A gauge.")
HISTOGRAM = Metric("test_seconds", MetricType.HISTOGRAM, "A histogram.", buckets=(0.5, 1.0))


def parsed(registry: Registry) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(registry.text().decode())
    return {
        (sample.name, (*sample.labels.values(),)): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_label_that_needs_escaping_reads_back_as_it_was() -> None:
    registry = Registry()
    registry.family(GAUGE).labels('a "b"\\\n').set(2)
    assert parsed(registry) == {("test_gauge", ('a "b"\\\n',)): 2.0}


def test_a_family_without_values_has_no_lines_also_after_it_had_some() -> None:
    registry = Registry()
    family = registry.family(GAUGE)
    assert registry.text() == b""
    family.labels("a").inc()
    family.clear()
    assert registry.text() == b""


def test_a_function_is_asked_by_each_scrape() -> None:
    registry, numbers = Registry(), iter((1, 2))
    registry.value(PLAIN).set_function(lambda: next(numbers))
    assert [parsed(registry), parsed(registry)] == [
        {("test_plain", ()): 1.0},
        {("test_plain", ()): 2.0},
    ]


def test_an_observation_at_a_bound_counts_below_it() -> None:
    registry = Registry()
    histogram = registry.histogram(HISTOGRAM)
    for number in (0.5, 0.51, 1.0, 1.01):
        histogram.observe(number)
    assert parsed(registry) == {
        ("test_seconds_bucket", ("0.5",)): 1.0,
        ("test_seconds_bucket", ("1.0",)): 3.0,
        ("test_seconds_bucket", ("+Inf",)): 4.0,
        ("test_seconds_count", ()): 4.0,
        ("test_seconds_sum", ()): pytest.approx(3.02),
    }


def test_one_value_is_found_by_its_name_and_labels() -> None:
    registry = Registry()
    registry.family(GAUGE).labels("a").set(3)
    assert registry.get_sample_value("test_gauge", {"name": "a"}) == 3.0
    assert registry.get_sample_value("test_gauge", {"name": "b"}) is None
