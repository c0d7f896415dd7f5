"""Maintenance windows: when they are open, what clocks do to them, and what is refused."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from model.declared import ConfigError
from model.load import load
from model.maintenance import Maintenance, WeeklyMaintenance, Window

BERLIN = ZoneInfo("Europe/Berlin")
HEAD = """\
from model import *

CONFIG = Platform(
    name="shop",
    services=(Service(name="web", port=80), Service(name="shop", port=81)),
    severities=(Severity(name="error", response_time=minutes(1), channels=("slack",)),),
    channels=(Slack(webhook_url_file="/run/slack", channel="#ops"),),
    contacts=(),
    alerts=(),
    base_url="https://m",
    dead_mans_switch="https://s",
"""


def loaded(directory: Path, *windows: str) -> Path:
    file = directory / "shop.py"
    file.write_text(f"{HEAD}    maintenance=({''.join(f'{one}, ' for one in windows)}),\n)\n")
    return file


def once(start: str, end: str, **settings: str) -> Maintenance:
    return Maintenance(targets=("web",), start=start, end=end, reason="move", **settings)


def weekly(start: str, end: str, *weekdays: str, zone: str = "Europe/Berlin") -> WeeklyMaintenance:
    return WeeklyMaintenance.model_validate(
        {
            "targets": ("web",),
            "weekdays": weekdays or ("sunday",),
            "start": start,
            "end": end,
            "time_zone": zone,
            "reason": "backup",
        }
    )


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("UTC")).timestamp()


def is_open(window: Window, at: float) -> bool:
    span = window.span(at)
    return span is not None and span[0] <= at < span[1]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "zone", "says"),
    [
        ("2026-05-01 03:00", "2026-05-01 02:00", "UTC", "is not after start"),
        ("2026-05-01 03:00", "2026-05-01 03:00", "UTC", "is not after start"),
        ("2026-05-01 03:00", "2027-05-01 04:00", "UTC", "lasts at most 14d"),
        ("tomorrow", "2026-05-01 04:00", "UTC", 'start: "tomorrow" is not a time'),
        ("2026-05-01 03:00", "2026-05-32 04:00", "UTC", "is not a time"),
        ("2026-05-01 03:00+02:00", "2026-05-01 04:00", "UTC", "leave it out"),
        ("2026-05-01 03:00", "2026-05-01 04:00", "Europe/Berln", '"Europe/Berln" is not known'),
        ("2026-05-01 03:00", "2026-05-01 04:00", "../etc", "is not known"),
        ("2026-05-01 03:00", "2026-05-01 04:00", "", "is not known"),
        # Berlin: from 02:00 to 03:00 on 29 March, from 03:00 back to 02:00 on 25 October.
        ("2026-03-29 02:30", "2026-03-29 04:00", "Europe/Berlin", "skipped by the clocks"),
        ("2026-10-25 01:00", "2026-10-25 02:30", "Europe/Berlin", "comes twice that night"),
    ],
)
def test_a_window_that_cannot_be_is_refused(start: str, end: str, zone: str, says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        once(start, end, time_zone=zone)


@pytest.mark.parametrize(
    ("start", "end", "weekdays", "says"),
    [
        ("25:00", "03:00", ("sunday",), 'start: "25:00" is not a time of day'),
        ("02:00", "3:00", ("sunday",), 'end: "3:00" is not a time of day'),
        ("02:00", "02:00", ("sunday",), "is the start too"),
        ("02:00", "03:00", ("sonntag",), "weekdays"),
    ],
)
def test_a_weekly_window_that_cannot_be_is_refused(
    start: str, end: str, weekdays: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        weekly(start, end, *weekdays)


def test_all_mistakes_are_reported_with_their_lines(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        'Maintenance(targets=("wbe", "shop"), start="2026-05-01", end="2026-05-02", reason="r")',
        '\n Maintenance(targets=(), start="2026-05-01", end="2026-05-02", reason=" ")',
        '\n WeeklyMaintenance(targets=("web",), weekdays=(), start="1", end="2", reason="r")',
    )
    with pytest.raises(ConfigError) as refused:
        load(config)
    said = [str(problem) for problem in refused.value.problems]
    assert any('no target "wbe"; did you mean "web"?' in one and ":12:" in one for one in said)
    assert any("targets: name at least one" in one and ":13:" in one for one in said)
    assert any("reason: say why" in one and ":13:" in one for one in said)
    assert any("weekdays: name at least one" in one and ":14:" in one for one in said)


# --- one maintenance ----------------------------------------------------------------------------


def test_it_is_open_from_its_start_up_to_its_end_in_its_time_zone() -> None:
    window = once("2026-07-01 22:00", "2026-07-02 01:00", time_zone="Europe/Berlin")
    start, end = utc("2026-07-01 20:00"), utc("2026-07-01 23:00")
    assert [is_open(window, at) for at in (start - 1, start, end - 1, end)] == [0, 1, 1, 0]
    assert window.span(end) is None


def test_one_that_lasts_through_a_change_of_clocks_lasts_as_long_as_it_does() -> None:
    window = once("2026-03-28 22:00", "2026-03-29 06:00", time_zone="Europe/Berlin")
    assert window.span(0) == (utc("2026-03-28 21:00"), utc("2026-03-29 04:00"))


# --- weekly -------------------------------------------------------------------------------------


def test_it_comes_back_every_week_on_its_days() -> None:
    window = weekly("02:00", "04:00", "tuesday", "friday", zone="UTC")
    tuesday = utc("2026-05-05 02:00")
    hours = [hour for hour in range(24 * 14) if is_open(window, tuesday + 3600 * hour)]
    assert hours == [0, 1, 72, 73, 168, 169, 240, 241]


def test_an_end_before_the_start_is_the_next_days() -> None:
    window = weekly("23:00", "01:00", "saturday", zone="UTC")
    start, end = utc("2026-05-02 23:00"), utc("2026-05-03 01:00")
    assert [is_open(window, at) for at in (start - 1, start, end - 1, end)] == [0, 1, 1, 0]


def test_a_whole_day_can_be_given() -> None:
    span = weekly("00:00", "24:00", "sunday", zone="UTC").span(utc("2026-05-03 12:00"))
    assert span == (utc("2026-05-03 00:00"), utc("2026-05-04 00:00"))


def test_the_next_one_is_known_before_it_opens() -> None:
    span = weekly("02:00", "04:00", "sunday", zone="UTC").span(utc("2026-05-04 02:00"))
    assert span == (utc("2026-05-10 02:00"), utc("2026-05-10 04:00"))


@pytest.mark.parametrize(
    ("start", "end", "opens", "closes"),
    [
        # The clocks go from 02:00 (01:00 UTC) to 03:00.
        ("01:00", "04:00", "2026-03-29 00:00", "2026-03-29 03:00"),
        ("02:30", "03:00", "2026-03-29 01:00", "2026-03-29 01:30"),
        ("02:15", "02:45", "2026-03-29 01:00", "2026-03-29 01:30"),
        ("01:30", "02:30", "2026-03-29 00:30", "2026-03-29 01:30"),
        ("04:00", "05:00", "2026-03-29 02:00", "2026-03-29 03:00"),
        # And from 03:00 (01:00 UTC) back to 02:00.
        ("01:00", "04:00", "2026-10-24 23:00", "2026-10-25 03:00"),
        ("02:15", "02:45", "2026-10-25 00:15", "2026-10-25 00:45"),
        ("01:30", "02:30", "2026-10-24 23:30", "2026-10-25 00:30"),
        ("02:30", "03:30", "2026-10-25 00:30", "2026-10-25 02:30"),
        ("04:00", "05:00", "2026-10-25 03:00", "2026-10-25 04:00"),
    ],
)
def test_when_the_clocks_change_it_is_open_once_and_never_for_less_time(
    start: str, end: str, opens: str, closes: str
) -> None:
    window = weekly(start, end)
    night = utc(opens[:10]) - 3600 * 4
    assert window.span(night) == (utc(opens), utc(closes))
    following = window.span(utc(closes))
    assert following is not None
    assert following[0] - utc(closes) > 3600 * 24 * 6


def test_a_clock_is_asked_as_often_as_one_likes_and_gives_one_answer() -> None:
    """Asked within it or before it: the same window."""
    window = weekly("22:00", "03:00", "saturday", "sunday")
    start = datetime(2026, 3, 1, tzinfo=BERLIN).timestamp()
    for step in range(0, 3600 * 24 * 40, 1800):
        span = window.span(start + step)
        assert span is not None
        assert span == window.span(max(start + step, span[0]))
        assert window.span(span[1]) != span


# --- what it is not -----------------------------------------------------------------------------


def test_a_window_changes_no_rule_so_the_hash_stays(tmp_path: Path) -> None:
    """Or adding one by night to the exporter alone would fire ConfigDrift."""
    window = 'Maintenance(targets=("web",), start="2026-05-01", end="2026-05-02", reason="r")'
    assert load(loaded(tmp_path)).sha256 == load(loaded(tmp_path, window)).sha256


def test_one_that_was_over_a_week_ago_is_worth_a_word_and_no_mistake(tmp_path: Path) -> None:
    """A config must not go bad by itself."""
    platform = load(
        loaded(
            tmp_path,
            'Maintenance(targets=("web",), start="2026-05-01", end="2026-05-02", reason="move")',
            'WeeklyMaintenance(targets=("web",), weekdays=("monday",), start="01:00", end="02:00",'
            ' reason="backup")',
        )
    )
    assert platform.warnings(utc("2026-05-08 23:59")) == []
    [warning] = platform.warnings(utc("2026-05-09 00:01"))
    assert str(warning).endswith('"move" was over more than a week ago: remove it')
    assert ":12:" in str(warning)
