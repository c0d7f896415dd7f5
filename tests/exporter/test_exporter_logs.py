"""The log: one JSON object a line, and nothing of a password in a traceback."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import structlog
from exporter import logs

def connect(password):
    local_copy = password
    raise ValueError("cannot connect")

logs.set_up({level!r})
log = structlog.get_logger()
log.debug("quiet")
try:
    connect("hunter2-do-not-print"[:7])
except ValueError:
    log.exception("failed")
"""


def logged(level: str) -> str:
    """What a program that fails with a password in its hands logs."""
    command = [sys.executable, "-c", SCRIPT.format(level=level)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_a_traceback_names_the_place_but_not_the_values_of_its_variables() -> None:
    text = logged("info")
    assert "connect" in text
    assert "cannot connect" in text
    assert "hunter2" not in text


def test_each_line_is_json_with_a_level_and_a_time_in_utc() -> None:
    for line in logged("debug").splitlines():
        entry = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(entry)
        assert entry["timestamp"].endswith("Z")


def test_lines_below_the_level_are_left_out() -> None:
    assert "quiet" not in logged("info")
    assert "quiet" in logged("debug")
