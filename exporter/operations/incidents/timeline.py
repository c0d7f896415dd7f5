"""What happened in an incident, in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from exporter.contacts import is_business
from exporter.ledger import actions, incidents
from exporter.ledger.lists import Happening
from exporter.ledger.story import Event, moments
from exporter.operations.incidents.account import Account

_EVENTS: Mapping[Event, str] = MappingProxyType(
    {
        "began": "{} began to fire",
        "came": "the ledger was told",
        "overdue": "nobody had responded in time",
        "ended": "{} ended",
    }
)
# That reconciling has found an end: the end itself is told.
_ENDED = "end"


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """Something that happened, in words."""

    at: datetime
    what: str


def timeline(account: Account) -> list[Moment]:
    """All that is known to have happened, and when somebody should have been told."""
    told = (_moment(one) for one in account.happenings if one.action != _ENDED)
    return sorted([*_of_alert(account), *_of_ladder(account), *told])


def _of_alert(account: Account) -> Iterator[Moment]:
    incident, alert = account.incident, account.alert
    if alert is None:
        yield Moment(incident.began_at, _EVENTS["began"].format(incident.alert_name))
        return
    for one in moments(alert, account.now):
        yield Moment(one.at, _EVENTS[one.event].format(incident.alert_name))


def _of_ladder(account: Account) -> Iterator[Moment]:
    """Whom the ladder led to: that they were told, Alertmanager knows, and the ledger does not."""
    severity, alert = account.severity, account.alert
    if severity is None or alert is None:
        return
    contacts = {contact.role: contact for contact in account.contacts}
    waited_until = alert.acknowledged_at or alert.ends_at or account.now
    since = alert.waiting_since or alert.starts_at
    for step in severity.escalation:
        due = since + step.after
        if due >= waited_until:
            continue
        told = contacts[step.to]
        if told.after_hours is not None and not is_business(account.business_hours, due):
            told = contacts[told.after_hours]
        yield Moment(due, f"nobody had it: {told.title} was to be told")


def _moment(one: Happening) -> Moment:
    who = f"{one.actor} for {one.on_behalf_of}" if one.on_behalf_of else one.actor
    return Moment(one.at, f"{who} {_deed(one)} (by {one.via})")


def _deed(one: Happening) -> str:
    said = one.now
    if one.action == actions.NOTE:
        return f"noted: {one.text or ''}"
    if one.action == actions.ACKNOWLEDGE:
        return "acknowledged the alert"
    if one.action == actions.RESOLVE:
        return "ended the alert by hand"
    if one.action == actions.FALSE_POSITIVE:
        return "called it false" if said.get("false_positive") else "took back that it was false"
    if one.action == incidents.OPEN:
        return f"opened incident {said.get('incident')} ({said.get('priority')})"
    if one.action == incidents.CLOSE:
        return f"closed incident {said.get('incident')}"
    if one.action == incidents.WRITTEN:
        return f"wrote the post-mortem: {said.get('place')}"
    return one.action
