"""The text format: what is rendered is what a parser reads back, whatever the labels and values."""

from __future__ import annotations

import math
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Parsed

from exporter.exposition import fragments, join, number, probe_page, render_sample
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model.names import Metric, MetricType, catalogue
from programs import find

# What a target can be told to call a database: any text but half of a surrogate pair.
TEXTS = st.text(st.characters(codec="utf-8"))

GAUGE = Metric("test_gauge", MetricType.GAUGE, "A gauge.", ("target", "name"))
PLAIN = Metric("test_plain", MetricType.GAUGE, "A gauge.", ("target",))
HISTOGRAM = Metric(
    "test_seconds", MetricType.HISTOGRAM, "A histogram.", ("target",), buckets=(0.5, 1.0, 2.5)
)


def parsed(text: bytes) -> list[Parsed]:
    families = text_string_to_metric_families(text.decode())
    return [sample for family in families for sample in family.samples]


def page(*samples: Sample, target: str = "db") -> bytes:
    families = tuple(dict.fromkeys(sample.metric for sample in samples))
    return b"".join(join(families, [fragments(samples, target)]))


# --- round trip ---------------------------------------------------------------------------------


@given(TEXTS, TEXTS)
def test_any_label_value_reads_back_as_it_was(target: str, name: str) -> None:
    [sample] = parsed(page(Sample(GAUGE, (name,), 1.0), target=target))
    assert sample.labels == {"target": target, "name": name}


@given(st.floats() | st.integers(-(2**62), 2**62).map(float))
def test_any_float_reads_back_exactly(value: float) -> None:
    [sample] = parsed(page(Sample(PLAIN, (), value)))
    assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.5, "-0.5"),
        (1.0, "1"),
        (1767225600.0, "1767225600"),
        (999_999_999_999_999.0, "999999999999999"),
        (1e16, "1e+16"),
        (0.1, "0.1"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_a_value_is_printed_in_its_shortest_form(value: float, text: str) -> None:
    assert number(value) == text


def test_help_with_a_backslash_or_a_newline_stays_one_line() -> None:
    metric = Metric("test_help", MetricType.GAUGE, "One\\two\nthree.", ("target",))
    [family] = text_string_to_metric_families(page(Sample(metric)).decode())
    assert family.documentation == "One\\two\nthree."


# --- histograms ---------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4))
def test_a_histograms_buckets_are_cumulative_and_the_last_is_the_count(counts: list[int]) -> None:
    samples = parsed(page(Sample(HISTOGRAM, buckets=tuple(counts), sum=2.5)))
    values = {(one.name, one.labels.get("le")): one.value for one in samples}
    assert values == {
        ("test_seconds_bucket", "0.5"): counts[0],
        ("test_seconds_bucket", "1"): sum(counts[:2]),
        ("test_seconds_bucket", "2.5"): sum(counts[:3]),
        ("test_seconds_bucket", "+Inf"): sum(counts),
        ("test_seconds_sum", None): 2.5,
        ("test_seconds_count", None): sum(counts),
    }


def test_a_histogram_without_a_count_for_every_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        render_sample(Sample(HISTOGRAM, buckets=(1, 2, 3)), "", 1)


def test_labels_that_do_not_fit_their_metric_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        fragments([Sample(GAUGE, ("a", "b"))], "db")


# --- families -----------------------------------------------------------------------------------


def test_a_familys_lines_stand_together_under_one_header_whoever_they_are_about() -> None:
    targets = [fragments([Sample(PLAIN), Sample(GAUGE, ("x",))], name) for name in ("a", "b")]
    assert b"".join(join((GAUGE, PLAIN), targets)) == (
        b"# HELP test_gauge A gauge.\n# TYPE test_gauge gauge\n"
        b'test_gauge{target="a",name="x"} 0\ntest_gauge{target="b",name="x"} 0\n'
        b"# HELP test_plain A gauge.\n# TYPE test_plain gauge\n"
        b'test_plain{target="a"} 0\ntest_plain{target="b"} 0\n'
    )


def test_a_family_without_samples_has_no_header() -> None:
    found = join((GAUGE, PLAIN), [fragments([Sample(PLAIN)], "a"), {}])
    assert b"".join(found).count(b"# TYPE") == 1
    assert join((GAUGE, PLAIN), []) == []


# --- /probe -------------------------------------------------------------------------------------


def result(*samples: Sample, reason: Reason | None = None) -> ProbeResult:
    health = Health.UNHEALTHY if reason else Health.HEALTHY
    return ProbeResult(health, 0.25, 1767225600.0, reason, "", samples)


@pytest.mark.parametrize(("reason", "success"), [(Reason.TIMEOUT, "0"), (None, "1")])
def test_a_probe_page_says_success_and_duration_without_labels(
    reason: Reason | None, success: str
) -> None:
    lines = probe_page(result(reason=reason)).decode().splitlines()
    assert f"probe_success {success}" in lines
    assert "probe_duration_seconds 0.25" in lines


def test_a_probe_page_leaves_out_the_target_but_keeps_other_labels() -> None:
    text = probe_page(result(Sample(GAUGE, ("x",), 2.0), Sample(HISTOGRAM, buckets=(1, 0, 0, 0))))
    assert b'test_gauge{name="x"} 2\n' in text
    assert b'test_seconds_bucket{le="0.5"} 1\n' in text
    assert b"target=" not in text


def test_a_probe_page_groups_families_however_the_prober_mixed_them() -> None:
    text = probe_page(result(Sample(GAUGE, ("x",)), Sample(PLAIN), Sample(GAUGE, ("y",))))
    assert text.count(b"# TYPE test_gauge") == 1
    assert [sample.name for sample in parsed(text)].count("test_gauge") == 2


def everything(metric: Metric) -> Sample:
    """A sample of a metric with something in every label."""
    labels = tuple(f'{label}\\ "x"' for label in metric.labels[1:])
    return Sample(metric, labels, 1.0, (1,) * (len(metric.buckets) + 1), 1.0)


def test_promtool_has_nothing_to_say_about_any_metric_of_the_catalogue() -> None:
    metrics = [m for m in catalogue().values() if m.labels[:1] == ("target",)]
    text = page(*(everything(metric) for metric in metrics))
    checked = subprocess.run(
        [find("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
