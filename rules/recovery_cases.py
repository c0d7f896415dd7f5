"""The cases of every alert whose cause ends: it fires on for as long as it is to, and no longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from model.alerts import Alert
from model.platform import Platform
from model.promql import Expr, HistogramQuantile, Or, Ratio, Threshold
from rules.case import Case, Expected, Scene, counts
from rules.series import (
    Series,
    compared,
    deep,
    downward,
    harmless,
    is_rate,
    just_over,
    range_of,
    ranges,
    series,
    within,
)
from rules.untestable import TooLongError

# A test is evaluated step by step until the series are forgotten.
_LONGEST_LOOK_BACK = timedelta(hours=6)
# Functions whose value stays what it was while some of the series is still in their range: of
# samples that are all alike, a line through them goes on.
_HOLDING = frozenset({"max_over_time", "predict_linear"})
# Functions whose value moves away at once from one that their input no longer has.
_FOLLOWING = frozenset({"rate", "increase", "delta", "deriv", "avg_over_time"})
# Functions that tell how their input grows: it goes on from where it is.
_GROWING = frozenset({"rate", "increase", "delta", "deriv"})

# promtool adds up floats: a counter that ends up a digit lower would seem to begin anew.
_MORE = Decimal("1.000001")


def recovery_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert that fires and ends. Raises UntestableError."""
    looks_back = _looks_back(alert.expr)
    # An alert whose end takes too long to be seen is sound for all that.
    with suppress(TooLongError):
        if looks_back is None:
            yield from _turns(alert, platform)
        elif looks_back <= _LONGEST_LOOK_BACK:
            yield from _is_forgotten(alert, looks_back, platform)


def _is_forgotten(alert: Alert, looks_back: timedelta, platform: Platform) -> Iterator[Case]:
    """Its series end, or, where that would not end it, come over to the quiet side.

    A condition that looks back sees them for its whole range; what it reads besides lasts on.
    """
    most = None if counts(alert) else 1
    scene = Scene.of(
        alert, platform, further=looks_back + alert.keep_firing_for, most=most, finely=True
    )
    when, value = scene.timing, just_over(alert.expr)
    found = scene.fed(value)
    if not found:
        return
    lasts = (when.settled + when.waits) // when.step + 1
    later = harmless(alert.expr, scene.feed)
    afterwards = {one.notation(): one for one in later if not one.shift}
    ends = {part.inner.series_name for part in ranges(alert.expr)}

    def ending(one: Series) -> str:
        if ends and one.name not in ends:
            return one.values(lasts + looks_back // when.step + 4, when.step)
        before = one.values(lasts, when.step)
        if alert.no_data == "quiet":
            return f"{before} stale"
        return f"{before} {afterwards[one.notation()].values(lasts, when.step)}"

    # Whether a sample at the very edge of a range is in it differs between versions, and a rate or
    # a line needs two of them.
    needs_two = is_rate(alert.expr) or _predicts(alert.expr)
    edge = 2 * when.step if looks_back else timedelta(0)
    held = when.lead + lasts * when.step + looks_back + when.keeps
    ended = held if needs_two else held + when.step
    yield Case(
        alert,
        when.step,
        scene.laid(found, ending),
        [Expected(held - edge, scene.fired(value)), Expected(ended, ())],
    )


def _looks_back(expr: Expr) -> timedelta | None:
    """For how long a condition goes on having the value that its series ended with.

    None if it has another value soon: a rate is one of the whole range.
    """
    over = ranges(expr)
    shares = any(isinstance(part, HistogramQuantile) for part in expr.walk())
    if any(part.function not in _HOLDING for part in over) and not shares:
        return None
    lengths = {part.length for part in over} or {timedelta(0)}
    return lengths.pop() if len(lengths) == 1 else None


def _predicts(expr: Expr) -> bool:
    return any(part.function == "predict_linear" for part in ranges(expr))


def _turns(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A value that was only just over is under as soon as its input goes far to the quiet side."""
    expr, condition = alert.expr, compared(alert.expr)
    if (
        condition is None
        or not condition.threshold
        or counts(alert)
        or any(isinstance(part, Or) for part in (expr, condition.inner))
    ):
        return
    over = ranges(expr)
    if any(part.function not in _FOLLOWING for part in over):
        return
    scene = Scene.of(alert, platform, further=alert.keep_firing_for, most=1, finely=True)
    when, value = scene.timing, just_over(expr)
    ratios = [part for part in deep(expr) if isinstance(part, Ratio)]
    volume = max((_ample(ratio, when.step) for ratio in ratios), default=None)
    scene = replace(scene, feed=replace(scene.feed, volume=volume))
    lasts = (when.settled + when.waits) // when.step + 1
    after = lasts + when.keeps // when.step + 3
    quiet = {one.notation(): one for one in _quietly(scene, condition) if not one.shift}
    grows = {part.inner.series_name for part in over if part.function in _GROWING}

    def turning(one: Series) -> str:
        before, then = one.values(lasts, when.step), quiet[one.notation()]
        if one.name in grows:
            seconds = Decimal(str(when.step.total_seconds()))
            reached = one.start + one.per_second * seconds * lasts
            then = replace(then, start=reached * _MORE + then.per_second * seconds)
        return f"{before} {then.values(after, when.step)}"

    held = when.lead + lasts * when.step + when.keeps
    yield Case(
        alert,
        when.step,
        scene.laid(scene.fed(value), turning),
        [Expected(held, scene.fired(value)), Expected(held + when.step, ())],
    )


def _quietly(scene: Scene, condition: Threshold) -> list[Series]:
    """Series that are far on the quiet side: so much that few of them outweigh many others."""
    expr, feed = scene.alert.expr, scene.feed
    if downward(condition) == (condition.threshold < 0):
        return series(expr, Decimal(0), feed)
    if downward(condition) and isinstance(condition.inner, Ratio) and feed.volume is not None:
        # A share cannot be as large as one likes, but be one of many more.
        return series(expr, within(condition), replace(feed, volume=1000 * feed.volume))
    return series(expr, 2 * condition.threshold, feed)


def _ample(ratio: Ratio, step: timedelta) -> Decimal:
    """A denominator that is over the least from the first step on."""
    over = range_of(ratio)
    steps = over.length // step if over else 1
    return max(Decimal(1), ratio.minimum) * 1000 * steps
