"""Aggregations, and how replicas of the exporter become one fact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property

from model.declared import report, suggestion
from model.metric import Collapse, Metric, MetricType
from model.promql.base import Expr
from model.promql.ranges import OverRange, rate, share
from model.promql.selectors import Selector, select


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
        replicated = self.inner.uncollapsed
        if replicated and self.operator is Collapse.SUM and "le" not in self.by:
            report(
                f"sum: every replica of the exporter shows {replicated}, so a sum would count it "
                "once for each: write sum_by(observed(…), …)"
            )

    @property
    def uncollapsed(self) -> str | None:
        return None

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

    def __post_init__(self) -> None:
        if self.inner.uncollapsed:
            report(
                f"count: every replica of the exporter shows {self.inner.uncollapsed}, so a count "
                "would count it once for each: write Count(observed(…))"
            )

    @property
    def uncollapsed(self) -> str | None:
        return None

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


def collapsed(inner: Selector | OverRange, by: tuple[str, ...] | None = None) -> Aggregate:
    """A function over time of each replica's series, collapsed into one fact as the catalogue says.

    `collapsed(increase(select(metrics.REDIS_EVICTED_KEYS), minutes(10))) > 0`
    """
    selector = inner.inner if isinstance(inner, OverRange) else inner
    own = (*selector.metric.labels, *(["le"] if "le" in selector.labels else []))
    kept = tuple(label for label in own if label not in _settled(selector))
    return Aggregate(selector.metric.collapse, inner, kept if by is None else by)


def sum_by(inner: Expr, *labels: str) -> Aggregate:
    """The sum over all labels but these, of what is one fact for each.

    What replicas of the exporter observe is collapsed first; instances of a monitored service and
    processes of ours are summed as they are.
    """
    return Aggregate(Collapse.SUM, _one_fact(inner), labels)


def max_by(inner: Expr, *labels: str) -> Aggregate:
    """The greatest value by these labels: `max_by(select(metrics.QUEUE_SIZE), "service")`."""
    return Aggregate(Collapse.MAX, _one_fact(inner), labels)


def min_by(inner: Expr, *labels: str) -> Aggregate:
    """The least value by these labels."""
    return Aggregate(Collapse.MIN, _one_fact(inner), labels)


def avg_by(inner: Expr, *labels: str) -> Aggregate:
    """The average by these labels."""
    return Aggregate(Collapse.AVG, _one_fact(inner), labels)


def quantile(q: str, metric: Metric, length: timedelta, **labels: str) -> HistogramQuantile:
    """A quantile of a histogram over a range of time, all replicas taken together."""
    if metric.type is not MetricType.HISTOGRAM:
        report(f"quantile: {metric.name} is a {metric.type.value}, not a histogram")
        metric = replace(metric, type=MetricType.HISTOGRAM)
    wanted = share("quantile", q)
    selector = select(metric, **labels)
    kept = tuple(label for label in metric.labels if label not in selector.fixed)
    summed = Aggregate(Collapse.SUM, rate(selector, length), (*kept, "le"))
    return HistogramQuantile(wanted, summed)


def _one_fact(inner: Expr) -> Expr:
    if inner.uncollapsed and isinstance(inner, (Selector, OverRange)):
        return collapsed(inner)
    return inner


def _settled(selector: Selector) -> set[str]:
    """The labels that tell nothing, since every series of the selector has the same value."""
    bound = {"le"} if any(matcher.label == "le" for matcher in selector.matchers) else set()
    return {*selector.fixed, *bound}
