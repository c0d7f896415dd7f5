"""Functions over the ranges that Grafana chooses: the model's are of a fixed length."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from model.durations import hours
from model.metric import Collapse, Metric
from model.promql import (
    Aggregate,
    Expr,
    HistogramQuantile,
    Match,
    OverRange,
    Ratio,
    Selector,
    count_of,
    sum_by,
    sum_of,
)
from rules.dashboards.choices import Choice

# Four scrapes at least, and more where a pixel stands for more.
_RATE, _SHOWN = "$__rate_interval", "$__range"
# A length is compulsory in the model, which checks what the function is applied to.
_ANY = hours(1)


@dataclass(frozen=True)
class OverVariable(OverRange):
    """A function over a range whose length is a variable of Grafana's."""

    variable: str = _RATE

    def __str__(self) -> str:
        parameter = "" if self.parameter is None else f"{self.parameter:f}, "
        return f"{self.function}({parameter}{self.inner}[{self.variable}])"


def per_second(selector: Selector) -> OverVariable:
    """The rate of a counter."""
    return OverVariable("rate", selector, _ANY)


def grown(selector: Selector) -> OverVariable:
    """By how much a counter has grown in the time shown."""
    return OverVariable("increase", selector, _ANY, variable=_SHOWN)


def average(selector: Selector) -> OverVariable:
    """The average of a gauge over the time shown."""
    return OverVariable("avg_over_time", selector, _ANY, variable=_SHOWN)


def shown_percentile(q: str, selector: Selector) -> OverVariable:
    """A quantile of a gauge's samples in the time shown."""
    return OverVariable("quantile_over_time", selector, _ANY, Decimal(q), variable=_SHOWN)


def percentile(q: str, histogram: Selector, *by: str) -> HistogramQuantile:
    """A quantile of a histogram, all replicas and instances taken together."""
    summed = Aggregate(Collapse.SUM, per_second(histogram), (*by, "le"))
    return HistogramQuantile(Decimal(q), summed)


def mean(histogram: Metric, *by: str, of: Choice | None = None) -> Expr:
    """The mean of what a histogram has observed; no result where it observed nothing."""
    total, count = (
        sum_by(per_second(_narrowed(part(histogram), of)), *by) for part in (sum_of, count_of)
    )
    # Less than one in a quarter of an hour tells nothing about now.
    return Ratio(total, count, at_least="0.001")


def _narrowed(selector: Selector, choice: Choice | None) -> Selector:
    label = None if choice is None else choice.label_of(selector)
    if choice is None or label is None:
        return selector
    return selector.where(Match.REGEX, **{label: choice.variable})
