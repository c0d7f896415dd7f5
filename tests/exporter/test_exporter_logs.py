"""The log: one JSON object a line, and nothing of a password in a traceback."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

SCRIPT = """
import logging, warnings
import structlog
from exporter.logs import ServiceLog

def connect(password):
    local_copy = password
    raise ValueError("cannot connect")

with ServiceLog({level!r}, None):
    log = structlog.get_logger("exporter.example")
    log.debug("quiet")
    try:
        connect("hunter2-do-not-print"[:7])
    except ValueError:
        log.exception("failed")
    logging.getLogger("aiohttp.server").error("a library says %s", "this")
    warnings.warn("an API is old")
"""


def logged(level: str) -> str:
    """What a service that fails with a password in its hands logs."""
    command = [sys.executable, "-c", SCRIPT.format(level=level)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def entries(text: str) -> dict[str, dict[str, Any]]:
    """The entries of a log by what they tell."""
    read = [json.loads(line) for line in text.splitlines()]
    return {entry["event"]: entry for entry in read}


def test_a_traceback_names_the_place_but_not_the_values_of_its_variables() -> None:
    text = logged("info")
    assert "connect" in text
    assert "cannot connect" in text
    assert "hunter2" not in text


def test_each_line_is_json_with_a_level_a_name_and_a_time_in_utc() -> None:
    found = entries(logged("debug"))
    assert len(found) == 4
    for entry in found.values():
        assert {"event", "level", "logger", "timestamp"} <= set(entry)
        assert entry["timestamp"].endswith("Z")


def test_lines_below_the_level_are_left_out() -> None:
    assert "quiet" not in logged("info")
    assert "quiet" in logged("debug")


def test_what_libraries_log_and_warn_of_is_in_the_same_log() -> None:
    found = entries(logged("info"))
    assert found["a library says this"]["logger"] == "aiohttp.server"
    assert found["a library says this"]["level"] == "error"
    assert any("an API is old" in event for event in found)


def test_on_a_terminal_lines_are_for_people() -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-c", SCRIPT.format(level="info")]
        subprocess.run(command, stdout=theirs, check=True, timeout=60)
        text = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "failed" in text
    assert "hunter2" not in text
    assert not text.lstrip().startswith("{")
