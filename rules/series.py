"""Input series that make an expression have a wished-for value: what unit tests feed on.

The inverse of each building block of `model/promql.py`: whoever adds one there adds its inverse
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import singledispatch

from model.names import Collapse, MetricType
from model.platform import Platform
from model.promql import (
    CONFIG_SHA256,
    Aggregate,
    Always,
    Count,
    Expr,
    HistogramQuantile,
    Match,
    OrZero,
    OverRange,
    Selector,
    TimeUntil,
    Unless,
    quoted,
)
from model.redis import Redis, Sentinel
from rules.untestable import UntestableError

Labels = Mapping[str, str]
# Observations a step in the histograms that are fed.
_OBSERVATIONS = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Series:
    """One input series: its labels, its value at time 0 and what each second adds to it."""

    name: str
    labels: tuple[tuple[str, str], ...]
    start: Decimal
    per_second: Decimal = Decimal(0)

    def notation(self) -> str:
        """The series as promtool writes it: `up{job="x"}`."""
        labels = ",".join(f"{name}={quoted(value)}" for name, value in self.labels)
        return f"{self.name}{{{labels}}}" if labels else self.name

    def values(self, steps: int, interval: timedelta) -> str:
        """Its values over so many steps, in promtool's expanding notation."""
        step = self.per_second * Decimal(str(interval.total_seconds()))
        sign = "+" if step >= 0 else "-"
        return f"{_plain(self.start)}{sign}{_plain(abs(step))}x{steps}"


@dataclass(frozen=True, slots=True)
class Feed:
    """What an expression is fed: for which platform, by which replicas of the exporter."""

    platform: Platform
    replicas: tuple[str, ...] = ("one:3017",)
    # Whether each target is probed by one of them instead of by all.
    sharded: bool = False
    # How many of the targets that a metric speaks of are fed, None for all.
    most: int | None = None

    def subjects(self, selector: Selector) -> list[str]:
        """The targets that a metric speaks of."""
        return self._subjects(selector)[: self.most]

    def _subjects(self, selector: Selector) -> list[str]:
        asking = [sql.name for sql in self.platform.sql if selector.metric in sql.metrics]
        if asking:
            return asking
        prefix = selector.metric.name.removeprefix("monitoring_")
        if prefix.startswith("pg_"):
            return [target.name for target in self.platform.postgres]
        if prefix.startswith("redis_"):
            watches = Sentinel if prefix.startswith("redis_sentinel_") else Redis
            return [target.name for target in self.platform.redis if isinstance(target, watches)]
        if prefix.startswith("json_"):
            return [target.name for target in self.platform.external]
        if "kind" in selector.metric.labels:
            kind = selector.fixed.get("kind")
            return [one.name for one in self.platform.targets if kind in (None, one.kind)]
        return [service.name for service in self.platform.services]


def results(expr: Expr, feed: Feed) -> list[Labels]:
    """The label sets of the results that `series` feeds an expression with."""
    return _results(expr, feed)


def series(expr: Expr, value: Decimal, feed: Feed) -> list[Series]:
    """Series under which every result of an expression has this value."""
    return _series(expr, value, feed)


def missing(expr: Expr, feed: Feed) -> list[Series]:
    """Series under which an expression has no result, although its metrics exist."""
    return _missing(expr, feed)


# --- the results' labels ------------------------------------------------------------------------


@singledispatch
def _results(expr: Expr, feed: Feed) -> list[Labels]:
    inner = expr.children()
    return _results(inner[0], feed) if inner else [{}]


@_results.register
def _(expr: Selector, feed: Feed) -> list[Labels]:
    return [labels for labels, _ in _label_sets(expr, feed)]


@_results.register
def _(expr: Aggregate, feed: Feed) -> list[Labels]:
    # A histogram's `le` is no label of what people see.
    kept = [name for name in expr.by if name != "le"]
    found = [{name: labels[name] for name in kept} for labels in _results(expr.inner, feed)]
    return [labels for i, labels in enumerate(found) if labels not in found[:i]]


@_results.register(Count)
@_results.register(OrZero)
@_results.register(Always)
def _(_expr: Expr, _feed: Feed) -> list[Labels]:
    return [{}]


def _label_sets(selector: Selector, feed: Feed) -> list[tuple[Labels, str]]:
    """One label set a subject and replica; the second of each pair is the subject."""
    subjects = feed.subjects(selector) if "target" in selector.metric.labels else [""]
    return [
        (_labels(selector, subject, replica, feed), subject)
        for position, subject in enumerate(subjects)
        for replica in _probed_by(position, feed)
    ]


def _probed_by(position: int, feed: Feed) -> Sequence[str]:
    return [feed.replicas[position % len(feed.replicas)]] if feed.sharded else feed.replicas


