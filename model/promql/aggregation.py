"""Aggregations, and how replicas of the exporter become one fact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property

from model.declared import report, suggestion
from model.metric import Collapse, Metric, MetricType
from model.promql.base import Expr, number
from model.promql.ranges import OverRange, rate
from model.promql.selectors import select


@dataclass(frozen=True)
class Aggregate(Expr):
    """An aggregation that keeps the labels `by`."""

    operator: Collapse
    inner: Expr
    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for label in self.by:
            if label not in self.inner.labels:
                near = suggestion(label, sorted(self.inner.labels))
                report(f'{self.operator.value} by "{label}": {self.inner} has no such label{near}')

    @property
    def bare_counter(self) -> str | None:
        return self.inner.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset(self.by)

    def __str__(self) -> str:
        by = f" by ({', '.join(self.by)}) " if self.by else ""
        return f"{self.operator.value}{by}({self.inner})"


@dataclass(frozen=True)
class Count(Expr):
    """How many results an expression has."""

    inner: Expr

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        return f"count({self.inner})"


@dataclass(frozen=True)
class HistogramQuantile(Expr):
    """A quantile of histogram buckets that were rated and summed by `le`."""

    quantile: Decimal
    inner: Aggregate

    def __post_init__(self) -> None:
        if "le" not in self.inner.labels:
            report(f"histogram_quantile needs the label le, which {self.inner} has lost")

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels - {"le"}

    def __str__(self) -> str:
        return f"histogram_quantile({self.quantile}, {self.inner})"


def observed(
    metric: Metric,
    *,
    by: tuple[str, ...] | None = None,
    over: timedelta | None = None,
    **labels: str,
) -> Aggregate:
    """A metric with its replicas collapsed into one fact, as the catalogue says.

    Keeps the metric's own labels, without those that a matcher fixes; `by` keeps fewer. `over`
    takes each series' greatest value in a range of time, so that one that has vanished counts.
    """
    selector = select(metric, **labels)
    kept = tuple(label for label in metric.labels if label not in selector.fixed)
    inner = OverRange("max_over_time", selector, over) if over else selector
    return Aggregate(metric.collapse, inner, kept if by is None else by)


def quantile(q: str, metric: Metric, length: timedelta, **labels: str) -> HistogramQuantile:
    """A quantile of a histogram over a range of time, all replicas taken together."""
    if metric.type is not MetricType.HISTOGRAM:
        report(f"quantile: {metric.name} is a {metric.type.value}, not a histogram")
        metric = replace(metric, type=MetricType.HISTOGRAM)
    wanted = number("quantile:", q)
    if not 0 < wanted < 1:
        report(f"quantile: {q} is not between 0 and 1")
    selector = select(metric, **labels)
    kept = tuple(label for label in metric.labels if label not in selector.fixed)
    summed = Aggregate(Collapse.SUM, rate(selector, length), (*kept, "le"))
    return HistogramQuantile(wanted, summed)
