"""GET /alerts: all that is open, in groups, by filters, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from exporter.web.api.shapes import Line as Text
from exporter.web.api.shapes import Query, Whole
from exporter.web.console.alert_views import line
from exporter.web.console.page import Page, Visit, page, patiently
from exporter.web.console.query import read
from exporter.web.slices import sliced

if TYPE_CHECKING:
    from exporter.ledger.lists import Group, Listed

PAGE: Final = 50


class AlertsQuery(Query):
    """Which open alerts to show. `who`: those that nobody has, or that somebody has."""

    q: Annotated[Text, Field(max_length=200)] = ""
    name: Annotated[Text, Field(max_length=200)] = ""
    service: Annotated[Text, Field(max_length=200)] = ""
    severity: Literal["", "critical", "error", "warning", "info"] = ""
    who: Literal["", "nobody", "somebody"] = ""
    page: Annotated[int, Field(ge=1, le=1_000_000), Whole] = 1


@page
async def show(visit: Visit) -> Page:
    """The page."""
    query = read(visit.request, AlertsQuery)
    groups, found = await patiently(_read(visit, query))
    count = _count(groups, query.who)
    pages = max(1, -(-count // PAGE))
    return Page(
        "alerts.html",
        "Alerts",
        {
            "query": query,
            "groups": groups,
            "count": count,
            "number": min(query.page, pages),
            "pages_": pages,
            "lines": await sliced(partial(line, now=visit.now), found),
        },
        live="alerts_live.html",
        here="/alerts",
    )


async def _read(visit: Visit, query: AlertsQuery) -> tuple[Sequence[Group], Sequence[Listed]]:
    from exporter.ledger import lists
    from exporter.ledger.listing import Filters

    filters = Filters(
        query.severity or None, query.service or None, query.name or None, query.q or None
    )
    waiting = {"nobody": True, "somebody": False}.get(query.who)
    async with visit.ledger.store.read() as connection:
        groups = await lists.open_groups(connection, filters)
        last = max(1, -(-_count(groups, query.who) // PAGE))
        offset = (min(query.page, last) - 1) * PAGE
        found = await lists.open_alerts(connection, filters, PAGE, offset, waiting=waiting)
    return groups, found


def _count(groups: Sequence[Group], who: str) -> int:
    every, waiting = sum(one.count for one in groups), sum(one.waiting for one in groups)
    return {"nobody": waiting, "somebody": every - waiting}.get(who, every)
