"""Functions over a range of time of each series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property

from model.declared import report
from model.durations import prometheus
from model.metric import MetricType
from model.promql.base import Expr, Number, decimal, number
from model.promql.selectors import Selector

# Those that take the growth between a range's samples and extrapolate it to the whole range.
EXTRAPOLATING = frozenset({"rate", "increase", "delta"})
# Those that mean nothing over less than four scrapes.
OF_SEVERAL_SAMPLES = EXTRAPOLATING | {"deriv", "predict_linear", "changes"}
# What a function is for, where it is for one of the two.
_OF_COUNTERS = frozenset({"rate", "increase"})
_OF_GAUGES = frozenset({"delta", "deriv", "predict_linear", "changes"})
_COUNTERS = (MetricType.COUNTER, MetricType.HISTOGRAM, MetricType.UNTYPED)
_GAUGES = (MetricType.GAUGE, MetricType.UNTYPED)


@dataclass(frozen=True)
class OverRange(Expr):
    """A function over a range of each series, such as rate; `parameter` where it takes a number."""

    function: str
    inner: Selector
    length: timedelta
    parameter: Decimal | None = None

    def __post_init__(self) -> None:
        kind = self.inner.metric.type
        if self.function in _OF_COUNTERS and kind not in _COUNTERS:
            report(f"{self.function}: {self.inner.metric.name} is a {kind.value}, not a counter")
        if self.function in _OF_GAUGES and kind not in _GAUGES:
            report(f"{self.function}: {self.inner.metric.name} is a {kind.value}, not a gauge")

    @property
    def bare_counter(self) -> str | None:
        return None if self.function in _OF_COUNTERS else self.inner.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        shown = replace(self.inner, offset=timedelta(0))
        offset = f" offset {prometheus(self.inner.offset)}" if self.inner.offset else ""
        series = f"{shown}[{prometheus(self.length)}]{offset}"
        return called(self.function, series, self.parameter)


def called(function: str, series: str, parameter: Decimal | None) -> str:
    """A function over a range, with its number where it takes one."""
    if parameter is None:
        return f"{function}({series})"
    if function == "quantile_over_time":
        return f"{function}({parameter:f}, {series})"
    return f"{function}({series}, {parameter:f})"


def rate(selector: Selector, length: timedelta) -> OverRange:
    """The rate per second of a counter or of a histogram's buckets."""
    return _over("rate", selector, length)


def increase(selector: Selector, length: timedelta) -> OverRange:
    """By how much a counter has grown: `increase(select(metrics.ERRORS), minutes(5))`."""
    return _over("increase", selector, length)


def delta(selector: Selector, length: timedelta) -> OverRange:
    """By how much a gauge has changed."""
    return _over("delta", selector, length)


def deriv(selector: Selector, length: timedelta) -> OverRange:
    """How much a gauge changes a second, by a straight line through its samples."""
    return _over("deriv", selector, length)


def changes(selector: Selector, length: timedelta) -> OverRange:
    """How often a gauge has changed, such as the time of a process' start."""
    return _over("changes", selector, length)


def predict_linear(selector: Selector, length: timedelta, ahead: Number) -> OverRange:
    """What a gauge will be, `ahead` from now, if it goes on as it has over the range.

    `collapsed(predict_linear(select(FREE_BYTES), hours(6), ahead=days(4))) < 0`
    """
    return _over("predict_linear", selector, length, decimal("ahead", ahead))


def avg_over_time(selector: Selector, length: timedelta) -> OverRange:
    """The average of a gauge."""
    return _over("avg_over_time", selector, length)


def max_over_time(selector: Selector, length: timedelta) -> OverRange:
    """The greatest value of a gauge."""
    return _over("max_over_time", selector, length)


def min_over_time(selector: Selector, length: timedelta) -> OverRange:
    """The least value of a gauge."""
    return _over("min_over_time", selector, length)


def quantile_over_time(q: str, selector: Selector, length: timedelta) -> OverRange:
    """A quantile of a gauge's samples: `quantile_over_time("0.95", select(LAG), minutes(10))`."""
    return _over("quantile_over_time", selector, length, share("quantile_over_time", q))


def share(what: str, q: str) -> Decimal:
    """A quantile's number, between 0 and 1."""
    found = number(f"{what}:", q)
    if not 0 < found < 1:
        report(f"{what}: {q} is not between 0 and 1")
    return found


def _over(
    function: str, expr: Expr, length: timedelta, parameter: Decimal | None = None
) -> OverRange:
    if isinstance(expr, Selector):
        return OverRange(function, expr, length, parameter)
    report(
        f"{function}({expr}): takes the series of one metric, since resets are lost in what is "
        f"calculated; write {function}(select(…), …) inside, or record the inner part"
    )
    inside = next(part for part in expr.walk() if isinstance(part, Selector))
    return OverRange("last_over_time", inside, length)
