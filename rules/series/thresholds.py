"""The two sides of a condition's threshold, as near as they can be told apart."""

from __future__ import annotations

from decimal import Decimal

from model.promql import (
    And,
    Comparison,
    Count,
    Expr,
    HistogramQuantile,
    Or,
    OverRange,
    Ratio,
    Threshold,
    Unless,
    WithNumber,
)
from rules.series.windows import deep, range_of

_STRICT = (Comparison.LESS, Comparison.GREATER)
# How many digits humanize shows, and what follows the last one where it is half way to the next.
_SHOWN, _HALF_WAY = 4, 5
_A_BIT_MORE = Decimal("1.25")
_DOWNWARD = (Comparison.LESS, Comparison.LESS_OR_EQUAL)
# What a function does to the numbers it is given, beyond copying and counting them.
_INEXACT = frozenset({"rate", "delta", "deriv", "quantile_over_time"})


def compared(expr: Expr) -> Threshold | None:
    """The comparison whose value an alert shows; None where it compares nothing."""
    while isinstance(expr, (And, Or, Unless)):
        expr = expr.left
    return expr if isinstance(expr, Threshold) else None


def just_over(expr: Expr) -> Decimal:
    """The value nearest to the threshold for which a condition holds."""
    condition = compared(expr)
    if condition is None:
        return Decimal(1)
    exactly = condition.comparison not in _STRICT and is_exact(condition.inner)
    return condition.threshold if exactly else beyond(condition)


def just_under(expr: Threshold) -> Decimal:
    """The value nearest to the threshold for which a condition does not hold."""
    exactly = expr.comparison in _STRICT and is_exact(expr.inner)
    return expr.threshold if exactly else within(expr)


def beyond(expr: Threshold) -> Decimal:
    """A value a small step to the side of the threshold on which the condition holds."""
    return expr.threshold - _step(expr) if downward(expr) else expr.threshold + _step(expr)


def within(expr: Threshold) -> Decimal:
    """A value a small step to the side of the threshold on which the condition does not hold."""
    return expr.threshold + _step(expr) if downward(expr) else expr.threshold - _step(expr)


def downward(expr: Threshold) -> bool:
    """Whether it is small values that the condition is about."""
    return expr.comparison in _DOWNWARD


def is_exact(expr: Expr) -> bool:
    """Whether its value is the wished-for one to the last bit, so that equality can be tested."""
    parts = list(deep(expr))
    if any(isinstance(part, HistogramQuantile) for part in parts):
        return True
    if any(isinstance(part, WithNumber) and part.number for part in parts):
        return False
    found = [part for part in parts if isinstance(part, OverRange)]
    if any(part.function in _INEXACT for part in found):
        return False
    # Within a ratio, growth is counted from a beginning at 0 and nothing is extrapolated.
    ratios = [part for part in parts if isinstance(part, Ratio)]
    counted = any(part.function == "increase" for part in found)
    return not counted or (all(range_of(ratio) for ratio in ratios) and bool(ratios))


def _step(expr: Threshold) -> Decimal:
    if any(_is_counted(part) for part in expr.walk()):
        return Decimal(1)
    # Interpolation between buckets is no exact arithmetic.
    parts = 10 if any(isinstance(part, HistogramQuantile) for part in expr.walk()) else 1000
    step = abs(expr.threshold) / parts or Decimal("0.001")
    sides = (expr.threshold - step, expr.threshold + step)
    return step * _A_BIT_MORE if any(map(_rounds_either_way, sides)) else step


def _rounds_either_way(value: Decimal) -> bool:
    """Whether the four digits that texts show depend on the last bit of an inexact value."""
    digits = value.normalize().as_tuple().digits
    return len(digits) == _SHOWN + 1 and digits[-1] == _HALF_WAY


def _is_counted(part: Expr) -> bool:
    return isinstance(part, Count) or (isinstance(part, OverRange) and part.function == "changes")
