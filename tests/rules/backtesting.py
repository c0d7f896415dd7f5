"""What the backtest's tests share: the command line as a person gives it, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backfilled import Past
from click.testing import CliRunner, Result

import rules.__main__ as command

HERE = Path(__file__).resolve().parent
TUNED = HERE / "tuned_config.py"

STEP = 5
HOURS = 3
COUNT = HOURS * 3600 // STEP
OF = 'instance="one",job="monitoring-service"'
CLIENTS = f'redis_connected_clients{{{OF},target="cache"}}'
REQUESTS = 'http_requests_total{job="services",instance="a:1",service="web",status_code="200"}'
# When there are too many clients: from which value on, how many of them, how many clients.
PEAKS = ((300, 30, 150), (700, 60, 250), (1100, 14, 150), (1700, 100, 180))
# So that the history has not ended when a test is run.
_MORE = 120
GAP = range(1300, 1420)


def clients(number: int) -> float | None:
    if number in GAP:
        return None
    return next((v for first, n, v in PEAKS if first <= number < first + n), 50)


def peaks(since: int) -> Past:
    """Three hours in which there are too many clients four times."""
    series: Mapping[str, list[float | None]] = {
        'up{job="prometheus"}': [None if n in GAP else 1 for n in range(COUNT + _MORE)],
        CLIENTS: [clients(n) for n in range(COUNT + _MORE)],
        # Twenty a second for a quarter of an hour.
        REQUESTS: [float(n + 100 * min(max(0, n - 600), 180)) for n in range(COUNT + _MORE)],
    }
    return Past(since, STEP, dict(series))


def run(*arguments: str | Path, config: Path = TUNED) -> Result:
    """`python -m rules backtest` with these arguments."""
    return CliRunner().invoke(
        command.main,
        ["backtest", *map(str, arguments)],
        env={"MONITORING_CONFIG": str(config), "COLUMNS": "120"},
    )


def told(result: Result) -> str:
    """What is printed, every run of blanks and line breaks as one blank."""
    return " ".join(result.stdout.split())


def row(result: Result, title: str) -> list[str]:
    """The cells of a row of the table."""
    lines = [line for line in result.stdout.splitlines() if line.startswith(f"  {title}  ")]
    (line,) = lines
    return [cell.strip() for cell in line.removeprefix(f"  {title}").split("  ") if cell.strip()]
