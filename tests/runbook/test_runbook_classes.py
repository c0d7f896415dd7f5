"""Every line of the user's runbook is in one of three classes; the copy of it is the user's."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import covered
import own
import pytest
from classes import Classified, lines
from classified import CHECKED, OUTSIDE, RUN
from printed import OURS, ROOT, USERS, Document, Printed, read

SHA256 = "6a6c645f18dd5e18bd84687d686dd3db446f60bbef78a1dd5ae5bfeb1820822e"
SPEC = ROOT.parent / "shared" / "spec" / USERS.name


def each_is_classified_once(
    document: Document, printed: Iterable[Printed], classified: Sequence[Classified]
) -> None:
    counted = Counter(lines(document, classified))
    assert [str(line) for line in printed if line not in counted] == []
    assert [str(line) for line, number in counted.items() if number > 1] == []


def test_no_line_is_left_unclassified_and_none_is_classified_twice() -> None:
    document = read(USERS)
    each_is_classified_once(document, document.lines, (*RUN, *CHECKED, *OUTSIDE))


def test_our_own_runbook_has_only_lines_of_the_users_and_classified_ones() -> None:
    document, theirs = read(OURS), {line.text for line in read(USERS).lines}
    mine = [line for line in document.lines if line.text not in theirs]
    assert len(mine) < len(document.lines)
    each_is_classified_once(document, mine, (*own.RUN, *own.CHECKED))


def test_our_own_runbook_has_the_users_sections_in_their_order() -> None:
    ours = [heading for heading in read(OURS).headings if heading in read(USERS).headings]
    assert ours == list(read(USERS).headings)


def test_its_table_and_counts_are_true(record_property: Callable[[str, object], None]) -> None:
    text = OURS.read_text(encoding="utf-8")
    assert text == covered.written(text), "run: python tests/runbook/covered.py"
    record_property("the runbook", covered.summary())


def test_a_line_that_is_no_longer_there_is_told() -> None:
    with pytest.raises(LookupError, match='0 lines of "Docker" have'):
        read(USERS).line("Docker", "docker compose up")


def test_a_line_that_is_not_told_from_another_is_told() -> None:
    with pytest.raises(LookupError, match='4 lines of "Docker" have'):
        read(USERS).line("Docker", "docker ")


def test_what_is_outside_has_a_reason() -> None:
    assert all(one.reason for one in OUTSIDE)


def test_the_copy_in_the_repository_is_the_users_runbook() -> None:
    # A clone elsewhere has the copy alone, which must not be changed either.
    copy = USERS.read_bytes()
    assert hashlib.sha256(copy).hexdigest() == SHA256
    assert not SPEC.exists() or SPEC.read_bytes() == copy
