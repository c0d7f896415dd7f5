"""Durations are read and printed as Prometheus does."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.durations import days, hours, minutes, parse, prometheus, seconds

LENGTHS = st.integers(0, 10 * 365 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms))


@given(LENGTHS)
def test_what_is_printed_reads_back_the_same(length: timedelta) -> None:
    assert parse(prometheus(length)) == length


@given(LENGTHS)
def test_what_is_printed_is_a_duration_of_prometheus(length: timedelta) -> None:
    # From prometheus/common's ParseDuration; what is longest comes first, each unit once.
    assert re.fullmatch(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?", prometheus(length))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0s"),
        (seconds(0.25), "250ms"),
        (seconds(5), "5s"),
        (seconds(60), "1m"),
        (seconds(90), "1m30s"),
        (minutes(60), "1h"),
        (hours(24), "1d"),
        (days(14), "14d"),
        (days(1) + seconds(1), "1d1s"),
    ],
)
def test_lengths_are_printed_in_the_largest_units(length: timedelta, text: str) -> None:
    assert prometheus(length) == text


@pytest.mark.parametrize(
    ("text", "length"),
    [("1y", days(365)), ("1w", days(7)), ("1h30m", minutes(90)), ("0s", days(0))],
)
def test_units_that_are_never_printed_are_read_too(text: str, length: timedelta) -> None:
    assert parse(text) == length


@pytest.mark.parametrize(
    "text", ["", "5", "5 s", "-5s", "1.5h", "5min", "30m1h", "s", "1h1h", "1H", "1m\n"]
)
def test_what_prometheus_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse(text)
