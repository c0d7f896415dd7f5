"""`python -m rules backtest`: replay an alert over history, as it is and as it might be."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from model.platform import Platform
from rules.backtest.asked import Given, read
from rules.backtest.compare import backtest
from rules.backtest.document import document
from rules.backtest.inline import CannotInlineError
from rules.backtest.ledger import LedgerError
from rules.backtest.picture import picture
from rules.backtest.prometheus import PrometheusError
from rules.backtest.report import report
from rules.writer import put


class BacktestError(Exception):
    """A backtest that could not be made; says why. Nothing was written."""


def run(given: Given, platform: Platform, *, svg: Path | None, json: Path | None) -> str:
    """Make a backtest, write its files, answer its text. Raises AskedError and BacktestError."""
    asked = read(given, platform)
    try:
        now = datetime.now(UTC)
        outcome = asyncio.run(backtest(asked, platform, now, _progress, picture=svg is not None))
    except (PrometheusError, LedgerError, CannotInlineError) as error:
        raise BacktestError(str(error)) from None
    finally:
        _show("")
    files = {}
    if svg is not None:
        files[svg] = picture(outcome)
    if json is not None:
        files[json] = document(outcome)
    try:
        put(files)
    except OSError as error:
        raise BacktestError(f"nothing was written: {error}") from None
    written = "".join(f"\nwrote {path}" for path in files)
    return f"{report(outcome)}{written}"


def _progress(at: datetime) -> None:
    """A line that says which time is being asked about, where somebody is looking."""
    _show(f"  asking about {at:%Y-%m-%d %H:%M}")


def _show(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{text:<40}\r", nl=False, err=True)
