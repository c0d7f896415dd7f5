"""PromQL expressions built from the catalogue: they know their output labels.

A selector exists only for a metric of `model.names`; an unknown label, a rate of something that is
no counter or a comparison with a raw counter is a mistake in the config, reported where it stands.
Expressions are plain trees, so that the compiler can also write the input series that make one
true (`rules/unit_tests.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property

from model.declared import report, suggestion
from model.durations import prometheus
from model.names import Collapse, Metric, MetricType

# Stands for the hash of the config inside the config itself; the compiler puts the value in.
CONFIG_SHA256 = "<config sha256>"
# What an expression is compared with: a length of time stands for its seconds.
Number = Decimal | int | str | timedelta
# Labels that Prometheus attaches to everything it scrapes.
SCRAPE_LABELS = ("job", "instance")


class Match(StrEnum):
    """How a matcher compares a label."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


class Comparison(StrEnum):
    """A comparison that filters."""

    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True)
class Expr:
    """A PromQL expression of type instant vector (or scalar where `labels` is empty)."""

    @cached_property
    def labels(self) -> frozenset[str]:
        """The labels that its results carry."""
        raise NotImplementedError

    def children(self) -> tuple[Expr, ...]:
        """The expressions that it is made of, in the order of its fields."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Expr))

    def walk(self) -> Iterator[Expr]:
        """This expression and all inside it, outermost first."""
        yield self
        for child in self.children():
            yield from child.walk()

    def __lt__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.LESS, _decimal(threshold))

    def __le__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.LESS_OR_EQUAL, _decimal(threshold))

    def __gt__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.GREATER, _decimal(threshold))

    def __ge__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.GREATER_OR_EQUAL, _decimal(threshold))


def quoted(text: str) -> str:
    """A text as a PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@dataclass(frozen=True)
class Matcher:
    """A label matcher of a selector."""

    label: str
    match: Match
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.match.value}{quoted(self.value)}"


@dataclass(frozen=True)
class Selector(Expr):
    """The series of one metric of the catalogue."""

    metric: Metric
    matchers: tuple[Matcher, ...] = ()

    @cached_property
    def labels(self) -> frozenset[str]:
        own = {*self.metric.labels, *SCRAPE_LABELS}
        return frozenset(own | {"le"} if self.metric.type is MetricType.HISTOGRAM else own)

    @property
    def series_name(self) -> str:
        """The name of the series themselves: a histogram's are its buckets."""
        is_histogram = self.metric.type is MetricType.HISTOGRAM
        return f"{self.metric.name}_bucket" if is_histogram else self.metric.name

    @property
    def fixed(self) -> dict[str, str]:
        """The labels whose value the matchers fix."""
        return {m.label: m.value for m in self.matchers if m.match is Match.EQUAL}

    def where(self, match: Match = Match.EQUAL, /, **labels: str) -> Selector:
        """Narrow to series whose labels match."""
        for label in labels:
            if label not in self.labels:
                near = suggestion(label, sorted(self.labels))
                report(f'{self.metric.name} has no label "{label}"{near}')
        added = tuple(Matcher(label, match, value) for label, value in labels.items())
        return replace(self, matchers=self.matchers + added)

    def __str__(self) -> str:
        matchers = ",".join(map(str, self.matchers))
        return f"{self.series_name}{{{matchers}}}" if matchers else self.series_name


@dataclass(frozen=True)
class OverRange(Expr):
    """A function over a range of each series: rate, increase, max_over_time, last_over_time."""

    function: str
    inner: Selector
    length: timedelta

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        return f"{self.function}({self.inner}[{prometheus(self.length)}])"


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


@dataclass(frozen=True)
class TimeUntil(Expr):
    """Seconds from now to a unix time."""

    inner: Expr

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        return f"{_operand(self.inner)} - time()"


@dataclass(frozen=True)
class OrZero(Expr):
    """The expression, or 0 where it has no result: for one that keeps no label."""

    inner: Expr

    def __post_init__(self) -> None:
        if self.inner.labels:
            kept = ", ".join(sorted(self.inner.labels))
            report(f"or_zero: {self.inner} keeps the labels {kept}, which a bare zero would lack")

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        return f"({self.inner} or vector(0))"


@dataclass(frozen=True)
class Unless(Expr):
    """Results of the left side that have no counterpart, by the labels `on`, on the right."""

    left: Expr
    right: Expr
    on: tuple[str, ...]

    def __post_init__(self) -> None:
        for side in (self.left, self.right):
            for label in self.on:
                if label not in side.labels:
                    report(f'unless on "{label}": {side} has no such label')

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.left.labels

    def __str__(self) -> str:
        on = f"unless on ({', '.join(self.on)})"
        return f"{_operand(self.left)} {on} {_operand(self.right)}"


@dataclass(frozen=True)
class Always(Expr):
    """Always one result: the condition of an alert that is never to stop."""

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        return "vector(1)"


@dataclass(frozen=True)
class Threshold(Expr):
    """A comparison with a number: the condition of most alerts."""

    inner: Expr
    comparison: Comparison
    threshold: Decimal

    def __post_init__(self) -> None:
        bare = self.inner.inner if isinstance(self.inner, Aggregate) else self.inner
        if isinstance(bare, Selector) and bare.metric.type is MetricType.COUNTER:
            report(f"{bare.metric.name} is a counter: compare its rate or increase, not its value")

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        return f"{_operand(self.inner)} {self.comparison.value} {self.threshold:f}"


def _operand(expr: Expr) -> str:
    """An expression beside an operator, which binds tighter than those of these two."""
    return f"({expr})" if isinstance(expr, (Unless, Threshold)) else str(expr)


def select(metric: Metric, **labels: str) -> Selector:
    """The series of a metric, each replica's and each scrape target's on its own."""
    return Selector(metric).where(**labels)


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


def rate(selector: Selector, length: timedelta) -> OverRange:
    """The rate per second of a counter or of a histogram's buckets."""
    if selector.metric.type not in (
        MetricType.COUNTER,
        MetricType.HISTOGRAM,
        MetricType.UNTYPED,
    ):
        report(f"rate: {selector.metric.name} is a {selector.metric.type.value}, not a counter")
    return OverRange("rate", selector, length)


def quantile(q: str, metric: Metric, length: timedelta, **labels: str) -> HistogramQuantile:
    """A quantile of a histogram over a range of time, all replicas taken together."""
    if metric.type is not MetricType.HISTOGRAM:
        report(f"quantile: {metric.name} is a {metric.type.value}, not a histogram")
        metric = replace(metric, type=MetricType.HISTOGRAM)
    number = _number("quantile:", q)
    if not 0 < number < 1:
        report(f"quantile: {q} is not between 0 and 1")
    selector = select(metric, **labels)
    kept = tuple(label for label in metric.labels if label not in selector.fixed)
    summed = Aggregate(Collapse.SUM, rate(selector, length), (*kept, "le"))
    return HistogramQuantile(number, summed)


def _decimal(threshold: Number) -> Decimal:
    if isinstance(threshold, float):
        report(f"the threshold {threshold} is a float; write Decimal('{threshold}')")
    if isinstance(threshold, timedelta):
        threshold = Decimal(threshold // timedelta(milliseconds=1)) / 1000
    return _number("the threshold", str(threshold))


def _number(what: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if number.is_finite():
        return number
    report(f"{what} {text!r} is not a number")
    return Decimal(0)
