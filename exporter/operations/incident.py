"""`python -m exporter incident`: opens, closes, lists and shows incidents; drafts post-mortems."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click

from exporter.ledger.incidents import Kind, Priority
from exporter.ledger.notes import NoteError, checked
from exporter.operations.console import MISUSED, finish, refuse, settings
from exporter.operations.incidents import deeds
from model.declared import ConfigError
from model.durations import parse
from model.load import config_path, load
from model.platform import Platform

_BY = click.option("--by", metavar="WHO", help="Whose deed it is, if not this machine's user's.")
_KINDS = click.Choice([kind.value for kind in Kind])
_PRIORITIES = click.Choice(get_args(Priority))


@click.group("incident")
def command() -> None:
    """Open an incident from an alert, close it, and draft its post-mortem.

    Incidents are kept in the ledger; hand-off and weekly lists show what is left to do.
    """


@command.command("new")
@click.argument("alert_id")
@click.option("--kind", type=_KINDS, help="Which procedure it follows; by default by its alert.")
@click.option("--priority", type=_PRIORITIES, help="By default by its kind.")
@_BY
def new(alert_id: str, kind: str | None, priority: Priority | None, by: str | None) -> None:
    """Open an incident from the alert ALERT_ID, and say what to do and whom to call."""
    found, platform = settings(), _platform()
    finish(deeds.judged(deeds.open_one(found, platform, alert_id, kind, priority, by)))


@command.command("close")
@click.argument("number", type=int)
@click.option("--cause", help="Why it happened; asked for on a terminal.")
@click.option("--resolution", help="What ended it; asked for on a terminal.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where the draft of its post-mortem goes; by default where you are.",
)
@_BY
def close(
    number: int, cause: str | None, resolution: str | None, directory: Path, by: str | None
) -> None:
    """Close the incident NUMBER, and draft its post-mortem."""
    found, platform = settings(), _platform()
    texts = _texts({"cause": cause, "resolution": resolution})
    finish(deeds.judged(deeds.close_one(found, platform, number, texts, directory, by)))


@command.command("list")
@click.option("--since", metavar="TIME", help="All since then (30d), not only what is left to do.")
def list_(since: str | None) -> None:
    """List open incidents, and those whose post-mortem is not written."""
    found = settings()
    begin = None
    if since is not None:
        try:
            begin = datetime.now(UTC) - parse(since)
        except (ValueError, OverflowError):
            refuse([f"--since: {since} is no length of time: write 12h or 30d"], MISUSED)
    finish(deeds.listed(found, begin))


@command.command("show")
@click.argument("number", type=int)
def show(number: int) -> None:
    """Print the incident NUMBER with its timeline, as Markdown."""
    found, platform = settings(), _platform()
    finish(deeds.judged(deeds.shown(found, platform, number)))


@command.command("post-mortem")
@click.argument("number", type=int)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A new file for the draft; by default it is printed.",
)
@click.option("--written", metavar="PLACE", help="It is written, and can be read there.")
@_BY
def post_mortem(number: int, output: Path | None, written: str | None, by: str | None) -> None:
    """Draft the post-mortem of the incident NUMBER, or note that it is written."""
    found = settings()
    if written is not None:
        if output is not None:
            refuse(["--output and --written: give one of the two"], MISUSED)
        finish(deeds.judged(deeds.noted(found, number, written, by)))
        return
    finish(deeds.judged(deeds.draft(found, _platform(), number, output)))


# --- what they are given ------------------------------------------------------------------------


def _platform() -> Platform:
    try:
        return load(config_path(os.environ))
    except ConfigError as error:
        refuse(str(error).splitlines(), MISUSED)


def _texts(given: dict[str, str | None]) -> dict[str, str]:
    """What was given, else asked for on a terminal; ends with 2 where neither can be."""
    asked = sys.stdin.isatty()
    problems, texts = [], {}
    for name, said in given.items():
        text = click.prompt(name.capitalize()) if said is None and asked else said
        try:
            texts[name] = checked(text or "")
        except NoteError as error:
            problems.append(f"--{name}: {error if text else 'say it'}")
    if problems:
        refuse(problems, MISUSED)
    return texts
