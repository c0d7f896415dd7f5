"""Expressions: what they look like, which labels they keep, and that Prometheus reads them so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import (
    Aggregate,
    Always,
    Count,
    Match,
    OrZero,
    TimeUntil,
    Unless,
    days,
    metrics,
    minutes,
    observed,
    quantile,
    rate,
    seconds,
    select,
)
from model.declared import ConfigError
from model.names import Collapse
from model.promql import Expr

pg_up = observed(metrics.PG_UP)
probed = observed(metrics.PROBE_SUCCESS)


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (select(metrics.PG_UP), "pg_up"),
        (select(metrics.PG_UP, target="db"), 'pg_up{target="db"}'),
        (
            select(metrics.UP, job="a").where(Match.NOT_REGEX, instance="b.*"),
            'up{job="a",instance!~"b.*"}',
        ),
        (pg_up < "0.5", "avg by (target) (pg_up) < 0.5"),
        (pg_up <= 1, "avg by (target) (pg_up) <= 1"),
        (pg_up > Decimal("0.10"), "avg by (target) (pg_up) > 0.10"),
        (pg_up >= "1E+3", "avg by (target) (pg_up) >= 1000"),
        (TimeUntil(pg_up) < days(14), "avg by (target) (pg_up) - time() < 1209600"),
        (pg_up < seconds(0.25), "avg by (target) (pg_up) < 0.25"),
        (Count(pg_up) > 0, "count(avg by (target) (pg_up)) > 0"),
        (OrZero(observed(metrics.UP, by=())) < 1, "(max(up) or vector(0)) < 1"),
        (Always(), "vector(1)"),
        (rate(select(metrics.ERRORS), minutes(5)), "rate(monitoring_errors_total[5m])"),
        (
            observed(metrics.TARGET_INFO, by=("target",), over=minutes(90)),
            "max by (target) (max_over_time(monitoring_target_info[1h30m]))",
        ),
        (
            quantile("0.95", metrics.PG_ROUND_TRIP, minutes(5), target="db"),
            (
                "histogram_quantile(0.95, sum by (le) "
                '(rate(monitoring_pg_round_trip_seconds_bucket{target="db"}[5m])))'
            ),
        ),
        (
            Unless(pg_up, probed, on=("target",)),
            "avg by (target) (pg_up) unless on (target) avg by (target, kind) (probe_success)",
        ),
    ],
    ids=str,
)
def test_expressions_are_written_as_prometheus_reads_them(expr: Expr, text: str) -> None:
    assert str(expr) == text
    promql_parser.parse(text)


# `<` binds tighter than `unless`, and `-` tighter than `<`: without parentheses the comparison
# would be with a part.
@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (
            Unless(pg_up, pg_up, on=("target",)) > 0,
            "(avg by (target) (pg_up) unless on (target) avg by (target) (pg_up)) > 0",
        ),
        (
            Unless(pg_up, Unless(pg_up, pg_up, on=("target",)), on=("target",)),
            (
                "avg by (target) (pg_up) unless on (target) "
                "(avg by (target) (pg_up) unless on (target) avg by (target) (pg_up))"
            ),
        ),
        (TimeUntil(pg_up > 0), "(avg by (target) (pg_up) > 0) - time()"),
        ((pg_up > 0) < 1, "(avg by (target) (pg_up) > 0) < 1"),
    ],
    ids=str,
)
def test_operators_apply_to_the_whole_of_what_they_are_given(expr: Expr, text: str) -> None:
    assert str(expr) == text
    promql_parser.parse(text)


@given(st.text())
def test_whatever_a_label_has_to_equal_reaches_prometheus_unchanged(value: str) -> None:
    parsed: Any = promql_parser.parse(str(select(metrics.PG_UP, target=value)))
    (matcher,) = parsed.matchers.matchers
    assert (matcher.name, matcher.value) == ("target", value)


# --- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        (select(metrics.PG_UP), {"target", "job", "instance"}),
        (select(metrics.PG_ROUND_TRIP), {"target", "job", "instance", "le"}),
        (rate(select(metrics.ERRORS), minutes(5)), {"component", "job", "instance"}),
        (probed, {"target", "kind"}),
        (probed < "0.5", {"target", "kind"}),
        (observed(metrics.PROBE_SUCCESS, kind="http"), {"target"}),
        (observed(metrics.PROBE_SUCCESS, by=()), set()),
        (Count(probed), set()),
        (TimeUntil(pg_up), {"target"}),
        (Unless(probed, pg_up, on=("target",)), {"target", "kind"}),
        (quantile("0.9", metrics.PG_ROUND_TRIP, minutes(5)), {"target"}),
        (OrZero(observed(metrics.UP, by=())), set()),
        (Always(), set()),
    ],
    ids=lambda value: str(value) if isinstance(value, Expr) else "",
)
def test_an_expression_knows_the_labels_of_its_results(expr: Expr, labels: set[str]) -> None:
    assert expr.labels == labels


def test_a_label_matched_by_more_than_equality_is_kept() -> None:
    selector = select(metrics.PROBE_SUCCESS).where(Match.REGEX, kind="http|postgres")
    assert Aggregate(Collapse.AVG, selector, ("kind",)).labels == {"kind"}
    assert selector.fixed == {}


@pytest.mark.parametrize(
    ("metric", "operator"),
    [
        (metrics.PROBE_SUCCESS, "avg"),
        (metrics.TARGET_INFO, "max"),
        (metrics.PROBE_SSL_EARLIEST_CERT_EXPIRY, "min"),
        (metrics.PROBES_IN_FLIGHT, "sum"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_replicas_collapse_as_the_catalogue_says(metric: metrics.Metric, operator: str) -> None:
    assert str(observed(metric)).startswith(f"{operator}")
    assert {"instance", "job"}.isdisjoint(observed(metric).labels)


def test_a_mistake_outside_a_config_is_raised() -> None:
    with pytest.raises(ConfigError, match='pg_up has no label "tagret"; did you mean "target"'):
        select(metrics.PG_UP, tagret="x")
