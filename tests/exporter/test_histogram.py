"""Histograms of durations: what is added up is what would have been counted together."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probers.result import Health, ProbeResult, Reason
from exporter.workers.histogram import BOUNDS, Tally, quantile

DURATIONS = st.lists(st.floats(min_value=0, max_value=200), max_size=60)
HEALTHS = st.sampled_from(Health)
RESULTS = st.lists(
    st.builds(
        lambda health, duration: ProbeResult(
            health, duration, 0.0, Reason.TIMEOUT if health is Health.UNHEALTHY else None
        ),
        HEALTHS,
        st.floats(min_value=0, max_value=200),
    ),
    max_size=60,
)


def tally(results: list[ProbeResult]) -> Tally:
    made = Tally("http")
    for result in results:
        made.add(result)
    return made


def of(*durations: float) -> dict[str, int]:
    return tally([ProbeResult(Health.HEALTHY, one, 0.0) for one in durations]).buckets()


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({"0.1": 0}, 0.5) is None


def test_what_is_over_the_last_bound_counts_as_that() -> None:
    assert quantile(of(1000.0), 0.5) == BOUNDS[-1] == 100


def test_what_failed_counts_as_a_probe_and_has_no_duration() -> None:
    made = tally([ProbeResult(Health.UNHEALTHY, 3.0, 0.0, Reason.TIMEOUT)])
    assert (made.probes, made.successes, made.duration_sum, made.buckets()) == (1, 0, 0.0, {})


def test_what_is_degraded_is_up() -> None:
    made = tally([ProbeResult(Health.DEGRADED, 0.02, 0.0), ProbeResult(Health.HEALTHY, 0.02, 0.0)])
    assert (made.probes, made.successes, made.degraded) == (2, 2, 1)


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_bound_belongs_to_its_own_bucket(bound: float) -> None:
    assert of(bound) == {str(bound): 1}


def test_bounds_rise_from_a_tenth_of_a_millisecond_by_about_a_quarter() -> None:
    assert (BOUNDS[0], len(BOUNDS)) == (0.0001, 61)
    steps = [later / earlier for earlier, later in pairwise(BOUNDS)]
    assert 1.24 < min(steps) <= max(steps) < 1.29


def test_rows_with_other_bounds_can_still_be_added_up() -> None:
    assert quantile({"0.07": 10}, 1.0) == 0.07
    assert quantile({"0.07": 10, "0.1": 10, "+Inf": 0}, 0.25) == pytest.approx(0.0665, rel=0.02)


@given(RESULTS, RESULTS)
def test_two_that_are_merged_are_what_one_would_have_counted(
    one: list[ProbeResult], other: list[ProbeResult]
) -> None:
    merged, together = tally(one), tally([*one, *other])
    merged.merge(tally(other))
    assert merged.buckets() == together.buckets()
    assert merged.duration_sum == pytest.approx(together.duration_sum)
    for name in ("probes", "successes", "degraded"):
        assert getattr(merged, name) == getattr(together, name)


@given(DURATIONS, DURATIONS)
def test_buckets_of_rows_add_up_like_tallies(one: list[float], other: list[float]) -> None:
    assert Counter(of(*one)) + Counter(of(*other)) == Counter(of(*one, *other))


@given(
    st.lists(st.floats(min_value=0.001, max_value=10), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_quantile_is_right_to_a_bucket(durations: list[float], share: float) -> None:
    told = quantile(of(*durations), share)
    ordered = sorted(durations)
    exact = ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]
    assert told is not None
    assert exact / 1.29 <= told <= exact * 1.29
