"""What pytest says at its end, besides which tests passed."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with which versions of the outside programs the generated files were proved."""
    told = [
        str(text)
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == "proved with"
    ]
    for text in told:
        terminalreporter.write_line(f"the generated files were proved with {text}")
