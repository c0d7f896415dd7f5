"""`python -m rules mutate`: change every rule in every way, and see that its tests notice."""

from __future__ import annotations

import time

import click

from model.platform import Platform
from model.raw import Raw
from rules.mutate.alike import judge, read
from rules.mutate.subjects import subjects
from rules.mutate.trial import Outcome, UnfitError, run
from rules.output import Files


def mutate(platform: Platform, files: Files, only: tuple[str, ...], *, quick: bool) -> bool:
    """Try the changes of every rule, or of some; whether all were noticed or are listed.

    `quick` tries the first change of each kind, and cannot tell an entry that no longer holds.
    Raises MissingProgramError where there is no promtool.
    """
    started = time.monotonic()
    found = [one for one in subjects(files) if not only or one.rule_name in only]
    unknown = set(only) - {one.rule_name for one in found}
    if unknown:
        click.echo(f"there is no alert or recording {', '.join(sorted(unknown))}", err=True)
        return False
    raw = frozenset(alert.name for alert in platform.alerts if isinstance(alert.expr, Raw))
    outcomes: list[Outcome] = []
    try:
        for outcome in run(found, raw, quick=quick):
            outcomes.append(outcome)
            click.echo(f"  {_line(outcome)}")
    except UnfitError as error:
        click.echo(str(error), err=True)
        return False
    alike = [one for one in read() if not only or one.name in only]
    mistakes = list(judge(outcomes, alike, quick=quick))
    for mistake in mistakes:
        click.echo(mistake, err=True)
    click.echo(_total(outcomes, time.monotonic() - started))
    return not mistakes


def _line(outcome: Outcome) -> str:
    tried = len(outcome.caught) + len(outcome.survived)
    left = f"; not: {', '.join(outcome.survived)}" if outcome.survived else ""
    return f"{outcome.rule}: {len(outcome.caught)} of {tried} changes noticed{left}"


def _total(outcomes: list[Outcome], took: float) -> str:
    caught = sum(len(outcome.caught) for outcome in outcomes)
    tried = caught + sum(len(outcome.survived) for outcome in outcomes)
    share = 100 * caught / tried if tried else 100.0
    return (
        f"{caught} of {tried} changes of {len(outcomes)} rules noticed ({share:.1f} %), "
        f"{tried - caught} not, in {took:.0f} s"
    )
