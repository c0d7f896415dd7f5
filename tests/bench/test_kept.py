"""What was measured is kept row by row: some can be measured anew, and each says when it was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bench.kept import Kept, kept, read, write
from bench.report import document
from bench.rounds import Plan, Spread
from bench.table import Row
from bench.workshop import BenchError

PLAN = Plan(rounds=5, seconds=60.0, limit=0.1, attempts=6)
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def group(key: str, figure: float, today: date = MONDAY, version: str = "1.0") -> Kept:
    spread = Spread(figure, figure, figure, kept=4, dropped=1)
    row = Row(key=key, what=f"figure {key}", unit="ms", ours=spread, notes=(f"how {key} was",))
    return kept([row], PLAN, {"ours": version}, today)


def test_nothing_is_kept_where_there_is_no_file_and_what_is_none_is_told(tmp_path: Path) -> None:
    assert read(tmp_path / "performance.json") == {}
    file = tmp_path / "performance.json"
    for text in ("", "{", '{"a": {"measured": "never"}}'):
        file.write_text(text)
        with pytest.raises(BenchError, match=r"performance\.json"):
            read(file)


def test_what_is_kept_is_read_as_it_was(tmp_path: Path) -> None:
    groups = {"a": group("a", 1.0), "b": group("b", 2.0, TUESDAY)}
    write(tmp_path / "performance.json", groups)
    assert read(tmp_path / "performance.json") == groups


def test_a_row_that_is_measured_anew_has_its_own_day_and_leaves_the_others_as_they_were() -> None:
    before = {"a": group("a", 1.0), "b": group("b", 2.0)}
    after = document(before | {"b": group("b", 3.0, TUESDAY)})
    assert "| (a) figure a |  | 1 ms (1–1) |  |  | for information | 4 + 1 | 2026-11-23 |" in after
    assert "| (b) figure b |  | 3 ms (3–3) |  |  | for information | 4 + 1 | 2026-11-24 |" in after
    assert "- **(b)** how b was" in after
    assert "Rounds kept: 8, dropped: 2." in after


def test_versions_that_differ_are_told_by_row() -> None:
    same = document({"a": group("a", 1.0), "b": group("b", 2.0)})
    assert same.endswith("\n- ours 1.0\n")
    other = document({"a": group("a", 1.0), "b": group("b", 2.0, version="1.1")})
    assert other.endswith("\n- ours 1.0 (rows a)\n- ours 1.1 (rows b)\n")
