"""`python -m rules backtest`: replay an alert over history, as it is and as it might be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

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
        outcome = asyncio.run(backtest(asked, platform, datetime.now(UTC), picture=svg is not None))
    except (PrometheusError, LedgerError, CannotInlineError) as error:
        raise BacktestError(str(error)) from None
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
