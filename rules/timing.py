"""How far apart the samples of an alert's unit tests are, and when its condition is decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from model.alerts import Alert
from model.durations import hours, minutes, prometheus, seconds
from model.platform import Platform
from model.promql import Comparison, Threshold, Usual
from rules.series.windows import lead, ranges, settles
from rules.untestable import TooLongError

# promtool evaluates every rule at every step, from the beginning: a week of seconds takes minutes.
# Both sides of `for` are told apart to within a step, which a twentieth of it is fine enough for.
_ENOUGH, _AT_MOST = 20, 400
# Two evaluations that far apart do for what has no range; a sample is seen for as long.
_MOMENT = minutes(5)
# What is fed of each earlier time takes fewer steps than that.
_SEGMENT = 8
_STEPS = (
    *(seconds(n) for n in (10, 15, 30)),
    *(minutes(n) for n in (1, 2, 5, 10, 15, 30)),
    *(hours(n) for n in (1, 2, 6)),
)
_DOWNWARD = (Comparison.LESS, Comparison.LESS_OR_EQUAL)


@dataclass(frozen=True, slots=True)
class Timing:
    """When what happens in an alert's cases.

    History begins at 0 and the present, in which the case is decided, at `lead`. The condition may
    hold from `early` after that, and has its exact value from `settled` after that. Then the alert
    `waits` until it fires, and `keeps` firing after it: as many steps as its settings take.
    """

    step: timedelta
    lead: timedelta
    early: timedelta
    settled: timedelta
    waits: timedelta
    keeps: timedelta

    @property
    def holds(self) -> timedelta:
        """The first time at which the condition may hold."""
        return self.lead + self.early

    @property
    def exact(self) -> timedelta:
        """The first time at which what it compares is exact."""
        return self.lead + self.settled


@dataclass(frozen=True, slots=True)
class Pace:
    """What the timing of a case goes by.

    With `amply`, the denominators of ratios are large enough from the start; without, only when
    their range is full. A case lasts `further` than until it fires. `finely`, both sides of `for`
    are told apart; else evaluations are as few as the condition allows. `present` and `direct` are
    as `Feed` has them.
    """

    amply: bool = True
    further: timedelta = timedelta(0)
    finely: bool = False
    present: tuple[timedelta, ...] | None = None
    direct: bool = False


def timing(alert: Alert, platform: Platform, pace: Pace) -> Timing:
    """The timing of a case of an alert. Raises UntestableError."""
    finest = platform.watched_by.evaluation_interval
    step = _step(alert, finest, pace)
    settled = settles(alert.expr, step, amply=pace.amply, direct=pace.direct)
    waits, keeps = (-(-length // step) * step for length in (alert.for_, alert.keep_firing_for))
    early = _early(alert, step, settled)
    return Timing(step, lead(alert.expr, pace.present), early, settled, waits, keeps)


def can_fill(alert: Alert, platform: Platform) -> bool:
    """Whether promtool can wait until the ranges of its ratios are full.

    It can where that takes hardly longer than its other cases, which reach back as far.
    """
    finest = platform.watched_by.evaluation_interval
    longest = max(_fitting(alert, finest, Pace()))
    usual = _whole(alert, finest, Pace())
    return _whole(alert, finest, Pace(amply=False)) <= max(_AT_MOST * longest, usual * 1.1)


def _step(alert: Alert, finest: timedelta, pace: Pace) -> timedelta:
    """How far apart evaluations are. What has to change often needs as many."""
    changing = any(part.function == "changes" for part in ranges(alert.expr, direct=pace.direct))
    if not pace.finely and not changing:
        return _longest(alert, finest, pace)
    fitting = _fitting(alert, finest, pace)
    whole = _whole(alert, finest, pace)
    step = _enough(whole, fitting)
    whole += pace.further
    # How soon it ends is seen as sharply as how soon it fires, where that takes not many more.
    if pace.further and whole <= 5 * _ENOUGH * step:
        return step
    if whole > 4 * _AT_MOST * fitting[-1]:
        raise TooLongError(
            f"its tests look back {prometheus(whole)} in steps of {prometheus(fitting[-1])}, which "
            "takes promtool minutes: a longer `for` or a longer shortest range allows longer steps"
        )
    return _enough(whole, fitting)


def _enough(whole: timedelta, fitting: list[timedelta]) -> timedelta:
    return next((step for step in fitting if whole <= _ENOUGH * step), fitting[-1])


def _longest(alert: Alert, finest: timedelta, pace: Pace) -> timedelta:
    """The longest step for the condition; one that looks at the moment alone goes by `for`."""
    lengths, usual = _lengths(alert, pace), _usual(alert)
    lasts = [length / 4 for length in lengths] + [by / _SEGMENT for by in usual]
    most = min(lasts, default=max(alert.for_, _MOMENT))
    steps = _dividing([*lengths, *usual], lengths, finest)
    return max((step for step in steps if step <= most), default=finest)


def _fitting(alert: Alert, finest: timedelta, pace: Pace) -> list[timedelta]:
    """Steps that divide all lengths of time that matter: both sides of `for` can be told."""
    lengths = _lengths(alert, pace)
    dividing = [alert.for_, alert.keep_firing_for, *_usual(alert), *lengths]
    return _dividing(dividing, lengths, finest)


def _dividing(
    dividing: list[timedelta], lengths: list[timedelta], finest: timedelta
) -> list[timedelta]:
    """Steps that divide some lengths of time, and of which four fit into each range."""
    return [
        finest,
        *(
            step
            for step in _STEPS
            if step > finest
            and all(length % step == timedelta(0) for length in dividing)
            and all(length >= 4 * step for length in lengths)
        ),
    ]


def _usual(alert: Alert) -> list[timedelta]:
    return [by for part in alert.expr.walk() if isinstance(part, Usual) for by in part.at]


def _lengths(alert: Alert, pace: Pace) -> list[timedelta]:
    return [part.length for part in ranges(alert.expr, direct=pace.direct)]


def _whole(alert: Alert, finest: timedelta, pace: Pace) -> timedelta:
    settled = settles(alert.expr, finest, amply=pace.amply, direct=pace.direct)
    return lead(alert.expr) + settled + alert.for_


def _early(alert: Alert, step: timedelta, settled: timedelta) -> timedelta:
    """A range that is not full yet is less than a full one."""
    expr = alert.expr
    downward = isinstance(expr, Threshold) and expr.comparison in _DOWNWARD and expr.threshold > 0
    return min(step, settled) if downward else settled
