"""Lines of both runbooks whose tool is not at hand fit our own artefacts."""

from __future__ import annotations

import inspect
from pathlib import Path

import own
import pytest
from classes import Checked, texts
from classified import CHECKED
from printed import OURS, USERS, read


def held(case: Checked, document: Path) -> None:
    assert not inspect.iscoroutinefunction(case.holds)
    case.holds(*texts(read(document), case))


@pytest.mark.parametrize("case", [case for case in CHECKED if not case.live], ids=str)
def test_a_line_of_the_users_runbook_holds(case: Checked) -> None:
    held(case, USERS)


@pytest.mark.parametrize("case", [case for case in own.CHECKED if not case.live], ids=str)
def test_a_line_of_our_own_runbook_holds(case: Checked) -> None:
    held(case, OURS)
