"""`python -m demo.chaos`: whether anything is lost or doubled, written to docs/chaos.md."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from demo.chaos.havoc import Havoc
from demo.chaos.report import document
from demo.chaos.run import Outcome, run
from demo.chaos.scene import Wanted
from demo.stack import ROOT

_SCENES = (
    Wanted("postgresql"),
    Wanted("postgresql", replicas=3, alertmanagers=2),
    Wanted("sqlite"),
)


@click.command()
@click.option("--transitions", default=1000, show_default=True, help="Starts and ends of alerts.")
@click.option("--lamps", default=40, show_default=True, help="What the alerts are about.")
@click.option("--kills", default=10, show_default=True, help="kill -9 of an exporter.")
@click.option("--restarts", default=3, show_default=True, help="Restarts of Postgres.")
@click.option("--seed", default=1, show_default=True, help="Decides what happens when.")
@click.option("--scene", type=click.IntRange(1, len(_SCENES)), help="Only this one of the three.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=ROOT / "docs/chaos.md",
    help="Where the result is written.",
)
def main(
    transitions: int,
    lamps: int,
    kills: int,
    restarts: int,
    seed: int,
    scene: int | None,
    output: Path,
) -> None:
    """Kill what the ledger stands on, and compare it with what Prometheus saw."""
    scenes = _SCENES if scene is None else (_SCENES[scene - 1],)
    outcomes: list[Outcome] = []
    for wanted in scenes:
        havoc = Havoc(kills, restarts, seed)
        outcome = asyncio.run(run(wanted, havoc, transitions, lamps, click.echo))
        click.echo(f"{outcome.episodes} episodes, {outcome.rows} in the ledger")
        for difference in outcome.differences:
            click.echo(f"  {difference}")
        outcomes.append(outcome)
    output.write_text(document(outcomes), encoding="utf-8")
    sys.exit(any(outcome.differences for outcome in outcomes))


if __name__ == "__main__":
    main()
