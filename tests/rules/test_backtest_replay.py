"""The replay's states against a plain account of Prometheus' rule manager."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.durations import hours, minutes, seconds
from rules.backtest.clock import TOLERANCE, Clock, Grid
from rules.backtest.replay import Span, firing, spans, ticks

STEP = seconds(5)
GRID = Grid(STEP)


def plainly(active: Sequence[bool], hold: timedelta, keep: timedelta) -> list[bool]:
    """Whether an alert fires at each evaluation. Source: Prometheus, AlertingRule.Eval."""
    fires: list[bool] = []
    state, active_at, keep_since = "inactive", 0, None
    for number, is_active in enumerate(active):
        if is_active:
            keep_since = None
            if state == "inactive":
                state, active_at = "pending", number
        else:
            kept = False
            if state == "firing" and keep:
                keep_since = number if keep_since is None else keep_since
                kept = (number - keep_since) * STEP < keep
            if not kept:
                state, keep_since = "inactive", None
        if state == "pending" and (number - active_at) * STEP >= hold:
            state = "firing"
        fires.append(state == "firing")
    return fires


def flags(found: Sequence[Span], count: int) -> list[bool]:
    return [any(one.first <= tick < one.end for one in found) for tick in range(count)]


# Runs of one state, so that waits of several evaluations are met.
RUNS = st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=25)
LENGTHS = st.integers(0, 40).map(lambda count: timedelta(seconds=count))


def unfolded(runs: Sequence[tuple[bool, int]]) -> list[bool]:
    return [flag for flag, length in runs for _ in range(length)]


@given(RUNS, LENGTHS, LENGTHS)
def test_an_alert_fires_at_the_evaluations_at_which_the_rule_manager_has_it_firing(
    runs: list[tuple[bool, int]], hold: timedelta, keep: timedelta
) -> None:
    active = unfolded(runs)
    held = spans(number for number, flag in enumerate(active) if flag)
    found = firing(held, ticks(hold, STEP), ticks(keep, STEP), len(active))
    assert flags(found, len(active)) == plainly(active, hold, keep)
    assert all(before.end < after.first for before, after in pairwise(found))


@given(RUNS, RUNS, LENGTHS, LENGTHS)
def test_in_a_gap_for_stands_still_and_after_a_long_one_all_begins_anew(
    before: list[tuple[bool, int]], after: list[tuple[bool, int]], hold: timedelta, keep: timedelta
) -> None:
    one, other = unfolded([(True, 1), *before]), unfolded([(True, 1), *after])
    tolerated = TOLERANCE // STEP
    for gap in (1, tolerated, tolerated + 1):
        begins = len(one) + gap
        end = begins + len(other)
        clock = Clock(GRID, Span(0, end), [Span(0, len(one)), Span(begins, end)])
        held = spans(
            [number for number, flag in enumerate(one) if flag]
            + [begins + number for number, flag in enumerate(other) if flag]
        )
        found = [fires.span for fires in clock.replay((), held, hold, keep)]
        fires = flags(found, end)
        if gap <= tolerated:
            expected = plainly([*one, *other], hold, keep)
        else:
            expected = plainly(one, hold, keep) + plainly(other, hold, keep)
        assert fires[: len(one)] + fires[begins:] == expected


def replayed(held: Sequence[Span], known: Sequence[Span]) -> list[tuple[int, int, bool, bool]]:
    clock = Clock(GRID, Span(0, 1000), known)
    found = clock.replay((("target", "a"),), held, minutes(1), seconds(0))
    return [(one.span.first, one.span.end, one.began_before, one.goes_on) for one in found]


def test_what_holds_from_the_first_known_evaluation_on_has_begun_before() -> None:
    known = [Span(100, 1000)]
    assert replayed([Span(90, 200)], known) == [(112, 200, True, False)]
    assert replayed([Span(101, 200)], known) == [(113, 200, False, False)]


def test_what_fires_at_the_last_known_evaluation_goes_on() -> None:
    known = [Span(0, 1000)]
    assert replayed([Span(900, 1000)], known) == [(912, 1000, False, True)]
    assert replayed([Span(900, 999)], known) == [(912, 999, False, False)]


def test_what_fires_on_both_sides_of_a_short_gap_is_one_firing_and_the_gap_is_not_counted() -> None:
    clock = Clock(GRID, Span(0, 1000), [Span(0, 200), Span(300, 1000)])
    (found,) = clock.replay((), [Span(150, 400)], minutes(1), seconds(0))
    assert (found.span.first, found.span.end) == (162, 400)
    assert clock.count(found.span) == 38 + 100
    assert clock.gaps == [Span(200, 300)]


def test_what_fires_on_both_sides_of_a_long_gap_is_two_firings_that_are_cut_off() -> None:
    end = 2000
    clock = Clock(GRID, Span(0, end), [Span(0, 200), Span(200 + 721, end)])
    found = clock.replay((), [Span(150, 1500)], minutes(1), seconds(0))
    assert [(one.span.first, one.span.end, one.began_before, one.goes_on) for one in found] == [
        (162, 200, False, True),
        (933, 1500, True, False),
    ]


@pytest.mark.parametrize(
    ("length", "count"), [(seconds(0), 0), (seconds(5), 1), (seconds(6), 2), (hours(1), 720)]
)
def test_a_length_of_time_has_passed_at_the_first_evaluation_after_it(
    length: timedelta, count: int
) -> None:
    assert ticks(length, STEP) == count
