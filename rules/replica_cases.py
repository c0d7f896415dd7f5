"""The cases of every alert with several exporters: replicas that agree or not, and shards.

Three replicas that observe the same thing are one fact, so each way of collapsing them is held to
what it promises: another aggregation in its place must fail a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from model.alerts import Alert
from model.names import Collapse, MetricType
from model.platform import Platform
from model.promql import Aggregate, Count, Expr, HistogramQuantile, Selector, Threshold
from rules.case import (
    Case,
    Fed,
    beyond,
    downward,
    firing,
    inner,
    interval,
    just_over,
    lasting,
    quiet,
    within,
)
from rules.cases import harmless
from rules.series import Feed, Series, results, series, unequal

_REPLICAS = ("one:3017", "two:3017", "three:3017")
_SHARDS = ("one:3017", "two:3017")
# As many targets as it takes to tell one from another: promtool's time grows with them.
_TARGETS = 3


def replica_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert that several exporters decide together."""
    if not any(isinstance(part, Selector) for part in alert.expr.walk()):
        return
    yield from _one_is_stale(alert, platform)
    yield from _all_count(alert, platform)
    yield from _disagree(alert, platform)
    yield from _unequal(alert, platform)
    yield from _sharded(alert, platform)


def _one_is_stale(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Three replicas, one of which ends at once: the other two decide, either way."""
    feed, value = _feed(alert, platform, _REPLICAS), just_over(alert.expr)
    found = series(inner(alert.expr), value, feed)
    yield firing(alert, _third_ends(alert, found, platform), value, feed)
    found = harmless(alert.expr, feed)
    if found:
        yield quiet(alert, _third_ends(alert, found, platform), platform)


def _feed(alert: Alert, platform: Platform, replicas: tuple[str, ...]) -> Feed:
    counts = any(isinstance(part, Count) for part in alert.expr.walk())
    return Feed(platform, replicas, most=None if counts else _TARGETS)


def _third_ends(alert: Alert, found: list[Series], platform: Platform) -> list[Fed]:
    ended = _REPLICAS[2]
    return [
        Fed(fed.series, f"{fed.series.values(0, interval(platform))} stale")
        if dict(fed.series.labels)["instance"] == ended
        else fed
        for fed in lasting(alert, found, platform)
    ]


def _all_count(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A count of what is wrong tells how many there are, not only that there is one."""
    expr, feed = alert.expr, _feed(alert, platform, _REPLICAS)
    if not isinstance(expr, Threshold) or not isinstance(expr.inner, Count) or downward(expr):
        return
    value = Decimal(len(results(expr.inner.inner, feed)))
    if value > just_over(expr):
        found = series(expr.inner, value, feed)
        yield firing(alert, lasting(alert, found, platform), value, feed)


def _disagree(alert: Alert, platform: Platform) -> Iterator[Case]:
    """So many of three replicas see the fault, the others do not."""
    expr = alert.expr
    if not isinstance(expr, Threshold):
        return
    for faulty, fires in _verdicts(expr):
        if fires and _tells_an_average(alert):
            continue
        bad = _feed(alert, platform, _REPLICAS[:faulty])
        good = _feed(alert, platform, _REPLICAS[faulty:])
        found = series(expr.inner, beyond(expr), bad) + series(expr.inner, within(expr), good)
        fed = lasting(alert, found, platform)
        value = _seen_together(expr, faulty)
        yield firing(alert, fed, value, bad) if fires else quiet(alert, fed, platform)


def _seen_together(expr: Threshold, faulty: int) -> Decimal:
    """The value of three replicas' verdict, so many of which see the fault."""
    observed = _collapsing(expr)
    if observed is None or observed.operator is not Collapse.AVG:
        return beyond(expr)
    good = len(_REPLICAS) - faulty
    return (beyond(expr) * faulty + within(expr) * good) / len(_REPLICAS)


def _verdicts(expr: Threshold) -> list[tuple[int, bool]]:
    """How many of three have to see a fault for it to be one: pairs of a number and a verdict."""
    observed = _collapsing(expr)
    if observed is None or observed.operator is Collapse.SUM:
        return []
    if observed.operator is Collapse.AVG:
        return [(1, False), (2, True)]
    any_suffices = (observed.operator is Collapse.MIN) == downward(expr)
    return [(1, True)] if any_suffices else [(2, False)]


def _tells_an_average(alert: Alert) -> bool:
    """Whether a text shows an average to its last digit, which versions of Prometheus do not."""
    observed = _collapsing(alert.expr)
    texts = alert.summary + alert.description
    return observed is not None and observed.operator is Collapse.AVG and "$value" in texts


def _collapsing(expr: Expr) -> Aggregate | None:
    """The aggregation that collapses replicas of a gauge, where the condition is about one."""
    if any(isinstance(part, Count) for part in expr.walk()):
        return None
    for part in expr.walk():
        if (
            isinstance(part, Aggregate)
            and isinstance(part.inner, Selector)
            and part.inner.metric.type is MetricType.GAUGE
        ):
            return part
    return None


def _unequal(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A quantile is one of what all replicas observed together, however it is spread over them."""
    quantile = inner(alert.expr)
    if not isinstance(quantile, HistogramQuantile):
        return
    feed, value = _feed(alert, platform, _SHARDS), just_over(alert.expr)
    found = unequal(quantile, value, feed)
    if found:
        yield firing(alert, lasting(alert, found, platform), value, feed)


def _sharded(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Each target is probed by one of two exporters: no other case than with one."""
    feed = replace(_feed(alert, platform, _SHARDS), sharded=True)
    value = just_over(alert.expr)
    selectors = [part for part in alert.expr.walk() if isinstance(part, Selector)]
    if not all("target" in selector.metric.labels for selector in selectors):
        return
    found = series(inner(alert.expr), value, feed)
    yield firing(alert, lasting(alert, found, platform), value, feed)
    found = harmless(alert.expr, feed)
    if found:
        yield quiet(alert, lasting(alert, found, platform), platform)
