"""Files that wait are run beside those that compute."""

from __future__ import annotations

from pathlib import Path

import pytest
from scheduling import WAITING, next_file, waits

ROOT = Path(__file__).resolve().parents[1]
COMPUTES, WAITS, WAITS_LONGER = "tests/model/test_x.py", "tests/bench/test_x.py", "tests/demo/t.py"


@pytest.mark.parametrize("beginning", WAITING)
def test_every_beginning_is_that_of_a_file_of_tests(beginning: str) -> None:
    assert [file for file in ROOT.rglob("test_*.py") if str(file).startswith(f"{ROOT}/{beginning}")]


def test_every_other_worker_is_for_files_that_wait() -> None:
    assert [waits(f"gw{number}") for number in range(4)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("to_wait", "left", "chosen"),
    [
        (True, [COMPUTES, WAITS, WAITS_LONGER], WAITS_LONGER),
        (True, [COMPUTES, WAITS], WAITS),
        (True, [COMPUTES], COMPUTES),
        (False, [WAITS, WAITS_LONGER, COMPUTES], COMPUTES),
        (False, [WAITS, WAITS_LONGER], WAITS_LONGER),
    ],
)
def test_a_worker_runs_what_is_of_its_kind_and_else_what_there_is(
    to_wait: bool, left: list[str], chosen: str
) -> None:
    assert next_file(left, to_wait=to_wait) == chosen
