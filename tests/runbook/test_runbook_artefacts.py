"""Lines of the user's runbook whose tool is not at hand fit our own artefacts."""

from __future__ import annotations

import inspect

import pytest
from classes import Checked, texts
from classified import CHECKED
from printed import USERS, read


@pytest.mark.parametrize("case", [case for case in CHECKED if not case.live], ids=str)
def test_holds(case: Checked) -> None:
    assert not inspect.iscoroutinefunction(case.holds)
    case.holds(*texts(read(USERS), case))
