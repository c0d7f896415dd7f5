"""What is suggested keeps every real alert, and spares what went less far."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model.durations import minutes, seconds
from rules.backtest.replay import Span, spans, ticks
from rules.backtest.suggestion import Judged, Suggestion, between, reached, suggest

STEP = seconds(5)
HOLD = minutes(1)


def of(*judged: Judged, downward: bool = False) -> Suggestion:
    return suggest(judged, hold=HOLD, interval=STEP, downward=downward)


def real(value: float | None, held: int = 100) -> Judged:
    return Judged(True, value, held)


def false(value: float | None, held: int = 100) -> Judged:
    return Judged(False, value, held)


@pytest.mark.parametrize(
    ("judged", "why"),
    [
        ((), "none: nobody has judged what fired"),
        ((real(1),), "none: nothing that was judged was false"),
        ((false(1), false(2)), "none: no real alert is known, only 2 false positives"),
        ((real(1), false(1)), "none: of 1 false positive each went as far"),
        ((real(None), false(1)), "none: of 1 false positive each went as far"),
        ((real(math.inf), false(math.inf)), "none: of 1 false positive each went as far"),
    ],
)
def test_where_nothing_can_be_said_it_says_why(judged: tuple[Judged, ...], why: str) -> None:
    found = of(*judged)
    assert found.why.startswith(why)
    assert found.threshold is None
    assert found.for_ is None


def test_a_threshold_lies_between_what_real_and_what_false_ones_have_reached() -> None:
    found = of(real(0.4), real(0.31), false(0.12), false(0.24))
    assert found.threshold == Decimal("0.27")
    assert found.spared == 2


def test_false_ones_that_went_farther_than_a_real_one_are_not_spared() -> None:
    found = of(real(0.31), false(0.12), false(0.5))
    assert found.spared == 1
    assert "1 of 2 false positives never stayed over 0.12" in found.why


def test_of_small_values_the_least_ones_are_kept() -> None:
    found = of(real(0.1), real(0.2), false(0.4), downward=True)
    assert found.threshold == Decimal("0.3")
    assert "stayed under it, at 0.2 or less" in found.why


def test_a_longer_for_spares_what_did_not_last_and_says_what_it_costs() -> None:
    found = of(real(1, 60), false(1, 20), false(1, 30))
    assert found.for_ == minutes(4)
    assert found.spared == 2
    assert "whoever is paged is paged 3m later" in found.why


def test_of_both_the_one_that_spares_more_is_suggested_and_of_equals_the_threshold() -> None:
    assert of(real(9, 60), false(5, 30)).threshold is not None
    assert of(real(9, 60), false(5, 30), false(9, 30)).for_ is not None


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [("0.12", "0.31", "0.2"), ("150", "180", "160"), ("3", "4", "3.5"), ("-2", "2", "0"),
     ("1e9", "2e9", "1500000000"), ("0.5", "0.5", None)],
)  # fmt: skip
def test_a_number_between_two_has_few_digits(low: str, high: str, number: str | None) -> None:
    found = between(float(low), float(high))
    assert found == (None if number is None else Decimal(number))


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_number_between_two_lies_between_them(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assume(high - low > 1e-6 * max(1.0, abs(low), abs(high)))
    found = between(low, high)
    assert found is not None
    assert Decimal(repr(low)) < found < Decimal(repr(high))


VALUES = st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=40)


@given(VALUES, st.integers(0, 5), st.booleans(), st.integers(0, 9))
def test_an_alert_fires_at_a_threshold_just_if_what_it_reached_is_beyond_it(
    values: list[int | None], hold: int, downward: bool, threshold: int
) -> None:
    there = {tick: float(value) for tick, value in enumerate(values) if value is not None}
    beyond = [
        tick
        for tick, value in sorted(there.items())
        if (value < threshold if downward else value > threshold)
    ]
    fires = any(len(one) > hold for one in spans(beyond))
    went = reached(there, Span(0, len(values)), hold, downward=downward)
    assert fires == (went is not None and (went < threshold if downward else went > threshold))


@given(st.integers(1, 60), st.integers(1, 60))
def test_with_the_for_that_is_suggested_real_ones_fire_and_spared_ones_do_not(
    long: int, short: int
) -> None:
    assume(short < long)
    waited = timedelta(0)
    found = suggest([real(1, long), false(1, short)], hold=waited, interval=STEP, downward=False)
    assert found.for_ is not None
    assert short <= ticks(found.for_, STEP) < long
