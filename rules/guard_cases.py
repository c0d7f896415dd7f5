"""The cases of what stands beside an alert's threshold: further conditions, and guards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from model.alerts import Alert
from model.platform import Platform
from model.promql import (
    And,
    Expr,
    Or,
    OverRange,
    Ratio,
    Recorded,
    Threshold,
    Unless,
    Usual,
)
from rules.case import Case, Scene, counts, reads_recorded
from rules.series import (
    Feed,
    Labels,
    Series,
    beyond,
    compared,
    deep,
    downward,
    falls,
    harmless,
    just_over,
    ranges,
    results,
    series,
    well_within,
)
from rules.timing import can_fill

T = TypeVar("T", bound=Expr)
_Times = tuple[timedelta, ...]
# As many targets as it takes to tell one from another: promtool's time grows with them.
_TARGETS = 2


def guard_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert's sets, ratios and comparisons with earlier days.

    Raises UntestableError.
    """
    yield from _volumes(alert, platform)
    yield from _histories(alert, platform)
    yield from _further_conditions(alert, platform)
    yield from _alternatives(alert, platform)
    yield from _trends(alert, platform)


def _volumes(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A denominator just under the least says nothing; from the least on, the ratio counts."""
    ratio = _first(alert.expr, Ratio)
    is_recorded = reads_recorded(alert) and all(part is not ratio for part in alert.expr.walk())
    if ratio is None or is_recorded or not can_fill(alert, platform):
        return
    value, step = just_over(alert.expr), ratio.minimum / 1000
    under = _scene(alert, platform, amply=False, volume=ratio.minimum - step)
    yield under.quiet(under.fed(value))
    # What is extrapolated is not the least itself, to the last bit.
    least = ratio.minimum + step if ranges(ratio) else ratio.minimum
    over = _scene(alert, platform, amply=False, volume=least)
    yield over.firing(value)


def _histories(alert: Alert, platform: Platform) -> Iterator[Case]:
    """All earlier times, as many as it takes, each of them once, and one less, each left out once.

    Each is the history of another target, as far as there are so many: a week is long.
    """
    usual = _first(alert.expr, Usual)
    if usual is None:
        return
    enough: list[_Times] = [usual.at]
    if usual.at_least < len(usual.at):
        enough += _each_among(usual.at, usual.at_least)
    fewer = usual.at_least - 1
    short = dict.fromkeys((usual.at[:fewer], usual.at[len(usual.at) - fewer :]))
    histories = [(present, True) for present in enough] + [(present, False) for present in short]
    direct = reads_recorded(alert)
    scene = Scene.of(alert, platform, most=1, present=usual.at, direct=direct)
    room = _told_apart(scene, len(histories))
    for start in range(0, len(histories), room):
        yield _beside(scene, histories[start : start + room])


def _told_apart(scene: Scene, most: int) -> int:
    """How many targets it has that are results of their own, `most` at most."""
    seen: list[list[Labels]] = []
    for first in range(most):
        found = results(scene.alert.expr, replace(scene.feed, first=first))
        if not found or found in seen:
            break
        seen.append(found)
    return max(1, len(seen))


def _beside(scene: Scene, histories: list[tuple[_Times, bool]]) -> Case:
    """A target for each history, and whether it fires with it."""
    value = just_over(scene.alert.expr)
    found: list[Series] = []
    fired: list[dict[str, Any]] = []
    for first, (present, fires) in enumerate(histories):
        one = replace(scene, feed=replace(scene.feed, present=present, first=first))
        found += one.fed(value)
        if fires:
            fired += one.fired(value)
    if not fired:
        return scene.quiet(found)
    case = scene.fires_under(scene.laid(found), value)
    case.expected[-1] = replace(case.expected[-1], alerts=tuple(fired))
    return case


def _each_among(times: _Times, count: int) -> Iterator[_Times]:
    """So many of the times, in sets that hold each of them at least once.

    One that is twice another is not beside it where that can be: it could be taken for it.
    """
    left = list(times)
    while left:
        chosen = [left[0]]
        others = [*left[1:], *(time for time in times if time not in left)]
        for apart in (True, False):
            for time in others:
                doubles = any(time in (2 * one, one / 2) for one in chosen)
                if len(chosen) < count and time not in chosen and not (apart and doubles):
                    chosen.append(time)
        left = [time for time in left if time not in chosen]
        yield tuple(sorted(chosen))


def _further_conditions(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The first condition holds, and the other one is just not met, or by far: quiet."""
    expr = alert.expr
    if not isinstance(expr, (And, Unless)) or not isinstance(expr.left, (Threshold, And, Or)):
        return
    scene = apart(_scene(alert, platform), expr.left, expr.right)
    if scene is None:
        return
    holds = series(expr.left, just_over(expr.left), scene.feed)
    if isinstance(expr, And):
        just, far = (which(expr.right, scene.feed) for which in (harmless, well_within))
        yield scene.quiet(holds + just)
        if far != just:
            yield scene.quiet(holds + far)
        yield scene.quiet(
            harmless(expr.left, scene.feed) + series(expr.right, just_over(expr.right), scene.feed)
        )
    else:
        yield scene.quiet(holds + series(expr.right, just_over(expr.right), scene.feed))


def _alternatives(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Each of two alternatives suffices."""
    expr = alert.expr
    if not isinstance(expr, Or) or not isinstance(expr.right, Threshold):
        return
    scene = apart(_scene(alert, platform), expr.left, expr.right)
    if scene is not None:
        for side in (expr.left, expr.right):
            value = just_over(side)
            yield scene.firing(value, series(side, value, scene.feed))


def _trends(alert: Alert, platform: Platform) -> Iterator[Case]:
    """What is predicted comes from a line that leads just over the threshold so far ahead.

    The line falls if the condition is about great values, so that one who looked further ahead, or
    less far on the other side, would see no reason to fire.
    """
    condition = compared(alert.expr)
    predicted = [
        part
        for part in deep(alert.expr)
        if isinstance(part, OverRange) and part.function == "predict_linear"
    ]
    if condition is None or not predicted or falls(condition.inner):
        return
    scene = _scene(alert, platform)
    value = beyond(condition)
    yield scene.firing(value, [_sloping(one, predicted, scene) for one in scene.fed(value)])


def _sloping(one: Series, predicted: list[OverRange], scene: Scene) -> Series:
    """The line that is predicted to have, when the alert is to fire, the value of the flat one."""
    part = next((part for part in predicted if part.inner.series_name == one.name), None)
    if part is None or part.parameter is None:
        return one
    at = scene.timing.exact + scene.timing.waits
    seconds = Decimal(str(at.total_seconds())) + part.parameter
    # As much as a tenth of the value on the way: more than tests tell apart.
    slope = abs(one.start) / 10 / seconds
    condition = compared(scene.alert.expr)
    if condition is not None and not downward(condition):
        slope = -slope
    return replace(one, start=one.start - slope * seconds, per_second=slope)


def _scene(alert: Alert, platform: Platform, **told: Any) -> Scene:
    """A few targets; what is recorded is fed as such, as its rule has tests of its own."""
    most = None if counts(alert) else _TARGETS
    return Scene.of(alert, platform, most=most, direct=reads_recorded(alert), **told)


def apart(scene: Scene, left: Expr, right: Expr) -> Scene | None:
    """A scene in which the two sides read different series; None where there is none."""
    if not _overlap(left, right, scene.feed):
        return scene
    # What is recorded from the same counters can be fed as if it had been recorded.
    reads = [part for part in scene.alert.expr.walk() if isinstance(part, Recorded)]
    direct = replace(scene, feed=replace(scene.feed, direct=True))
    return direct if reads and not _overlap(left, right, direct.feed) else None


def _overlap(left: Expr, right: Expr, feed: Feed) -> bool:
    def read(expr: Expr) -> set[str]:
        found: list[Series] = series(expr, just_over(expr), feed)
        return {one.notation() for one in found}

    return bool(read(left) & read(right))


def _first(expr: Expr, kind: type[T]) -> T | None:
    return next((part for part in deep(expr) if isinstance(part, kind)), None)
