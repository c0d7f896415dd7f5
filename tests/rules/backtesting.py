"""What the backtest's tests share: the command line as a person gives it, and its result."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

import rules.__main__ as command

HERE = Path(__file__).resolve().parent
TUNED = HERE / "tuned_config.py"


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
