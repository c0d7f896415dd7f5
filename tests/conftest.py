"""What holds for all tests: who runs them, and what pytest says at its end."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import structlog
from scheduling import BesideScheduling

_IMAGE = Path(__file__).parent / "deploy" / "test_image.py"


def pytest_configure() -> None:
    """Print tracebacks as the service does: those that rich draws hold the event loop."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[*processors[:-1], plain])


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what builds an image, for minutes and as root, unless a place for it is named."""
    return True if collection_path == _IMAGE and _builds_no_image() else None


def _builds_no_image() -> bool:
    return "MONITORING_IMAGE" not in os.environ


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BesideScheduling:
    """Run files that wait beside those that compute."""
    return BesideScheduling(config, log)


# What tests record to be told at the end, by the name that they record it by.
_TOLD = MappingProxyType(
    {
        "proved with": "the generated files were proved with {}",
        "the runbook": "{}",
    }
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with which programs the generated files were proved, and how the runbook is covered."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name in _TOLD:
                terminalreporter.write_line(_TOLD[name].format(text))
    if _builds_no_image():
        terminalreporter.write_line("the container's image was not built: that is make image-root")
