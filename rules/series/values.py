"""Input series that make an expression have a wished-for value, or no result at all."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import singledispatch

from model.metric import Collapse, MetricType
from model.promql import (
    CONFIG_SHA256,
    Aggregate,
    Always,
    Count,
    Expr,
    HistogramQuantile,
    Match,
    Named,
    Or,
    OrZero,
    OverRange,
    Selector,
    TimeUntil,
    Unless,
)
from rules.series.feed import OTHER, Feed, Labels, Series, one
from rules.series.labels import results
from rules.series.quantiles import of_quantile
from rules.untestable import UntestableError


def series(expr: Expr, value: Decimal, feed: Feed) -> list[Series]:
    """Series under which every result of an expression has this value."""
    return _series(expr, value, feed)


def missing(expr: Expr, feed: Feed) -> list[Series]:
    """Series under which an expression has no result, although its metrics exist."""
    return _missing(expr, feed)


def is_rate(expr: Expr) -> bool:
    """Whether it needs two samples before it has a value."""
    return any(
        isinstance(part, OverRange)
        and part.inner.metric.type in (MetricType.COUNTER, MetricType.HISTOGRAM)
        for part in expr.walk()
    )


# --- a value for every result -------------------------------------------------------------------


@singledispatch
def _series(expr: Expr, _value: Decimal, _feed: Feed) -> list[Series]:
    raise UntestableError(f"{type(expr).__name__} has no inverse: add it to rules/series/values.py")


@_series.register
def _(expr: Selector, value: Decimal, feed: Feed) -> list[Series]:
    return [one(expr, labels, value) for labels in results(expr, feed)]


@_series.register
def _(expr: OverRange, value: Decimal, feed: Feed) -> list[Series]:
    if expr.function == "rate":
        return [one(expr.inner, labels, Decimal(0), value) for labels in results(expr.inner, feed)]
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
    counted = results(expr.inner, feed)
    if value > len(counted):
        raise UntestableError(f"{expr} cannot be {value}: there are only {len(counted)}")
    kept = [labels.items() for labels in counted[: int(value)]]
    # Zeros tell a count from a sum.
    found = [
        fed
        for fed in _series(expr.inner, Decimal(0), feed)
        if any(labels <= dict(fed.labels).items() for labels in kept)
    ]
    return found or missing(expr.inner, feed)


@_series.register
def _(expr: TimeUntil, value: Decimal, feed: Feed) -> list[Series]:
    # A test's clock starts at 0, so a time that stays `value` ahead moves with it.
    return [
        Series(fed.name, fed.labels, fed.start, Decimal(1))
        for fed in _series(expr.inner, value, feed)
    ]


@_series.register
def _(expr: OrZero, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.inner, value, feed)


@_series.register
def _(expr: Unless, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.left, value, feed)


@_series.register
def _(expr: Or, value: Decimal, feed: Feed) -> list[Series]:
    return _once([*_series(expr.left, value, feed), *_series(expr.right, value, feed)])


@_series.register
def _(expr: Named, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.inner, value, feed)


@_series.register
def _(_expr: Always, _value: Decimal, _feed: Feed) -> list[Series]:
    return []


@_series.register
def _(expr: HistogramQuantile, value: Decimal, feed: Feed) -> list[Series]:
    return of_quantile(expr, value, feed)


# --- no result, although the metrics exist ------------------------------------------------------


@singledispatch
def _missing(expr: Expr, feed: Feed) -> list[Series]:
    return [fed for child in expr.children() for fed in _missing(child, feed)]


@_missing.register
def _(expr: Selector, feed: Feed) -> list[Series]:
    """Series that only the matchers keep out, where there are such."""
    kept_out = {m.label: m.value for m in expr.matchers if m.match is Match.NOT_EQUAL}
    if not kept_out:
        return []
    hash_ = feed.platform.sha256
    values = {name: value.replace(CONFIG_SHA256, hash_) for name, value in kept_out.items()}
    return [one(expr, {**labels, **values}, Decimal(1)) for labels in results(expr, feed)]


@_missing.register
def _(expr: Unless, feed: Feed) -> list[Series]:
    """Every result of the left side has its counterpart on the right."""
    right = _counterparts(_series(expr.right, Decimal(1), feed), results(expr.left, feed), expr.on)
    return _series(expr.left, Decimal(1), feed) + right


@_missing.register
def _(expr: Or, feed: Feed) -> list[Series]:
    return _once([*_missing(expr.left, feed), *_missing(expr.right, feed)])


def _once(found: list[Series]) -> list[Series]:
    """Series without those that two parts of an expression both ask for."""
    return list({fed.notation(): fed for fed in found}.values())


def _counterparts(found: list[Series], wanted: list[Labels], on: tuple[str, ...]) -> list[Series]:
    """Series that carry the labels of results, where what they carry is up to us."""
    free = [label for label in on if any(dict(fed.labels).get(label) == OTHER for fed in found)]
    if not free:
        return found
    return _once(
        [
            replace(fed, labels=tuple(sorted({**dict(fed.labels), **chosen}.items())))
            for fed in found
            for labels in wanted
            for chosen in ({label: labels[label] for label in free},)
        ]
    )
