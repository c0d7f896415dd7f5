"""The picture of a backtest: axes that people read, and labels that are nothing but text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest
from backtesting import TUNED
from hypothesis import given
from hypothesis import strategies as st

from model.durations import days, hours, minutes, seconds
from model.load import load
from model.platform import Platform
from rules.backtest.asked import Asked, Server, Settings
from rules.backtest.axes import axis, figure, times
from rules.backtest.clock import Clock, Firing, Grid
from rules.backtest.outcome import Drawn, Outcome, Variant
from rules.backtest.picture import picture
from rules.backtest.prometheus import Labels
from rules.backtest.replay import Span
from rules.dashboards.units import BYTES, COUNT, LEFT, SECONDS, SHARE
from rules.raw.check import problems

WINDOW = Span(1000, 2000)
HERE: Labels = (("target", "here"),)
SVG = "{http://www.w3.org/2000/svg}"


@cache
def platform() -> Platform:
    return load(TUNED, problems)


def outcome(lines: Mapping[Labels, Mapping[int, float]] | None, *names: str) -> Outcome:
    """A backtest of what fires from 1200 to 1300, of the thresholds 100, 110 and so on."""
    alert = next(one for one in platform().alerts if one.name == "ManyClients")
    variants = [
        Variant(
            name,
            Settings({Decimal(100): Decimal(100 + 10 * number)}, alert.for_, seconds(0)),
            [Firing(HERE, Span(1200, 1300))],
            None,
        )
        for number, name in enumerate(("today", *names))
    ]
    server = Server("http://127.0.0.1:1")
    asked = Asked(alert, variants[0].settings, None, hours(1), server, None)
    return Outcome(
        asked=asked,
        title="ManyClients",
        condition="a < b & c",
        clock=Clock(Grid(seconds(5)), WINDOW, [Span(1100, 1500), Span(1600, 2000)]),
        window=WINDOW,
        variants=variants,
        suggestion=None,
        drawn=None if lines is None else Drawn(1, lines),
        notes=(),
    )


def drawn(found: Outcome) -> ET.Element:
    return ET.fromstring(picture(found))  # noqa: S314 - our own


def of_class(root: ET.Element, name: str, tag: str = "rect") -> list[ET.Element]:
    return [one for one in root.iter(f"{SVG}{tag}") if name in one.get("class", "").split()]


def test_labels_that_look_like_a_program_are_nothing_but_text() -> None:
    hostile = '"/><script>alert(1)</script>&\x1b[2J'
    root = drawn(outcome({(("target", hostile),): {1200: 1.0}}))
    assert not list(root.iter(f"{SVG}script"))
    shown = hostile.replace("\x1b", "\\x1b")
    assert any(shown in (one.text or "") for one in root.iter())


def test_each_variant_has_its_threshold_with_its_number_and_its_firings() -> None:
    root = drawn(outcome({HERE: {1200: 1.0, 1201: 150.0}}, "proposed", "suggested"))
    texts = {one.text for one in root.iter(f"{SVG}text")}
    assert {"today > 100", "proposed > 110", "suggested > 120"} <= texts
    assert len(of_class(root, "limit", "line")) == 3
    # One of the legend.
    assert len(of_class(root, "fires")) == 3 + 1


def test_what_is_unknown_is_marked_at_the_beginning_and_between() -> None:
    gaps = of_class(drawn(outcome({HERE: {1200: 1.0}})), "gap")
    places = [one.findtext(f"{SVG}title") for one in gaps]
    assert len([place for place in places if place]) == 2


def test_a_line_is_broken_where_there_is_no_value() -> None:
    values = {1200: 1.0, 1201: 2.0, 1203: 3.0, 1204: float("inf"), 1205: 4.0}
    (line,) = of_class(drawn(outcome({HERE: values})), "l0", "path")
    assert line.get("d", "").count("M") == 3


def test_what_compares_nothing_or_has_no_value_at_all_is_drawn_too() -> None:
    nothing: dict[Labels, Mapping[int, float]] = {}
    for lines in (None, nothing):
        root = drawn(outcome(lines))
        assert len(of_class(root, "track")) == 1


def test_of_many_lines_what_fires_and_comes_nearest_has_a_name_and_the_rest_is_counted() -> None:
    many: dict[Labels, Mapping[int, float]] = {
        (("target", f"t{n}"),): {1200: float(n)} for n in range(50)
    }
    root = drawn(outcome({**many, HERE: {1200: 0.0}}))
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert 'target="here"' in texts
    assert 'target="t49"' in texts
    assert 'target="t44"' not in texts
    assert "45 more" in texts


# --- axes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.1, SHARE, "10%"), (1209600, LEFT, "14 d"), (90, SECONDS, "1.5 min"),
     (0.25, SECONDS, "250 ms"),

     (107374182400, BYTES, "100 GiB"), (0, BYTES, "0 B"), (1234567, COUNT, "1,234,567"),
     (0.5, COUNT, "0.5"), (-90, SECONDS, "-1.5 min")],
)  # fmt: skip
def test_a_number_is_shown_in_a_unit_that_people_read(value: float, unit: str, text: str) -> None:
    assert figure(value, unit) == text


@given(
    st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.sampled_from([SHARE, SECONDS, BYTES, COUNT])
)
def test_an_axis_has_room_for_all_values_and_a_few_marks(
    one: float, other: float, unit: str
) -> None:
    least, most = sorted((one, other))
    found = axis(least, most, unit)
    assert found.low <= least <= most <= found.high
    assert found.low < found.high
    assert 1 <= len(found.marks) <= 12
    assert all(
        found.low - 1e-6 <= mark.value <= found.high * 1.000001 + 1e-6 for mark in found.marks
    )


def test_what_has_zero_nearby_is_read_from_zero_on() -> None:
    assert axis(1, 10, COUNT).low == 0
    assert axis(900, 1000, COUNT).low > 0


@pytest.mark.parametrize("length", [minutes(10), hours(3), days(2), days(30), days(400)])
def test_times_are_few_and_round(length: timedelta) -> None:
    begin = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
    found = list(times(begin, begin + length))
    assert 1 < len(found) <= 11
    assert all(begin <= moment <= begin + length for moment, _ in found)
    assert all(moment.second == 0 for moment, _ in found)