def _labels(selector: Selector, subject: str, replica: str, feed: Feed) -> Labels:
    kinds = {target.name: target.kind for target in feed.platform.targets}
    labels = {"job": "monitoring-service", "instance": replica}
    for name in selector.metric.labels:
        if name == "target":
            labels[name] = subject
        elif name == "kind":
            labels[name] = kinds.get(subject, "http")
        elif name not in labels:
            labels[name] = "other"
    for matcher in selector.matchers:
        if matcher.match is Match.EQUAL:
            labels[matcher.label] = matcher.value.replace(CONFIG_SHA256, feed.platform.sha256)
    return labels


# --- a value for every result -------------------------------------------------------------------


@singledispatch
def _series(expr: Expr, _value: Decimal, _feed: Feed) -> list[Series]:
    raise UntestableError(f"{type(expr).__name__} has no inverse: add it to rules/series.py")


@_series.register
def _(expr: Selector, value: Decimal, feed: Feed) -> list[Series]:
    return [_one(expr, labels, value) for labels in _results(expr, feed)]


@_series.register
def _(expr: OverRange, value: Decimal, feed: Feed) -> list[Series]:
    if expr.function == "rate":
        return [
            _one(expr.inner, labels, Decimal(0), value) for labels in _results(expr.inner, feed)
        ]
    return _series(expr.inner, value, feed)


@_series.register
def _(expr: Aggregate, value: Decimal, feed: Feed) -> list[Series]:
    if expr.operator is not Collapse.SUM or len(feed.replicas) == 1 or feed.sharded:
        return _series(expr.inner, value, feed)
    # Two halves, so that a sum of them is told from the greatest, and a rest that adds nothing.
    halves, rest = (replace(feed, replicas=part) for part in (feed.replicas[:2], feed.replicas[2:]))
    return _series(expr.inner, value / 2, halves) + _series(expr.inner, Decimal(0), rest)


@_series.register
def _(expr: Count, value: Decimal, feed: Feed) -> list[Series]:
    counted = _results(expr.inner, feed)
    if value > len(counted):
        raise UntestableError(f"{expr} cannot be {value}: there are only {len(counted)}")
    kept = [labels.items() for labels in counted[: int(value)]]
    # Zeros tell a count from a sum.
    found = [
        one
        for one in _series(expr.inner, Decimal(0), feed)
        if any(labels <= dict(one.labels).items() for labels in kept)
    ]
    return found or _missing(expr.inner, feed)


@_series.register
def _(expr: TimeUntil, value: Decimal, feed: Feed) -> list[Series]:
    # A test's clock starts at 0, so a time that stays `value` ahead moves with it.
    return [
        Series(one.name, one.labels, one.start, Decimal(1))
        for one in _series(expr.inner, value, feed)
    ]


@_series.register
def _(expr: OrZero, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.inner, value, feed)


@_series.register
def _(expr: Unless, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.left, value, feed)


@_series.register
def _(_expr: Always, _value: Decimal, _feed: Feed) -> list[Series]:
    return []


@_series.register
def _(expr: HistogramQuantile, value: Decimal, feed: Feed) -> list[Series]:
    selector, bounds = _histogram(expr)
    rates = _bucket_rates(bounds, value, expr.quantile)
    return [
        one
        for labels, _ in _label_sets(selector, feed)
        for one in _buckets(selector, labels, bounds, rates)
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
        one
        for labels, _ in _label_sets(selector, feed)
        for one in _buckets(
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
        _one(selector, {**labels, "le": str(bound)}, Decimal(0), rate)
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


def _one(
    selector: Selector, labels: Labels, start: Decimal, per_second: Decimal = Decimal(0)
) -> Series:
    ordered = tuple(sorted(labels.items()))
    return Series(selector.series_name, ordered, start, per_second)


# --- no result, although the metrics exist ------------------------------------------------------


@singledispatch
def _missing(expr: Expr, feed: Feed) -> list[Series]:
    return [one for child in expr.children() for one in _missing(child, feed)]


@_missing.register
def _(expr: Selector, feed: Feed) -> list[Series]:
    """Series that only the matchers keep out, where there are such."""
    kept_out = {m.label: m.value for m in expr.matchers if m.match is Match.NOT_EQUAL}
    if not kept_out:
        return []
    hash_ = feed.platform.sha256
    values = {name: value.replace(CONFIG_SHA256, hash_) for name, value in kept_out.items()}
    return [_one(expr, {**labels, **values}, Decimal(1)) for labels in _results(expr, feed)]


@_missing.register
def _(expr: Unless, feed: Feed) -> list[Series]:
    """Every result of the left side has its counterpart on the right."""
    return _series(expr.left, Decimal(1), feed) + _series(expr.right, Decimal(1), feed)


# --- notation -----------------------------------------------------------------------------------


def metric_names(found: Iterable[Series]) -> frozenset[str]:
    """The names of the series."""
    return frozenset(one.name for one in found)


def is_rate(expr: Expr) -> bool:
    """Whether it needs two samples before it has a value."""
    return any(
        isinstance(part, OverRange)
        and part.inner.metric.type in (MetricType.COUNTER, MetricType.HISTOGRAM)
        for part in expr.walk()
    )


def _plain(value: Decimal) -> str:
    return f"{value:f}" if value != value.to_integral() else f"{value.to_integral():f}"
