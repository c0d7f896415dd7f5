"""GET /: what is broken, since when, and who has it; then everything that is watched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Literal

from aiohttp import web
from pydantic import Field

from exporter.ledger.errors import StoreUnavailableError
from exporter.web.api.shapes import Line as Text
from exporter.web.api.shapes import Query, Whole
from exporter.web.console import targets as watched
from exporter.web.console.alert_views import Line, line
from exporter.web.console.page import Page, Visit, page, patiently
from exporter.web.console.query import read
from exporter.web.console.targets import Target
from exporter.web.slices import sliced
from exporter.web.states import isolation

if TYPE_CHECKING:
    from exporter.ledger.lists import Group, Listed
    from exporter.ledger.strips import Strip, Strips

# Of each of the two lists on top; there is a link to all.
_MOST_BROKEN: Final = 12
_MOST_ALERTS: Final = 12


class BoardQuery(Query):
    """Which of what is watched to show."""

    q: Annotated[Text, Field(max_length=200)] = ""
    state: Literal["", "down", "degraded", "unknown", "up"] = ""
    page: Annotated[int, Field(ge=1, le=1_000_000), Whole] = 1


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """What is open in the ledger: the first lines, how many there are, and groups of them.

    `trouble` says why nothing is known.
    """

    lines: Sequence[Line] = ()
    groups: Sequence[Group] = ()
    of_services: Mapping[str, Line] = field(default_factory=dict)
    trouble: str | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(group.count for group in self.groups)

    @property
    def waiting(self) -> int:
        """How many of them nobody has."""
        return sum(group.waiting for group in self.groups)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person sees first: the worst state, and a sentence of it; `short` is for a tab."""

    state: str
    text: str
    short: str


def verdict(targets: Sequence[Target], alerts: OpenAlerts | None) -> Verdict:
    """How the platform is, and whether somebody takes care."""
    counts = Counter(target.state for target in targets if target.maintenance is None)
    said = [f"{counts[state]:,} {state}" for state in watched.STATES[:-1] if counts[state]]
    state = next((one for one in watched.STATES if counts[one]), "up")
    short = ", ".join(said) or "all up"
    text = short if said else f"Everything works: {counts['up']:,} up"
    if alerts is None or alerts.trouble is not None:
        return Verdict(state, text, short)
    if not alerts.count:
        return Verdict(state, f"{text}; no open alerts", short)
    noun = "alert" if alerts.count == 1 else "alerts"
    return Verdict(state, f"{text}; {alerts.count:,} open {noun}, {_who(alerts)}", short)


def _who(alerts: OpenAlerts) -> str:
    """Whether somebody takes care of all that is open."""
    if alerts.waiting == alerts.count:
        return "which nobody has"
    return f"{alerts.waiting:,} that nobody has" if alerts.waiting else "somebody has each"


@page
async def show(visit: Visit) -> Page:
    """The page."""
    query = read(visit.request, BoardQuery)
    service = visit.service
    resting = service.loaded.calendar.open(time.time())
    shots = service.runner.snapshots()
    targets = await sliced(partial(watched.target_of, resting=resting), shots)
    broken = watched.broken(targets)
    shown = watched.chosen(targets, query.q, query.state, query.page)
    alerts = await _alerts(visit, broken[:_MOST_BROKEN])
    answers = alerts is not None and alerts.trouble is None
    strips = await _strips(visit, shown.targets) if answers else {}
    return Page(
        "board.html",
        "Now",
        {
            "broken": broken[:_MOST_BROKEN],
            "more_broken": max(0, len(broken) - _MOST_BROKEN),
            "verdict": verdict(targets, alerts),
            "resting": sum(target.maintenance is not None for target in targets),
            "groups": watched.counts(targets),
            "shown": shown,
            "targets": watched.with_strips(shown.targets, strips),
            "query": query,
            "alerts": alerts,
            "isolated": isolation(service.connectivity.isolated_since).get("isolated"),
        },
        live="board_live.html",
        here="/",
    )


async def _alerts(visit: Visit, broken: Sequence[Target]) -> OpenAlerts | None:
    """None without a ledger."""
    if visit.service.ledger is None:
        return None
    try:
        found, groups, of_services = await patiently(_read(visit, broken))
    except StoreUnavailableError as error:
        return OpenAlerts(trouble=str(error))
    lines = await sliced(partial(line, now=visit.now), found)
    worst = {name: line(alert, visit.now) for name, alert in of_services.items()}
    return OpenAlerts(lines, groups, worst)


async def _read(
    visit: Visit, broken: Sequence[Target]
) -> tuple[Sequence[Listed], Sequence[Group], Mapping[str, Listed]]:
    from exporter.ledger import lists
    from exporter.ledger.listing import Filters

    async with visit.ledger.store.read() as connection:
        return (
            await lists.open_alerts(connection, Filters(), _MOST_ALERTS),
            await lists.open_groups(connection, Filters()),
            await lists.worst_of(connection, [target.name for target in broken]),
        )


class StripsInUse:
    """Made with the ledger's store, when somebody first looks."""

    def __init__(self) -> None:
        self._strips: Strips | None = None

    def of(self, visit: Visit) -> Strips:
        """Those of the running ledger."""
        from exporter.ledger.strips import Strips

        if self._strips is None:
            self._strips = Strips(visit.ledger.store)
        return self._strips


STRIPS: Final = web.AppKey("strips", StripsInUse)


async def _strips(visit: Visit, targets: Sequence[Target]) -> Mapping[str, Strip]:
    """None where the ledger does not answer: a page is worth more than its strips."""
    strips = visit.request.app[STRIPS].of(visit)
    try:
        return await patiently(strips.of([target.name for target in targets], visit.now))
    except StoreUnavailableError:
        return {}
