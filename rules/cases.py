"""The cases of every alert with one exporter: both sides of the threshold, of `for` and of data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from model.alerts import Alert
from model.platform import Platform
from model.promql import Count, Expr, HistogramQuantile, Selector, Unless
from rules.case import Case, Fed, Scene, counts, reads_recorded, wants_each_target
from rules.recovery_cases import recovery_cases
from rules.series import (
    Feed,
    Series,
    compared,
    downward,
    excluded_value,
    harmless,
    just_over,
    just_under,
    missing,
    ranges,
    results,
    well_within,
    within,
)

# As many targets as it takes to tell one from another: promtool's time grows with them.
_TARGETS = 2
# Functions whose value does not end with the series, and is the same from its first sample on.
_HOLDING = frozenset({"max_over_time", "min_over_time", "last_over_time"})


def single_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert that one exporter decides. Raises UntestableError."""
    most = None if counts(alert) else _TARGETS
    # Once through the recording rules that it reads, which have tests of their own.
    few = Scene.of(alert, platform, most=most, direct=reads_recorded(alert))
    finely = Scene.of(alert, platform, most=most, finely=True)
    yield finely.firing(just_over(alert.expr))
    every = Scene.of(alert, platform)
    if wants_each_target(alert, platform) and _targets(every) > _targets(few):
        yield every.firing(just_over(alert.expr))
    yield from recovery_cases(alert, platform)
    yield from _outlives_its_series(few)
    yield from stays_quiet(few)
    yield from _well_within(few)
    yield from kept_out(few)
    yield from _in_bursts(few)
    yield _without_data(few)


def _targets(scene: Scene) -> int:
    return len(results(scene.alert.expr, scene.feed))


def kept_out(scene: Scene) -> Iterator[Case]:
    """Series that its matchers keep out are none of its business, however ill they are."""
    alert = scene.alert
    selectors = [part for part in alert.expr.walk() if isinstance(part, Selector)]
    fixed = {label for selector in selectors for label in selector.fixed}
    fires = alert.no_data == "fires"
    if not fires:
        yield from _excluded(scene, selectors)
    faulty = harmless(alert.expr, scene.feed) if fires else scene.fed(just_over(alert.expr))
    others = {
        (other.notation(), other.shift): other for other in (_other(one, fixed) for one in faulty)
    }
    found = list(others.values())
    if not fixed or not found or found == faulty:
        return
    yield _as_without_data(scene, scene.laid(found)) if fires else scene.quiet(found)


def _excluded(scene: Scene, selectors: list[Selector]) -> Iterator[Case]:
    """Series with the value that a matcher excludes."""
    faulty = scene.fed(just_over(scene.alert.expr))
    for selector in selectors:
        for matcher in selector.matchers:
            excluded = excluded_value(matcher)
            if excluded is None:
                continue
            value = scene.feed.settled(excluded)
            found = [
                replace(one, labels=tuple({**dict(one.labels), matcher.label: value}.items()))
                if one.name == selector.series_name
                else one
                for one in faulty
            ]
            if found:
                yield scene.quiet(found)


def _other(one: Series, labels: set[str]) -> Series:
    """A series with another value of these labels."""
    changed = {name: "other" if name in labels else value for name, value in one.labels}
    return replace(one, labels=tuple(changed.items()))


def _well_within(scene: Scene) -> Iterator[Case]:
    """On the quiet side and not at the threshold: never firing, which tells < from !=."""
    expr, condition = scene.alert.expr, compared(scene.alert.expr)
    if condition is None or within(condition) == just_under(condition):
        return
    if not isinstance(condition.inner, Count):
        yield scene.quiet(well_within(expr, scene.feed))
    elif downward(condition):
        found = harmless(expr, scene.feed)
        yield scene.quiet(found + [_other(one, {"target"}) for one in found[-1:]])


def _in_bursts(scene: Scene) -> Iterator[Case]:
    """A quantile is one of the whole range, not of the last two samples."""
    condition, step = compared(scene.alert.expr), scene.timing.step
    if condition is None or not isinstance(condition.inner, HistogramQuantile):
        return
    count = scene.timing.waits // step + 4
    value = just_over(scene.alert.expr)

    def in_bursts(one: Series) -> str:
        grows = one.per_second * Decimal(str(step.total_seconds())) * 2
        return " ".join(f"{one.start + grows * ((i + 1) // 2):f}" for i in range(count))

    yield scene.fires_under(scene.laid(scene.fed(value), in_bursts), value)


def _outlives_its_series(scene: Scene) -> Iterator[Case]:
    """A condition that looks back does not end with the series that it looks at."""
    over = ranges(scene.alert.expr)
    if not over or not all(part.function in _HOLDING for part in over):
        return
    value = just_over(scene.alert.expr)
    yield scene.fires_under(scene.laid(scene.fed(value), scene.ended), value)


def stays_quiet(scene: Scene) -> Iterator[Case]:
    """On the quiet side of the threshold, or with what it misses there: never firing."""
    expr, feed = scene.alert.expr, scene.feed
    for found in (harmless(expr, feed), *_excused(expr, feed)):
        if found:
            yield scene.quiet(found)


def _excused(expr: Expr, feed: Feed) -> Iterator[list[Series]]:
    """Of several reasons that excuse it, each but the innermost, which is what is harmless."""
    if isinstance(expr, Unless) and isinstance(expr.left, Unless):
        yield missing(expr, feed)
        yield from _excused(expr.left, feed)


def _without_data(scene: Scene) -> Case:
    return scene.quiet([]) if scene.alert.no_data == "quiet" else _as_without_data(scene, [])


def _as_without_data(scene: Scene, fed: list[Fed]) -> Case:
    value = Decimal(0) if compared(scene.alert.expr) else Decimal(1)
    at_once = replace(scene, timing=replace(scene.timing, lead=_NOW, early=_NOW, settled=_NOW))
    return at_once.fires_under(fed, value)


_NOW = timedelta(0)
