"""The cases of every alert with several exporters: replicas that agree or not, and shards.

Three replicas that observe the same thing are one fact, so each way of collapsing them is held to
what it promises: another aggregation in its place must fail a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeGuard

from model.alerts import Alert
from model.names import Collapse, MetricType
from model.platform import Platform
from model.promql import (
    Aggregate,
    And,
    Count,
    Expr,
    HistogramQuantile,
    Or,
    Recorded,
    Selector,
    Threshold,
)
from rules.case import Case, Scene, counts, reads_recorded
from rules.guard_cases import apart
from rules.series import (
    Series,
    beyond,
    compared,
    deep,
    downward,
    falls,
    harmless,
    just_over,
    results,
    series,
    unequal,
    well_within,
    within,
)

_REPLICAS = ("one:3017", "two:3017", "three:3017")
_SHARDS = ("one:3017", "two:3017")
# As many targets as it takes to tell one from another: promtool's time grows with them.
_TARGETS = 2


def replica_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert that several exporters decide together. Raises UntestableError."""
    if reads_recorded(alert):
        # Replicas are one in what is recorded, of which its rule's own tests make sure.
        return
    if not _of_each(alert.expr):
        yield from _one_is_stale(alert, platform)
    yield from _all_count(alert, platform)
    yield from _disagree(alert, platform)
    yield from _spread(alert, platform)
    yield from _unequal(alert, platform)
    yield from _sharded(alert, platform)


def _scene(alert: Alert, platform: Platform, replicas: tuple[str, ...], **feed: Any) -> Scene:
    most = None if counts(alert) else _TARGETS
    return Scene.of(alert, platform, replicas=replicas, most=most, **feed)


