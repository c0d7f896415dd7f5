"""GET /history: all alerts by when they began, from the archives too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Literal

from aiohttp import web
from pydantic import BeforeValidator, Field

from exporter.web.api.alert_models import PLACE
from exporter.web.api.alerts import end_of, place_of
from exporter.web.api.shapes import Line as Text
from exporter.web.api.shapes import Query
from exporter.web.console.alert_views import line
from exporter.web.console.page import Page, Visit, page, patiently
from exporter.web.console.query import read
from exporter.web.slices import sliced

if TYPE_CHECKING:
    from exporter.ledger.lists import Listed

PAGE: Final = 50
_DAY: Final = timedelta(days=1)


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("write a day, such as 2026-01-31") from None


Day = Annotated[date, BeforeValidator(_day)]


class HistoryQuery(Query):
    """Which alerts to show, by when they began: from one day to another, both included, in UTC."""

    since: Day | None = Field(default=None, alias="from")
    until: Day | None = Field(default=None, alias="to")
    name: Annotated[Text, Field(max_length=200)] = ""
    service: Annotated[Text, Field(max_length=200)] = ""
    severity: Literal["", "critical", "error", "warning", "info"] = ""
    status: Literal["", "active", "acknowledged", "resolved"] = ""
    false: Literal["", "yes", "no"] = ""
    after: Annotated[str, Field(pattern=PLACE)] | None = None


@page
async def show(visit: Visit) -> Page:
    """The page."""
    query = read(visit.request, HistoryQuery)
    found = await patiently(_read(visit, query))
    return Page(
        "history.html",
        "History",
        {
            "query": query,
            "lines": await sliced(partial(line, now=visit.now), found[:PAGE]),
            "older": _older(visit.request, found),
        },
        here="/history",
    )


def _older(request: web.Request, found: Sequence[Listed]) -> str | None:
    end = end_of(found, PAGE)
    return str(request.rel_url.update_query(after=end)) if end else None


async def _read(visit: Visit, query: HistoryQuery) -> Sequence[Listed]:
    from exporter.ledger import lists
    from exporter.ledger.archives import everywhere
    from exporter.ledger.listing import Filters
    from exporter.ledger.tables import alerts

    filters = Filters(
        query.severity or None,
        query.service or None,
        query.name or None,
        since=None if query.since is None else _start(query.since),
        until=_end(query.until),
        false_positive={"yes": True, "no": False}.get(query.false),
    )
    after = None if query.after is None else place_of(query.after)
    async with visit.ledger.store.read() as connection:
        source = await everywhere(connection, alerts)
        status = query.status or None
        return await lists.history(connection, source, status, filters, PAGE + 1, after)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end(day: date | None) -> datetime | None:
    """The day's end; None where there is none."""
    return None if day is None or day == date.max else _start(day) + _DAY
