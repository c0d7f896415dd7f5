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
    hold from `early` after that, and has its exact value from `settled` after that.
    """

    step: timedelta
    lead: timedelta
    early: timedelta
    settled: timedelta

    @property
    def holds(self) -> timedelta:
        """The first time at which the condition may hold."""
        return self.lead + self.early

    @property
    def exact(self) -> timedelta:
        """The first time at which what it compares is exact."""
        return self.lead + self.settled


def timing(
    alert: Alert, platform: Platform, *, amply: bool = True, further: timedelta = timedelta(0)
) -> Timing:
    """The timing of an alert's cases, which last `further` than until it fires.

    With `amply`, the denominators of ratios are large enough from the start; without, only when
    their range is full. Raises UntestableError.
    """
    finest = platform.watched_by.evaluation_interval
    history = lead(alert.expr)
    step = _step(alert, finest, _whole(alert, finest, amply=amply) + further)
    settled = settles(alert.expr, step, amply=amply)
    return Timing(step, history, _early(alert, step, settled), settled)


def can_fill(alert: Alert, platform: Platform) -> bool:
    """Whether promtool can wait until the ranges of its ratios are full.

    It can where that takes hardly longer than its other cases, which reach back as far.
    """
    finest = platform.watched_by.evaluation_interval
    longest = max(_fitting(alert, finest))
    usual = _whole(alert, finest, amply=True)
    return _whole(alert, finest, amply=False) <= max(_AT_MOST * longest, usual * 1.1)


def _step(alert: Alert, finest: timedelta, whole: timedelta) -> timedelta:
    """The shortest step, not under that of Prometheus, with which promtool is fast enough."""
    if whole <= _ENOUGH * finest:
        return finest
    fitting = _fitting(alert, finest)
    if whole > 4 * _AT_MOST * fitting[-1]:
        raise TooLongError(
            f"its tests look back {prometheus(whole)} in steps of {prometheus(fitting[-1])}, which "
            "takes promtool minutes: a longer `for` or a longer shortest range allows longer steps"
        )
    return next((step for step in fitting if whole <= _ENOUGH * step), fitting[-1])


def _fitting(alert: Alert, finest: timedelta) -> list[timedelta]:
    """Steps that divide all lengths of time that matter, so that both sides of `for` can be told.

    Four of them fit into the shortest range.
    """
    usual = [by for part in alert.expr.walk() if isinstance(part, Usual) for by in part.at]
    lengths = [part.length for part in ranges(alert.expr)]
    dividing = [alert.for_, alert.keep_firing_for, *usual, *lengths]
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


def _whole(alert: Alert, finest: timedelta, *, amply: bool) -> timedelta:
    return lead(alert.expr) + settles(alert.expr, finest, amply=amply) + alert.for_


def _early(alert: Alert, step: timedelta, settled: timedelta) -> timedelta:
    """A range that is not full yet is less than a full one."""
    expr = alert.expr
    downward = isinstance(expr, Threshold) and expr.comparison in _DOWNWARD and expr.threshold > 0
    return min(step, settled) if downward else settled
