"""How messages add up to episodes, without a store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.episode import (
    ABSENCE,
    LISTED_AFTER_END,
    PERSON,
    Episode,
    Told,
    ended,
    merge,
    reconstruct,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = NOON + 24 * 60 * MINUTE

Span = tuple[int, int | None]


def at(minute: float) -> datetime:
    return NOON + minute * MINUTE


def fires(start: float) -> Told:
    return Told(at(start), None, LATER)


def resolved(start: float, end: float) -> Told:
    return Told(at(start), at(end), LATER)


def listed(start: float, seen: float) -> Told:
    return Told(at(start), None, at(seen), at(seen))


def after(messages: Iterable[Told], episodes: tuple[Episode, ...] = ()) -> tuple[Episode, ...]:
    for told in messages:
        episodes = merge(episodes, told, lambda: str(uuid.uuid4()))
    return episodes


def spans(episodes: Iterable[Episode]) -> list[Span]:
    """The starts and ends in minutes, the earliest first."""

    def minute(time: datetime | None) -> int | None:
        return None if time is None else int((time - NOON) / MINUTE)

    ordered = sorted(episodes, key=lambda one: one.starts_at)
    return [(minute(one.starts_at) or 0, minute(one.ends_at)) for one in ordered]


def ended_by(resolution: str, start: float, end: float, *, firing: bool = False) -> Episode:
    return Episode("a", (at(start),), at(start), at(end), firing, resolution)


# --- one by one ---------------------------------------------------------------------------------


def test_an_alert_fires_and_ends() -> None:
    (one,) = after([fires(0)])
    assert (one.ends_at, one.firing) == (None, True)
    (one,) = after([resolved(0, 5)], (one,))
    assert (spans([one]), one.firing, one.resolution) == ([(0, 5)], False, "alertmanager")


def test_what_fires_after_its_end_is_a_new_episode() -> None:
    assert spans(after([fires(0), resolved(0, 5), fires(6)])) == [(0, 5), (6, None)]


def test_a_firing_that_comes_after_its_resolve_opens_nothing() -> None:
    assert spans(after([fires(0), resolved(0, 5), fires(0)])) == [(0, 5)]
    assert spans(after([fires(0), resolved(0, 5), fires(5)])) == [(0, 5)]


def test_a_pair_of_prometheus_that_disagrees_for_a_moment_is_one_episode() -> None:
    assert spans(after([fires(0), resolved(0, 5), fires(0), resolved(0, 5)])) == [(0, 5)]
    assert spans(after([fires(0), resolved(0, 5), fires(0), resolved(0, 6)])) == [(0, 5)]


def test_a_start_that_moves_stays_one_episode_with_the_earliest_start() -> None:
    assert spans(after([fires(3), fires(9)])) == [(3, None)]
    assert spans(after([fires(9), fires(3)])) == [(3, None)]
    assert spans(after([fires(3), fires(9), resolved(9, 20)])) == [(3, 20)]


def test_an_unknown_resolve_is_an_episode_that_has_ended() -> None:
    assert spans(after([resolved(0, 5)])) == [(0, 5)]


def test_an_end_before_the_start_of_what_is_open_ends_an_earlier_episode() -> None:
    assert spans(after([fires(10), resolved(0, 5)])) == [(0, 5), (10, None)]


def test_a_resolve_that_comes_late_takes_its_part_out_of_a_longer_episode() -> None:
    episodes = after([fires(10), fires(50), resolved(10, 20)])
    assert spans(episodes) == [(10, 20), (50, None)]


def test_an_acknowledgement_stays_with_the_part_that_it_was_given_to() -> None:
    (one,) = after([fires(10), fires(50)])
    early = Episode(one.id, one.starts, heard_at=at(15))
    first, second = sorted(after([resolved(10, 20)], (early,)), key=lambda one: one.starts_at)
    assert (first.id, second.id == one.id) == (one.id, False)
    late = Episode(one.id, one.starts, heard_at=at(55))
    first, second = sorted(after([resolved(10, 20)], (late,)), key=lambda one: one.starts_at)
    assert (first.id == one.id, second.id) == (False, one.id)


def test_an_end_before_its_own_start_is_an_instant() -> None:
    assert spans(after([resolved(5, 3)])) == [(3, 3)]


# --- people, and what nobody told ---------------------------------------------------------------


def test_what_a_person_has_ended_is_not_opened_again_while_its_source_says_that_it_fires() -> None:
    held = ended_by(PERSON, 0, 5, firing=True)
    for message in (fires(0), fires(9), listed(9, 60)):
        (one,) = after([message], (held,))
        assert (one.ends_at, one.firing) == (at(5), True)


def test_a_resolve_ends_what_a_person_has_ended_without_moving_its_end() -> None:
    (one,) = after([resolved(0, 30)], (ended_by(PERSON, 0, 5, firing=True),))
    assert (one.ends_at, one.firing, one.resolution) == (at(5), False, PERSON)
    assert spans(after([fires(31)], (one,))) == [(0, 5), (31, None)]


def test_an_inferred_end_gives_way_to_the_told_one() -> None:
    for end in (3, 5, 8):
        (one,) = after([resolved(0, end)], (ended_by(ABSENCE, 0, 5),))
        assert (one.ends_at, one.resolution) == (at(end), "alertmanager")


def test_what_is_still_listed_long_after_its_end_fires_again() -> None:
    closed = ended_by("alertmanager", 0, 10)
    patience = LISTED_AFTER_END / MINUTE
    assert spans(after([listed(0, 10 + patience)], (closed,))) == [(0, 10)]
    assert spans(after([listed(0, 11 + patience)], (closed,))) == [(0, 10), (0 + 16, None)]


def test_what_a_person_ended_long_before_its_source_is_not_taken_for_firing_again() -> None:
    """A listing may be older than the resolve that came while it was read."""
    just = replace(ended_by(PERSON, 0, 10), changed_at=at(60))
    patience = LISTED_AFTER_END / MINUTE
    assert spans(after([listed(0, 60 + patience)], (just,))) == [(0, 10)]
    assert spans(after([listed(0, 61 + patience)], (just,))) == [(0, 10), (66, None)]


def test_an_end_that_is_inferred_is_never_before_the_start() -> None:
    (one,) = after([fires(5)])
    assert ended(one, at(3), ABSENCE).ends_at == at(5)


def test_only_what_no_episode_can_be_is_reconstructed() -> None:
    known = after([resolved(10, 20), fires(40)])

    def with_run(start: float, end: float | None) -> list[Span]:
        told = Told(at(start), None if end is None else at(end), LATER)
        return spans(reconstruct(known, told, MINUTE, lambda: "new"))

    assert with_run(0, 5) == [(0, 5), (10, 20), (40, None)]
    assert with_run(25, 30) == [(10, 20), (25, 30), (40, None)]
    for start, end in ((10, 20), (12, 15), (0, 9), (21, 25), (35, 39), (41, 50), (60, None)):
        assert with_run(start, end) == spans(known), (start, end)


def test_an_end_between_two_told_starts_that_only_prometheus_remembers_makes_two_of_one() -> None:
    def with_run(episodes: tuple[Episode, ...], start: float, end: float) -> tuple[Episode, ...]:
        return reconstruct(episodes, resolved(start, end), MINUTE / 2, lambda: "new")

    for messages, rest in (([fires(10), fires(30)], None), ([fires(10), resolved(30, 40)], 40)):
        (whole,) = after(messages)
        parts = with_run((whole,), 10, 20)
        assert spans(parts) == [(10, 20), (30, rest)]
        assert {one.ends_at: one.resolution for one in parts}[at(20)] == "prometheus"
        assert spans(with_run(parts, 10, 20)) == spans(parts)
        # A short one in between, of which Alertmanager was not told.
        assert spans(with_run(parts, 23, 26)) == [(10, 20), (23, 26), (30, rest)]


def test_an_end_after_which_prometheus_knows_a_new_start_makes_two_of_one() -> None:
    again = replace(resolved(10, 20), begins_again_at=at(30))
    for messages, rest in (([fires(10)], None), ([resolved(10, 40)], 40)):
        (whole,) = after(messages)
        parts = reconstruct((whole,), again, MINUTE, lambda: "new")
        assert spans(parts) == [(10, 20), (30, rest)]
        assert spans(reconstruct(parts, again, MINUTE, lambda: "new")) == spans(parts)
    (over,) = after([resolved(10, 21)])
    assert reconstruct((over,), again, MINUTE, lambda: "new") == (over,)


def test_a_gap_in_what_prometheus_remembers_ends_nothing_that_was_told_of_one_start() -> None:
    (one,) = after([fires(10)])
    assert reconstruct((one,), resolved(10, 20), MINUTE, lambda: "new") == (one,)
    (moved,) = after([fires(10), fires(15)])
    assert reconstruct((moved,), resolved(10, 20), MINUTE, lambda: "new") == (moved,)


# --- in any order -------------------------------------------------------------------------------


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Span], list[Told]]:
    """What truly happened, and all deliveries of it: each episode has told starts and one end."""
    happened: list[Span] = []
    deliveries: list[Told] = []
    minute = 0
    number = draw(st.integers(1, 4))
    open_at_last = draw(st.booleans())
    for which in range(number):
        minute += draw(st.integers(1, 5))
        starts = sorted(draw(st.sets(st.integers(minute, minute + 5), min_size=1, max_size=3)))
        minute = starts[-1] + draw(st.integers(0, 3))
        deliveries += [fires(start) for start in starts]
        if open_at_last and which == number - 1:
            happened.append((starts[0], None))
            continue
        happened.append((starts[0], minute))
        deliveries += [resolved(starts[draw(st.integers(0, len(starts) - 1))], minute)]
    return happened, deliveries


@given(st.data())
def test_any_order_and_repetition_of_deliveries_ends_in_the_same_episodes(
    data: st.DataObject,
) -> None:
    happened, deliveries = data.draw(lives())
    repeated = data.draw(st.lists(st.sampled_from(deliveries), max_size=6))
    order = data.draw(st.permutations([*deliveries, *repeated]))
    assert spans(after(order)) == happened


@given(st.data())
def test_there_is_never_more_than_one_open_episode_and_none_overlap(data: st.DataObject) -> None:
    minutes = st.integers(0, 30)
    messages = st.one_of(
        minutes.map(fires),
        st.tuples(minutes, minutes).map(lambda ends: resolved(*ends)),
        st.tuples(minutes, minutes).map(lambda times: listed(*times)),
    )
    episodes = after(data.draw(st.lists(messages, max_size=12)))
    assert sum(one.ends_at is None for one in episodes) <= 1
    assert len({one.id for one in episodes}) == len(episodes)
    ordered = sorted(episodes, key=lambda one: one.starts_at)
    for one, following in pairwise(ordered):
        assert one.ends_at is not None
        assert one.starts_at <= one.ends_at <= following.starts_at
