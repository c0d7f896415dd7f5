"""How long an expression looks back, and when what it says of its input is exact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from model.promql import (
    EXTRAPOLATING,
    Age,
    Expr,
    HistogramQuantile,
    Operator,
    OverRange,
    Ratio,
    Recorded,
    Selector,
    Usual,
    WithNumber,
)

_NONE = timedelta(0)
_MEDIAN = 3
# What needs two samples, and then knows the line that they are on.
_LINES = frozenset({"deriv", "predict_linear"})


def deep(expr: Expr) -> Iterator[Expr]:
    """An expression and all inside it, through the recording rules that it reads."""
    for part in expr.walk():
        yield part
        if isinstance(part, Recorded):
            yield from deep(part.recording.expr)


def earlier_times(expr: Usual, present: tuple[timedelta, ...] | None) -> tuple[timedelta, ...]:
    """The earlier times that have data: those told, or the nearest that are enough.

    A week takes promtool more than twice as long as three days. Three values tell a median from
    an average.
    """
    nearest = tuple(sorted(expr.at))[: max(expr.at_least, _MEDIAN)]
    return nearest if present is None else present


def lead(expr: Expr, present: tuple[timedelta, ...] | None = None) -> timedelta:
    """How long before the present the history begins of which it has data."""
    own = max(earlier_times(expr, present)) if isinstance(expr, Usual) else _NONE
    if isinstance(expr, Selector):
        own = expr.offset
    return own + max((lead(part, present) for part in _inside(expr)), default=_NONE)


def settles(expr: Expr, step: timedelta, *, amply: bool = True, direct: bool = False) -> timedelta:
    """How long after its input begins its value is what a whole range would give.

    Both sides of a ratio of two counters grow alike, so two samples are enough for it where its
    denominator is amply over the least. With `direct`, what is recorded is there from the start.
    """
    if direct and isinstance(expr, Recorded):
        return _NONE
    parts = (settles(part, step, amply=amply, direct=direct) for part in _inside(expr))
    inside = max(parts, default=_NONE)
    grows_alike = amply and isinstance(expr, Ratio) and range_of(expr)
    if isinstance(expr, HistogramQuantile) or (grows_alike and ranges(expr, direct=direct)):
        return step
    if not isinstance(expr, OverRange):
        return inside
    if expr.function == "delta":
        # Unlike a counter's, growth is extrapolated to before the first sample.
        return inside + expr.length - step
    if expr.function in EXTRAPOLATING:
        return inside + expr.length
    if expr.function == "changes":
        return inside + changed_after(expr, step)
    return inside + (step if expr.function in _LINES else _NONE)


def changed_after(expr: OverRange, step: timedelta) -> timedelta:
    """When a series that changes is to have changed for the last time: all within the range."""
    return expr.length // 2 // step * step


def range_of(ratio: Ratio) -> OverRange | None:
    """The function over a range that all counters of a ratio are under, None if they differ."""
    found = [*_leaves(ratio.numerator), *_leaves(ratio.denominator)]
    first = found[0]
    if first is None or first.function not in ("rate", "increase"):
        return None
    alike = all(
        leaf is not None and (leaf.function, leaf.length) == (first.function, first.length)
        for leaf in found
    )
    return first if alike else None


def falls(expr: Expr) -> bool:
    """Whether a chain's value falls where its input rises."""
    turns = 0
    for part in expr.walk():
        turns += isinstance(part, Age)
        if isinstance(part, WithNumber):
            turns += part.number_first and part.operator is Operator.SUBTRACT
            turns += part.operator is Operator.MULTIPLY and part.number < 0
    return turns % 2 == 1


def ranges(expr: Expr, *, direct: bool = False) -> list[OverRange]:
    """Every function over a range that it reads: through recording rules, unless `direct`."""
    parts = expr.walk() if direct else deep(expr)
    return [part for part in parts if isinstance(part, OverRange)]


def _leaves(expr: Expr) -> Iterator[OverRange | None]:
    if isinstance(expr, OverRange) and not isinstance(expr.inner, Recorded):
        yield expr
    elif isinstance(expr, Selector) and not isinstance(expr, Recorded):
        yield None
    else:
        for part in _inside(expr):
            yield from _leaves(part)


def _inside(expr: Expr) -> tuple[Expr, ...]:
    return (expr.recording.expr,) if isinstance(expr, Recorded) else expr.children()
