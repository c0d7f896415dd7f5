"""Every line of the user's runbook is in one of three classes; the copy of it is the user's."""

from __future__ import annotations

from collections import Counter

import pytest
from classes import Classified, lines
from classified import CHECKED, OUTSIDE, RUN
from printed import ROOT, USERS, Printed, read

SPEC = ROOT.parent / "shared" / "spec" / USERS.name


def all_classified() -> list[Printed]:
    every: tuple[Classified, ...] = (*RUN, *CHECKED, *OUTSIDE)
    return lines(read(USERS), every)


def test_no_line_is_left_unclassified_and_none_is_classified_twice() -> None:
    counted = Counter(all_classified())
    assert [str(line) for line in read(USERS).lines if line not in counted] == []
    assert [str(line) for line, number in counted.items() if number > 1] == []


def test_a_line_that_is_no_longer_there_is_told() -> None:
    with pytest.raises(LookupError, match='0 lines of "Docker" have'):
        read(USERS).line("Docker", "docker compose up")


def test_a_line_that_is_not_told_from_another_is_told() -> None:
    with pytest.raises(LookupError, match='4 lines of "Docker" have'):
        read(USERS).line("Docker", "docker ")


def test_what_is_outside_has_a_reason() -> None:
    assert all(one.reason for one in OUTSIDE)


def test_the_copy_in_the_repository_is_the_users_runbook() -> None:
    """Where the specification lies beside this checkout; a clone elsewhere has the copy alone."""
    given = SPEC.read_text(encoding="utf-8") if SPEC.exists() else USERS.read_text(encoding="utf-8")
    assert USERS.read_text(encoding="utf-8") == given
