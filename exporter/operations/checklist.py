"""`python -m exporter checklist`: the runbook's checklists, item by item, on what runs here."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from exporter import logs
from exporter.checklists import LISTS, Item
from exporter.operations.console import FAILED, MISUSED, OperationError, refuse, say
from exporter.operations.documents import write
from exporter.operations.looks.desk import desk
from exporter.operations.looks.outcome import Outcome, State, worst
from exporter.operations.looks.table import look_at
from exporter.operations.tables import Section, markdown
from model.visible import visible

# That something could not be looked at is neither fine nor wrong.
UNKNOWN = 2
_CODES: Mapping[State, int] = {
    State.WRONG: FAILED,
    State.UNKNOWN: UNKNOWN,
    State.BY_HAND: 0,
    State.FINE: 0,
}
_COLUMNS = ("", "item", "what was found", "what to do")


@dataclass(frozen=True, slots=True)
class Checked:
    """An item of a list, and what was found."""

    title: str
    item: Item
    outcomes: tuple[Outcome, ...]


@click.command("checklist")
@click.argument("name", metavar="LIST", type=click.Choice(list(LISTS)))
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it as Markdown.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file to write: Markdown, or HTML where it ends in .html.",
)
def command(name: str, as_markdown: bool, output: Path | None) -> None:
    """Go through a checklist (morning, weekly, monthly or handoff) on what runs here.

    What only a person can do is listed to be ticked by hand. It changes nothing, and runs beside
    the service. Ends with 0 if nothing is wrong, 1 if something is, and 2 if nothing is wrong but
    something could not be looked at (or what was asked for cannot be understood).
    """
    logs.quiet()
    quiet = as_markdown or output is not None
    tell = _told_nothing if quiet else _Telling()
    checked = asyncio.run(go_through(os.environ, time.time, name, tell))
    if isinstance(checked, list):
        refuse(checked, MISUSED)
    found, title = checked
    sections = [_section(heading, found) for heading in LISTS[name]]
    if as_markdown:
        say(markdown(title, sections).rstrip())
    if output is not None:
        try:
            write(output, title, sections)
        except OperationError as error:
            refuse([str(error)], FAILED)
    if not as_markdown:
        say(_end(found, output))
    sys.exit(_CODES[worst(outcome for one in found for outcome in one.outcomes)])


async def go_through(
    environment: Mapping[str, str],
    clock: Callable[[], float],
    name: str,
    tell: Callable[[Checked], None],
) -> tuple[list[Checked], str] | list[str]:
    """What was found of each item, told as soon as it is known, and the list's title.

    The mistakes instead, where the environment or the config cannot be used. `clock` answers unix
    time.
    """
    async with desk(environment, clock) as place:
        if isinstance(place, list):
            return place
        found = []
        for title, items in LISTS[name].items():
            for item in items:
                checked = Checked(title, item, tuple(await look_at(place, item)))
                found.append(checked)
                tell(checked)
        return found, _title(name, place.platform.name, place.now)


def _title(name: str, platform: str, now: datetime) -> str:
    return f"{name.capitalize()} checklist of {platform}, {now:%Y-%m-%d %H:%M} UTC"


# --- for a terminal -----------------------------------------------------------------------------


def _told_nothing(_: Checked) -> None:
    """It is written when all is known."""


class _Telling:
    """A line an item, and what was found below it."""

    def __init__(self) -> None:
        self._title = ""

    def __call__(self, checked: Checked) -> None:
        if checked.title != self._title:
            self._title = checked.title
            say(f"{self._title}:")
        state = worst(checked.outcomes)
        say(f"  {_box(state):8} {checked.item.text}")
        for outcome in checked.outcomes:
            mark = "" if outcome.state in (state, State.FINE) else f"{outcome.state}: "
            say(f"             {mark}{visible(outcome.what)}")
            if outcome.do:
                say(f"               {visible(outcome.do)}")


def _box(state: State) -> str:
    return "[ ]" if state is State.BY_HAND else state.value


def _end(found: Sequence[Checked], output: Path | None) -> str:
    states = [worst(one.outcomes) for one in found]
    counted = [f"{states.count(state)} {state.value}" for state in State if state in states]
    where = f", written to {output}" if output is not None else ""
    return f"done: {len(found)} items: {', '.join(counted)}{where}"


# --- as a document ------------------------------------------------------------------------------


def _section(heading: str, found: Sequence[Checked]) -> Section:
    rows = tuple(
        (outcome.state.value, one.item.text, outcome.what, outcome.do)
        for one in found
        if one.title == heading
        for outcome in one.outcomes
    )
    return Section(heading, "", _COLUMNS, rows)
