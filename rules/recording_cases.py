"""The cases of every recording rule: what it records on both sides of a value, and for how long.

A rule is tested as if an alert asked whether what it records is over a value. What it reads of
other recording rules is fed, not recorded: those have cases of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from model.alerts import Alert
from model.durations import seconds
from model.platform import Platform
from model.promql import (
    Count,
    HistogramQuantile,
    Or,
    OverRange,
    Ratio,
    Recording,
    Threshold,
)
from rules.case import Case, Expected, Scene
from rules.cases import kept_out, stays_quiet
from rules.series import Feed, Series, deep, just_over, ranges, results
from rules.timing import Timing

# As many targets as it takes to tell one from another: promtool's time grows with them.
_TARGETS = 2
_REPLICAS = ("one:3017", "two:3017", "three:3017")
# What a value is compared with: a share, or so many results.
_HALF, _AS_MANY = Decimal("0.5"), 2
# Into so many steps the range is divided whose length is tested, and so many samples are others.
_STEPS, _OTHERS = 20, 2
# Their share in the value is more than a hundredth.
_TRACE = 100
# Functions whose value tells how much of their range was bad.
_WEIGHING = frozenset({"avg_over_time", "rate", "increase"})
_GROWING = frozenset({"rate", "increase"})
# promtool adds up floats: a counter that ends up a digit lower would seem to begin anew.
_MORE = Decimal("1.000001")


@dataclass(frozen=True)
class RecordedCase:
    """A case, and over what the recorded value has to be where the case has an alert fire."""

    case: Case
    over: Decimal


@dataclass(frozen=True)
class _Recorded(Scene):
    """The scene of a rule that adds nothing to the labels of its results but constant ones."""

    def fired(self, value: Decimal) -> tuple[dict[str, Any], ...]:
        """The results that are over the value, as label sets."""
        del value
        found = results(self.alert.expr, self.feed)
        return tuple({"exp_labels": {**labels, **self.alert.labels}} for labels in found)


def recording_cases(recording: Recording, platform: Platform) -> Iterator[RecordedCase]:
    """The cases of one recording rule. Raises UntestableError."""
    condition = recording.expr > _compared_with(recording, platform)
    alert = _asking(recording, condition)
    for case in _cases(alert, condition, platform):
        yield RecordedCase(case, condition.threshold)
    yield from _whole_range(alert, condition, platform)


def _compared_with(recording: Recording, platform: Platform) -> Decimal:
    """What its value is compared with: a share, or fewer than there are to count."""
    counts = [part for part in deep(recording.expr) if isinstance(part, Count)]
    if not counts:
        return _HALF
    most = min(len(results(part.inner, Feed(platform))) for part in counts)
    return Decimal(max(0, min(_AS_MANY, most - 1)))


def _asking(recording: Recording, condition: Threshold) -> Alert:
    """An alert that would ask for what is recorded; it has no texts, and is told to nobody."""
    return Alert.model_construct(
        name=recording.name,
        group=recording.group,
        expr=condition,
        labels=recording.labels,
        for_=seconds(0),
        keep_firing_for=seconds(0),
        no_data="quiet",
        severity=None,
        summary="",
        description="",
    )


def _cases(alert: Alert, condition: Threshold, platform: Platform) -> Iterator[Case]:
    value = just_over(condition)
    most = None if any(isinstance(part, Count) for part in deep(condition)) else _TARGETS
    scene = _Recorded.of(alert, platform, most=most, direct=True)
    yield scene.firing(value)
    yield from stays_quiet(scene)
    yield from kept_out(scene)
    several = _Recorded.of(alert, platform, most=most, direct=True, replicas=_REPLICAS, spread=True)
    yield several.firing(value)
    yield from stays_quiet(several)
    ratio = next((part for part in alert.expr.walk() if isinstance(part, Ratio)), None)
    if ratio is not None:
        yield from _volumes(alert, ratio, value, platform)
        yield from _nothing_counted(scene, ratio, condition)


def _volumes(alert: Alert, ratio: Ratio, value: Decimal, platform: Platform) -> Iterator[Case]:
    """Under the least volume nothing is recorded, and just over it something is."""
    step = ratio.minimum / 1000
    scene = _Recorded.of(alert, platform, amply=False, most=_TARGETS, direct=True)
    under = replace(scene, feed=replace(scene.feed, volume=ratio.minimum - step))
    yield under.quiet(under.fed(value))
    # What is extrapolated is not the least itself, to the last bit.
    least = ratio.minimum + step if ranges(ratio) else ratio.minimum
    over = replace(scene, feed=replace(scene.feed, volume=least))
    yield over.firing(value)


def _nothing_counted(scene: Scene, ratio: Ratio, condition: Threshold) -> Iterator[Case]:
    """A counter that has counted nothing yet is not there: of what has happened it is no share."""
    if not any(isinstance(part, Or) for part in ratio.numerator.walk()):
        return
    for value in (Decimal(0), Decimal(1)):
        found = scene.fed(value)
        counted = [one for one in found if one.start or one.per_second]
        if counted and len(counted) < len(found):
            high = value > condition.threshold
            yield scene.firing(value, counted) if high else scene.quiet(counted)


def _whole_range(alert: Alert, condition: Threshold, platform: Platform) -> Iterator[RecordedCase]:
    """What was other for a moment has a share in the value for as long as the range, no longer."""
    over = [part for part in condition.walk() if isinstance(part, OverRange)]
    lengths = {part.length for part in over}
    # A quantile is not moved by a few.
    shares = any(isinstance(part, HistogramQuantile) for part in condition.walk())
    if len(lengths) != 1 or shares or any(part.function not in _WEIGHING for part in over):
        return
    length = lengths.pop()
    step = length / _STEPS
    scene = _Recorded.of(alert, platform, most=_TARGETS, direct=True)
    at_once = seconds(0)
    now = Timing(step, scene.timing.lead, at_once, at_once, waits=at_once, keeps=at_once)
    scene = replace(scene, timing=now, feed=replace(scene.feed, step=step))
    grows = frozenset(p.inner.series_name for p in over if p.function in _GROWING)
    left = now.lead + (_OTHERS - 1) * step + length
    value, trace = condition.threshold, condition.threshold / _TRACE
    high, none = scene.fired(value), ()
    for before, after, least, holds in (
        (value, Decimal(0), trace, (high, none)),
        (Decimal(0), value, value - trace, (none, high)),
    ):
        then = {one.notation(): one for one in scene.fed(after)}
        turning = partial(_turning, step=step, grows=grows, then=then)
        fed = scene.laid(scene.fed(before), turning)
        times = (left - (2 if grows else 1) * step, left + step)
        expected = [Expected(at, found) for at, found in zip(times, holds, strict=True)]
        yield RecordedCase(Case(alert, step, fed, expected), least)


def _turning(
    one: Series, *, step: timedelta, grows: frozenset[str], then: Mapping[str, Series]
) -> str:
    """The values of a series that goes over to another course; a counter goes on from its value."""
    after = then[one.notation()]
    if one.name in grows:
        by = Decimal(str(step.total_seconds()))
        reached = (one.start + one.per_second * by * (_OTHERS - 1)) * _MORE
        after = replace(after, start=reached + after.per_second * by)
    return f"{one.values(_OTHERS - 1, step)} {after.values(_STEPS + 4, step)}"
