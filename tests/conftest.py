"""What pytest says at its end, besides which tests passed."""

from __future__ import annotations

import pytest
import structlog


def pytest_configure() -> None:
    """Print tracebacks as the service does: those that rich draws hold the event loop."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[*processors[:-1], plain])


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