def _one_is_stale(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Three replicas, one of which ends at once: the other two decide, either way."""
    scene, value = _scene(alert, platform, _REPLICAS), just_over(alert.expr)

    def third_ends(one: Series) -> str:
        is_third = dict(one.labels)["instance"] == _REPLICAS[2]
        return scene.ended(one) if is_third else scene.lasting(one)

    yield scene.fires_under(scene.laid(scene.fed(value), third_ends), value)
    found = harmless(alert.expr, scene.feed)
    if found:
        yield scene.quiet_under(scene.laid(found, third_ends))


def _all_count(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A count of what is wrong tells how many there are, not only that there is one."""
    expr, scene = alert.expr, _scene(alert, platform, _REPLICAS)
    if not isinstance(expr, Threshold) or not isinstance(expr.inner, Count) or downward(expr):
        return
    value = Decimal(len(results(expr.inner.inner, scene.feed)))
    if value > just_over(expr):
        yield scene.firing(value)


def _disagree(alert: Alert, platform: Platform) -> Iterator[Case]:
    """So many of three replicas see the fault, the others do not."""
    expr = alert.expr
    if not isinstance(expr, Threshold) or not _is_chain(expr):
        return
    for faulty, fires in _verdicts(expr):
        if fires and _tells_an_average(alert):
            continue
        bad = _scene(alert, platform, _REPLICAS[:faulty])
        good = replace(bad.feed, replicas=_REPLICAS[faulty:])
        found = bad.fed(beyond(expr)) + series(expr, within(expr), good)
        value = _seen_together(expr, faulty)
        yield bad.firing(value, found) if fires else bad.quiet(found)


def _of_each(expr: Expr) -> bool:
    """Whether each replica has a result of its own, which says nothing of the others."""
    return "instance" in expr.labels


def _seen_together(expr: Threshold, faulty: int) -> Decimal:
    """The value of three replicas' verdict, so many of which see the fault."""
    observed = _collapsing(expr)
    if _of_each(expr) or observed is None or observed.operator is not Collapse.AVG:
        return beyond(expr)
    good = len(_REPLICAS) - faulty
    return (beyond(expr) * faulty + within(expr) * good) / len(_REPLICAS)


def _verdicts(expr: Threshold) -> list[tuple[int, bool]]:
    """How many of three have to see a fault for it to be one: pairs of a number and a verdict."""
    if _of_each(expr):
        return [(1, True)]
    observed = _collapsing(expr)
    if observed is None or observed.operator is Collapse.SUM:
        return []
    if observed.operator is Collapse.AVG:
        return [(1, False), (2, True)]
    small_is_bad = downward(expr) != falls(expr)
    any_suffices = (observed.operator is Collapse.MIN) == small_is_bad
    return [(1, True)] if any_suffices else [(2, False)]


def _spread(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Where no number of replicas decides, they disagree about each metric that is collapsed."""
    condition = compared(alert.expr)
    if condition is None or _decided_by_number(alert.expr):
        return
    collapsing = [part for part in deep(alert.expr) if _collapses(part)]
    if not collapsing or counts(alert):
        return
    scene = _scene(alert, platform, _REPLICAS, spread=True)
    if not any(part.operator is Collapse.AVG for part in collapsing):
        yield scene.firing(just_over(alert.expr))
        yield scene.quiet(harmless(alert.expr, scene.feed))
        return
    # The last digit of an average is not the same in all versions of Prometheus.
    if not _tells_an_average(alert):
        yield scene.firing(beyond(condition))
    yield scene.quiet(well_within(alert.expr, scene.feed))
    yield from _spread_of_one_side(scene)


def _spread_of_one_side(scene: Scene) -> Iterator[Case]:
    """Of two conditions one is met: it is enough or not, whatever the replicas say apart."""
    expr = scene.alert.expr
    if not isinstance(expr, (And, Or)):
        return
    found = apart(scene, expr.left, expr.right)
    if found is None:
        return
    if isinstance(expr, And):
        holds = series(expr.left, just_over(expr.left), found.feed)
        yield found.quiet(holds + well_within(expr.right, found.feed))
        return
    for side in (expr.left, expr.right):
        if isinstance(side, Threshold) and not _tells_an_average(scene.alert):
            yield found.firing(beyond(side), series(side, beyond(side), found.feed))


def _decided_by_number(expr: Expr) -> bool:
    """Whether it is enough to know how many replicas see a fault."""
    return isinstance(expr, Threshold) and _is_chain(expr) and bool(_verdicts(expr))


def _collapses(part: Expr) -> TypeGuard[Aggregate]:
    return (
        isinstance(part, Aggregate)
        and "instance" in part.inner.labels
        and part.operator is not Collapse.SUM
    )


def _is_chain(expr: Expr) -> bool:
    """Whether each part has but one inside, so that what its input is is what it compares."""
    return all(len(part.children()) <= 1 and not isinstance(part, Recorded) for part in expr.walk())


def _tells_an_average(alert: Alert) -> bool:
    """Whether a text shows an average to its last digit, which versions of Prometheus do not."""
    texts = alert.summary + alert.description
    averages = any(
        isinstance(part, Aggregate) and part.operator is Collapse.AVG for part in deep(alert.expr)
    )
    return averages and "$value }}" in texts


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
    condition = compared(alert.expr)
    if condition is None or not isinstance(condition.inner, HistogramQuantile):
        return
    scene, value = _scene(alert, platform, _SHARDS), just_over(alert.expr)
    found = unequal(condition.inner, value, scene.feed)
    if found:
        yield scene.firing(value, found)


def _sharded(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Each target is probed by one of two exporters: no other case than with one."""
    selectors = [part for part in deep(alert.expr) if isinstance(part, Selector)]
    raw = [part for part in selectors if not isinstance(part, Recorded)]
    if not all("target" in selector.metric.labels for selector in raw):
        return
    scene = _scene(alert, platform, _SHARDS, sharded=True)
    yield scene.firing(just_over(alert.expr))
    found = harmless(alert.expr, scene.feed)
    if found:
        yield scene.quiet(found)
