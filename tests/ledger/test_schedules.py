"""When a worker is due: both sides of every moment, and what clocks do to it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from exporter.workers.schedule import Aligned, Daily, Every

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
THREE = time(3)


@pytest.mark.parametrize("schedule", [Every(timedelta(minutes=1)), Daily(THREE, "UTC")])
def test_what_never_ran_is_due_at_once(schedule: Every | Daily) -> None:
    assert schedule.next(None, NOON) == NOON


def test_an_interval_counts_from_when_the_last_run_began() -> None:
    assert Every(timedelta(minutes=1)).next(NOON, NOON) == NOON + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("last", "due"),
    [
        ("2026-11-25 02:59:59", "2026-11-25 03:00"),
        ("2026-11-25 03:00", "2026-11-26 03:00"),
        ("2026-11-25 12:00", "2026-11-26 03:00"),
        # The service was away for days: it is due since.
        ("2026-11-20 03:00:01", "2026-11-21 03:00"),
    ],
)
def test_a_time_of_day_comes_once_a_day(last: str, due: str) -> None:
    began, wanted = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (last, due))
    assert Daily(THREE, "UTC").next(began, began) == wanted


@pytest.mark.parametrize(
    ("at", "last", "due"),
    [
        (THREE, "2026-11-25 12:00", "2026-11-26 02:00"),
        (THREE, "2026-07-25 12:00", "2026-07-26 01:00"),
        # 02:30 is skipped on the 29th of March: as long after midnight as on other days.
        (time(2, 30), "2026-03-28 12:00", "2026-03-29 01:30"),
        # 02:30 comes twice on the 25th of October: the first one.
        (time(2, 30), "2026-10-24 12:00", "2026-10-25 00:30"),
        (time(2, 30), "2026-10-25 00:30", "2026-10-26 01:30"),
    ],
)
def test_a_time_of_day_is_that_of_the_zone(at: time, last: str, due: str) -> None:
    began, wanted = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (last, due))
    assert Daily(at, "Europe/Berlin").next(began, began) == wanted


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("12:00:00", "12:05:00"),
        ("12:04:59.999999", "12:05:00"),
        ("12:05:00", "12:10:00"),
    ],
)
def test_an_aligned_interval_ends_at_the_same_moment_for_all(now: str, due: str) -> None:
    began, wanted = (
        datetime.combine(NOON.date(), time.fromisoformat(text), UTC) for text in (now, due)
    )
    assert Aligned(timedelta(minutes=5)).next(None, began) == wanted
    assert Aligned(timedelta(minutes=5)).next(began, NOON) == wanted
