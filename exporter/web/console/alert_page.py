"""GET /alerts/<id>: one alert, its value and threshold, its story, its runbook beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field
from pydantic_core import from_json

from exporter.web.api.alerts import known_id, not_found
from exporter.web.api.shapes import Query, Whole
from exporter.web.console.alert_views import ending_of, line
from exporter.web.console.page import Page, Visit, page, patiently
from exporter.web.console.query import read
from exporter.web.console.words import number_in
from model.platform import Platform
from model.runbook import UnknownAlertError, runbook
from model.runbook.html import fragment

if TYPE_CHECKING:
    from sqlalchemy import Row

    from exporter.ledger.lists import Happening, Listed

_HAPPENINGS: Final = 50
_DEEDS: Final = {
    "acknowledge": "acknowledged it",
    "note": "noted",
    "resolve": "resolved it by hand",
    "end": "found that it had ended",
    "incident_open": "opened an incident",
    "incident_close": "closed its incident",
    "post_mortem": "wrote its post-mortem",
}
# Beyond these the figures stand at the edge of the picture.
_WIDTH: Final = 100.0


class AlertQuery(Query):
    """Which part of the story to show: what happened before the line of this id."""

    before: Annotated[int, Field(ge=1, le=2**62), Whole] | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to an alert; `who` did it, if anybody. `text` is a note's."""

    at: datetime
    what: str
    who: str = ""
    via: str = ""
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """Where value and threshold stand on a line of 100, that begins at 0 or below."""

    value: float
    threshold: float


@page
async def show(visit: Visit) -> Page:
    """The page. Raises HTTPNotFound."""
    query = read(visit.request, AlertQuery)
    alert_id = known_id(visit.request.match_info["id"])
    row, story = await patiently(_read(visit, alert_id, query.before))
    alert = _listed(row)
    annotations, labels = _texts(row.annotations), _texts(row.labels)
    value, threshold = annotations.pop("value", ""), annotations.pop("threshold", "")
    return Page(
        "alert.html",
        alert.name,
        {
            "line": line(alert, visit.now),
            "alert": alert,
            "firing": bool(row.firing),
            "value": value,
            "threshold": threshold,
            "scale": scale_of(value, threshold),
            "description": annotations.pop("description", ""),
            "labels": sorted(labels.items()),
            "annotations": [
                (name, text, _web_address(text))
                for name, text in sorted(annotations.items())
                if name != "summary"
            ],
            "generator_url": _web_address(row.generator_url or ""),
            "moments": _moments(row, story, query.before, visit.now),
            "earlier": story[-1].id if len(story) == _HAPPENINGS else None,
            "before": query.before,
            "runbook": runbook_of(alert.name, visit.service.loaded.platform, labels),
        },
        live="alert_live.html",
        here="/alerts",
    )


async def _read(
    visit: Visit, alert_id: str, before: int | None
) -> tuple[Row[Any], Sequence[Happening]]:
    from exporter.ledger import lists
    from exporter.ledger.archives import everywhere
    from exporter.ledger.tables import alerts

    async with visit.ledger.store.read() as connection:
        row = await lists.one(connection, alerts, alert_id)
        if row is None:
            row = await lists.one(connection, await everywhere(connection, alerts), alert_id)
        if row is None:
            raise not_found(alert_id)
        return row, await lists.happenings(connection, alert_id, _HAPPENINGS, before)


def _listed(row: Row[Any]) -> Listed:
    from exporter.ledger.lists import Listed

    names = Listed.__dataclass_fields__.keys() - {"summary"}
    summary = _texts(row.annotations).get("summary", "")
    return Listed(summary=summary, **{name: getattr(row, name) for name in names})


def _texts(value: str | None) -> dict[str, str]:
    """Labels or annotations, which are listed as JSON."""
    return {name: str(text) for name, text in from_json(value or "{}").items()}


def _web_address(url: str) -> str | None:
    """A link that leads to a page and runs nothing; None for any other."""
    return url if url.startswith(("http://", "https://")) else None


# --- its story ----------------------------------------------------------------------------------


def _moments(
    row: Row[Any], story: Sequence[Happening], before: int | None, now: datetime
) -> list[Moment]:
    """What happened, the latest first. Its begin and end are on the pages that they belong to."""
    from exporter.ledger import story as stories

    first, last = len(story) < _HAPPENINGS, before is None
    words = {
        "began": "began to fire" if first else None,
        "came": "came to the ledger" if first else None,
        "overdue": "nobody had responded in time" if last else None,
        "ended": f"ended {ending_of(row.resolution, None)}" if last and row.ends_at else None,
    }
    moments = [_moment(one) for one in story if one.action != "end"]
    moments.extend(
        Moment(one.at, what)
        for one in stories.moments(row, now)
        if (what := words[one.event]) is not None
    )
    return sorted(moments, key=lambda moment: moment.at, reverse=True)


def _moment(one: Happening) -> Moment:
    who = f"{one.actor} for {one.on_behalf_of}" if one.on_behalf_of else one.actor
    what = _DEEDS.get(one.action, one.action)
    if one.action == "false_positive":
        false = one.now.get("false_positive")
        what = "marked it as a false positive" if false else "took back that it was false"
    return Moment(one.at, what, who, one.via, one.text)


# --- its figures --------------------------------------------------------------------------------


def scale_of(value: str, threshold: str) -> Scale | None:
    """Where both stand, if both are figures of one unit."""
    first, second = number_in(value), number_in(threshold)
    if first is None or second is None or first[1] != second[1]:
        return None
    low, high = min(0.0, first[0], second[0]), max(0.0, first[0], second[0])
    if not high > low:
        return None
    # So much room that the larger one does not stand at the very end.
    span = (high - low) / 0.9
    return Scale(*((number - low) / span * _WIDTH for number in (first[0], second[0])))


# --- its runbook --------------------------------------------------------------------------------


def runbook_of(name: str, platform: Platform, labels: Mapping[str, str]) -> str | None:
    """The runbook of an alert as HTML, escaped; None for one that the config does not know."""
    try:
        return fragment(runbook(name, platform, labels), "/runbooks/", level=3)
    except UnknownAlertError:
        return None
