"""Functions over a range of time of each series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from model.declared import report
from model.durations import prometheus
from model.metric import MetricType
from model.promql.base import Expr
from model.promql.selectors import Selector


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


def rate(selector: Selector, length: timedelta) -> OverRange:
    """The rate per second of a counter or of a histogram's buckets."""
    if selector.metric.type not in (
        MetricType.COUNTER,
        MetricType.HISTOGRAM,
        MetricType.UNTYPED,
    ):
        report(f"rate: {selector.metric.name} is a {selector.metric.type.value}, not a counter")
    return OverRange("rate", selector, length)
