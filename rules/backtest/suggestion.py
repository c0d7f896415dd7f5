"""A stricter threshold or a longer `for` that keeps every real alert and spares false positives.

From how far each judged firing went follows what would still have caught it: the value that it was
beyond for the whole of `for`, and how long its condition held. Where every real one went farther
than some false ones, a number between the two tells them apart. Nothing is guessed beyond that.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal

from model.durations import prometheus
from rules.backtest.replay import Span, ticks

# Lengths of time that a person would write down.
_ROUND = tuple(
    timedelta(seconds=count * unit)
    for unit in (3600, 60, 1)
    for count in (24, 12, 6, 4, 3, 2, 1, 30, 20, 15, 10, 5)
    if count * unit <= 86400
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A firing that people have judged.

    `reached` is the value that it was beyond for long enough to fire, None where that is not known;
    `held` is for how many ticks its condition held without a break.
    """

    real: bool
    reached: float | None
    held: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to change, if anything: `threshold` and `for_` are None where they stay. `why` says it.

    `spared` of `false` false positives would not have fired, and every one of `real` would.
    """

    why: str
    threshold: Decimal | None = None
    for_: timedelta | None = None
    spared: int = 0
    false: int = 0
    real: int = 0


def reached(values: Mapping[int, float], span: Span, hold: int, *, downward: bool) -> float | None:
    """The value that it was beyond for `hold` ticks after the first, at best, in a span."""
    nearest = max if downward else min
    window: deque[float] = deque(maxlen=hold + 1)
    best: float | None = None
    for tick in range(span.first, span.end):
        value = values.get(tick, math.nan)
        if math.isnan(value):
            window.clear()
            continue
        window.append(value)
        if len(window) == hold + 1:
            found = nearest(window)
            better = best is None or (found < best if downward else found > best)
            best = found if better else best
    return best


def suggest(
    judged: Sequence[Judged], *, hold: timedelta, interval: timedelta, downward: bool
) -> Suggestion:
    """What to change, from the firings that people have judged; `hold` is today's `for`."""
    real = [one for one in judged if one.real]
    false = [one for one in judged if not one.real]
    if missing := _missing(len(real), len(false)):
        return Suggestion(missing, false=len(false), real=len(real))
    found = [
        one
        for one in (_threshold(real, false, downward), _for(real, false, hold, interval))
        if one is not None
    ]
    if not found:
        return Suggestion(
            f"none: of {_many(len(false), 'false positive')} each went as far and lasted as long "
            "as some real one, so that neither a threshold nor a `for` tells them apart",
            false=len(false),
            real=len(real),
        )
    # Of two that spare as many, a threshold makes nobody wait.
    return max(found, key=lambda one: one.spared)


def _missing(real: int, false: int) -> str | None:
    if real and false:
        return None
    if false:
        return (
            f"none: no real alert is known, only {_many(false, 'false positive')}; nothing says "
            "how far is too far"
        )
    if real:
        return "none: nothing that was judged was false, so that there is nothing to spare"
    return (
        "none: nobody has judged what fired; acknowledge what is real, mark false positives, and "
        "ask again with --ledger"
    )


def _threshold(
    real: Sequence[Judged], false: Sequence[Judged], downward: bool
) -> Suggestion | None:
    sign = -1.0 if downward else 1.0
    reals = [one.reached for one in real]
    bounds = [sign * one for one in reals if one is not None]
    if len(bounds) < len(reals):
        return None
    bound = min(bounds)
    known = [sign * one.reached for one in false if one.reached is not None]
    spared = [one for one in known if one < bound]
    if not spared or not math.isfinite(bound) or not math.isfinite(max(spared)):
        return None
    low, high = sorted((sign * max(spared), sign * bound))
    number = between(low, high)
    if number is None:
        return None
    beyond, farther = ("under", "less") if downward else ("over", "more")
    return Suggestion(
        why=(
            f"threshold {number:f}: {_each(len(real))} stayed {beyond} it, at "
            f"{_figure(sign * bound)} or {farther}, for long enough; {len(spared)} of {len(false)} "
            f"false positives never stayed {beyond} {_figure(sign * max(spared))}"
        ),
        threshold=number,
        spared=len(spared),
        false=len(false),
        real=len(real),
    )


def _for(
    real: Sequence[Judged], false: Sequence[Judged], hold: timedelta, interval: timedelta
) -> Suggestion | None:
    shortest = min(one.held for one in real)
    spared = [one.held for one in false if one.held < shortest]
    if not spared:
        return None
    # One that holds for n ticks fires with a `for` of up to n - 1 intervals.
    low, high = max(spared) * interval, (shortest - 1) * interval
    length = _rounded(low, high)
    later = length - ticks(hold, interval) * interval
    return Suggestion(
        why=(
            f"for {prometheus(length)}: {_each(len(real))} lasted {prometheus(high)} or longer, "
            f"{len(spared)} of {len(false)} false positives less than {prometheus(low)}; whoever "
            f"is paged is paged {prometheus(later)} later"
        ),
        for_=length,
        spared=len(spared),
        false=len(false),
        real=len(real),
    )


def between(low: float, high: float) -> Decimal | None:
    """The number with the fewest digits that lies well between two; None where none does."""
    middle, width = (Decimal(repr(low)) + Decimal(repr(high))) / 2, Decimal(repr(high - low))
    if width <= 0:
        return None
    place = width.adjusted()
    for digit in range(place, place - 4, -1):
        found = middle.quantize(Decimal(1).scaleb(digit), rounding=ROUND_FLOOR)
        for one in (found, found + Decimal(1).scaleb(digit)):
            if abs(one - middle) <= width / 4:
                return one.normalize() if one else one
    return None


def _rounded(low: timedelta, high: timedelta) -> timedelta:
    """The roundest length of time from `low` to `high`, the shorter one of two."""
    for unit in sorted(_ROUND, reverse=True):
        found = -(-low // unit) * unit
        if found <= high:
            return found
    return low


def _figure(number: float) -> str:
    return f"{number:.4g}"


def _each(real: int) -> str:
    return "the one real alert" if real == 1 else f"each of {real} real alerts"


def _many(count: int, one: str) -> str:
    return f"{count} {one}{'' if count == 1 else 's'}"
