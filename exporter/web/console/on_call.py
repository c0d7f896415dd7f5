"""GET /on-call: who is told next and when, whom to reach at this hour, and the hand-off's list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from exporter.checklists import GOING_OFF, GOING_ON
from exporter.contacts import hours_of, is_business
from exporter.ledger.errors import StoreUnavailableError
from exporter.web.console.alert_views import line
from exporter.web.console.page import Page, Visit, page, patiently
from exporter.web.console.words import lasting
from model.people import Contact, Severity
from model.platform import Platform
from model.runbook.told import business_hours

if TYPE_CHECKING:
    from exporter.ledger.incidents import Incident
    from exporter.ledger.lists import Listed

_MOST_OPEN: Final = 25


@dataclass(frozen=True, slots=True)
class Step:
    """Who is told of an alert that nobody has acknowledged for so long."""

    after: str
    contact: Contact
    # Who is told in the place of this one when business hours are over.
    otherwise: Contact | None


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps of a severity."""

    severity: Severity
    response: str
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Left:
    """What is to be handed over: open alerts, and incidents of which something is left to do."""

    alerts: Sequence[Listed] = ()
    incidents: Sequence[Incident] = ()


@page
async def show(visit: Visit) -> Page:
    """The page. It is there without a ledger, and without one that answers."""
    platform = visit.service.loaded.platform
    at_work = is_business(platform.business_hours, visit.now)
    left, trouble = await _open(visit)
    zone = ZoneInfo(platform.business_hours.time_zone)
    return Page(
        "on_call.html",
        "On call",
        {
            "ladders": [_ladder(severity, platform) for severity in platform.severities],
            "hours": hours_of(platform, at_work=at_work),
            "business_hours": business_hours(platform.business_hours),
            "at_work": at_work,
            "local": f"{visit.now.astimezone(zone):%A %H:%M}",
            "zone": platform.business_hours.time_zone,
            "going_on": GOING_ON,
            "going_off": GOING_OFF,
            "lines": [line(alert, visit.now) for alert in left.alerts[:_MOST_OPEN]],
            "more": len(left.alerts) > _MOST_OPEN,
            "incidents": left.incidents,
            "trouble": trouble,
        },
        here="/on-call",
    )


def _ladder(severity: Severity, platform: Platform) -> Ladder:
    contacts = {contact.role: contact for contact in platform.contacts}
    within = severity.response_time
    return Ladder(
        severity,
        "" if within is None else lasting(within),
        [
            Step(
                lasting(step.after),
                contacts[step.to],
                contacts.get(contacts[step.to].after_hours or ""),
            )
            for step in severity.escalation
        ],
    )


async def _open(visit: Visit) -> tuple[Left, str | None]:
    if visit.service.ledger is None:
        return Left(), None
    try:
        return await patiently(_read(visit)), None
    except StoreUnavailableError as error:
        return Left(), str(error)


async def _read(visit: Visit) -> Left:
    from exporter.ledger import incidents, lists
    from exporter.ledger.listing import Filters

    async with visit.ledger.store.read() as connection:
        return Left(
            await lists.open_alerts(connection, Filters(), _MOST_OPEN + 1),
            await incidents.outstanding(connection),
        )
