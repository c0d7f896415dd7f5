"""Histograms that have a wished-for quantile."""

from __future__ import annotations

from decimal import Decimal

from model.promql import HistogramQuantile, Selector
from rules.series.feed import Feed, Labels, Series, one
from rules.series.labels import label_sets
from rules.untestable import UntestableError

# Observations a step in the histograms that are fed.
_OBSERVATIONS = Decimal(1000)


def of_quantile(expr: HistogramQuantile, value: Decimal, feed: Feed) -> list[Series]:
    """Series that give a quantile this value, every replica alike."""
    selector, bounds = _histogram(expr)
    rates = _bucket_rates(bounds, value, expr.quantile)
    return [
        bucket
        for labels in label_sets(selector, feed)
        for bucket in _buckets(selector, labels, bounds, rates)
    ]


def unequal(expr: HistogramQuantile, value: Decimal, feed: Feed) -> list[Series]:
    """Series that give a quantile this value, although the first replica alone sees the slow ones.

    Empty where the value leaves no room for fast ones.
    """
    selector, bounds = _histogram(expr)
    together = [rate * len(feed.replicas) for rate in _bucket_rates(bounds, value, expr.quantile)]
    fast = [_OBSERVATIONS] * len(together)
    slow = [rate - _OBSERVATIONS * (len(feed.replicas) - 1) for rate in together]
    if slow[0] <= 0:
        return []
    return [
        bucket
        for labels in label_sets(selector, feed)
        for bucket in _buckets(
            selector, labels, bounds, slow if labels["instance"] == feed.replicas[0] else fast
        )
    ]


def _histogram(expr: HistogramQuantile) -> tuple[Selector, list[Decimal]]:
    selector = next(part for part in expr.walk() if isinstance(part, Selector))
    return selector, [Decimal(str(bound)) for bound in selector.metric.buckets]


def _buckets(
    selector: Selector, labels: Labels, bounds: list[Decimal], rates: list[Decimal]
) -> list[Series]:
    return [
        one(selector, {**labels, "le": str(bound)}, Decimal(0), rate)
        for bound, rate in zip([*bounds, "+Inf"], rates, strict=True)
    ]


def _bucket_rates(bounds: list[Decimal], value: Decimal, quantile: Decimal) -> list[Decimal]:
    """Cumulative rates of the buckets such that linear interpolation gives `value`."""
    upper = next((i for i, bound in enumerate(bounds) if value <= bound), None)
    if upper is None:
        raise UntestableError(
            f"the quantile can never be {value}: the last bucket ends at {bounds[-1]}"
        )
    low = bounds[upper - 1] if upper else Decimal(0)
    share = (value - low) / (bounds[upper] - low)
    total = _OBSERVATIONS
    if share <= quantile:
        below = total * (quantile - share) / (1 - share) if share < 1 else Decimal(0)
        within = total
    else:
        below, within = Decimal(0), total * quantile / share
    return [below] * upper + [within] + [total] * (len(bounds) - upper)
