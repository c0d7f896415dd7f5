"""Who is told of an alert, and the checks across declarations that this asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from model.declared import Problem, suggestion
from model.durations import prometheus
from model.people import Contact, Email, PagerDuty, Severity, Webhook
from model.versions import WEBHOOK_URL_FILE, shown, version

if TYPE_CHECKING:
    from model.alerts import Alert
    from model.platform import Platform

# Receivers that are not named after channels.
UNROUTED = "unrouted"
DEAD_MANS_SWITCH = "dead-mans-switch"
LEDGER = "ledger"
_RESERVED = re.compile(rf"{UNROUTED}|{DEAD_MANS_SWITCH}|{LEDGER}|(contact|remediation)-.*")


def channels_of(alert: Alert, severity: Severity) -> tuple[str, ...]:
    """The channels that an alert is sent to: its own, or its severity's."""
    return severity.channels if alert.channels is None else alert.channels


def repeat_of(alert: Alert, severity: Severity) -> timedelta:
    """After how long an alert is sent again: its own interval, or its severity's."""
    return severity.repeat_interval if alert.repeat_interval is None else alert.repeat_interval


def group_by_of(alert: Alert, severity: Severity, platform: Platform) -> tuple[str, ...]:
    """What an alert is grouped by: whoever acknowledges an incident must have seen all of it."""
    incidents = {channel.name for channel in platform.channels if isinstance(channel, PagerDuty)}
    if incidents.isdisjoint(channels_of(alert, severity)):
        return severity.group_by
    return tuple(dict.fromkeys(("alertname", "service", *severity.group_by)))


def ladder_contacts(platform: Platform) -> dict[str, Contact]:
    """The contacts that the severities' ladders name, by role, in the ladders' order."""
    contacts = {contact.role: contact for contact in platform.contacts}
    steps = [step for severity in platform.severities for step in severity.escalation]
    return {step.to: contacts[step.to] for step in steps}


# --- checks -------------------------------------------------------------------------------------


def _alerts_channels_are_known(platform: Platform) -> Iterator[Problem]:
    known = [channel.name for channel in platform.channels if channel.has("name")]
    for alert in platform.alerts:
        if not alert.has("name", "channels"):
            continue
        for name in getattr(alert, "channels", None) or ():
            if name not in known:
                near = suggestion(name, known)
                yield Problem(
                    f'Alert "{alert.name}": there is no channel "{name}"{near}', alert.place
                )


def _alerts_repeat_as_alertmanager_can(platform: Platform) -> Iterator[Problem]:
    severities = {str(one.name): one for one in platform.severities if not one.broken}
    for alert in platform.alerts:
        severity = None if alert.broken else severities.get(alert.severity or "")
        if severity is None or alert.repeat_interval is None:
            continue
        if alert.repeat_interval < severity.group_interval:
            yield Problem(
                f'Alert "{alert.name}": repeat_interval: {prometheus(alert.repeat_interval)} is '
                f"under its severity's group_interval, {prometheus(severity.group_interval)}, "
                "which Alertmanager ignores",
                alert.place,
            )


def _namesakes_are_told_alike(platform: Platform) -> Iterator[Problem]:
    """Routes know alerts by name and severity, so two that share both share a route."""
    first: dict[tuple[str, str | None], Alert] = {}
    for alert in platform.alerts:
        if alert.broken:
            continue
        other = first.setdefault((alert.name, alert.severity), alert)
        if other is alert:
            continue
        for setting in ("channels", "repeat_interval", "remediation"):
            if getattr(other, setting) != getattr(alert, setting):
                yield Problem(
                    f'Alert "{alert.name}": {setting} differs from that of the alert of the same '
                    f"name and severity at {other.place}; a route could not tell them apart",
                    alert.place,
                )


def _channels_have_names_of_their_own(platform: Platform) -> Iterator[Problem]:
    for channel in platform.channels:
        if not channel.has("name"):
            continue
        if not re.fullmatch(r"[a-z][a-z0-9-]*", channel.name):
            yield Problem(
                f'Channel "{channel.name}": the name is not lower-case letters, digits and "-"',
                channel.place,
            )
        elif _RESERVED.fullmatch(channel.name):
            yield Problem(
                f'Channel "{channel.name}": the name is that of a receiver of ours; take another',
                channel.place,
            )


def _escalation_reaches_people_at_every_hour(platform: Platform) -> Iterator[Problem]:
    contacts = {one.role: one for one in platform.contacts if not one.broken}
    by_email = any(isinstance(channel, Email) for channel in platform.channels)
    for severity in platform.severities:
        for step in severity.escalation if severity.has("name", "escalation") else ():
            contact = None if step.broken else contacts.get(step.to)
            if contact is not None:
                for what in _unreachable(contact, contacts, severity, by_email=by_email):
                    yield Problem(
                        f'Severity "{severity.name}": escalates to "{step.to}", but {what}',
                        step.place,
                    )


def _unreachable(
    contact: Contact, contacts: dict[str, Contact], severity: Severity, *, by_email: bool
) -> Iterator[str]:
    def silent(person: Contact) -> str | None:
        if person.pagerduty_routing_key_file is not None or (by_email and person.email):
            return None
        if person.email:
            return "there is no Email channel whose smarthost could be used"
        return "Alertmanager dials no phone: give an email or a pagerduty_routing_key_file"

    if what := silent(contact):
        yield what
    if contact.when == "emergency" and severity.name != "critical":
        yield "that contact is for emergencies only, which are critical"
    if contact.when == "after-hours":
        yield "that contact is not told in business hours"
    if contact.when != "business":
        return
    if contact.after_hours is None:
        yield "nobody would be told after hours: give that contact after_hours"
        return
    other = contacts.get(contact.after_hours)
    if other is None:
        near = suggestion(contact.after_hours, contacts)
        yield f'after hours to "{contact.after_hours}": no contact has that role{near}'
    elif other.when not in ("after-hours", "always"):
        yield f'after hours to "{other.role}", who is not told then'
    elif what := silent(other):
        yield f'after hours to "{other.role}": {what}'


def _dependencies_are_targets(platform: Platform) -> Iterator[Problem]:
    known = [target.name for target in platform.targets if target.has("name")]
    for service in platform.services:
        for name in service.depends_on if service.has("name", "depends_on") else ():
            if name == service.name or name not in known:
                why = "itself" if name == service.name else f'"{name}", which is no target'
                near = suggestion(name, known) if name not in known else ""
                yield Problem(f'Service "{service.name}": depends on {why}{near}', service.place)


def _alertmanager_is_new_enough(platform: Platform) -> Iterator[Problem]:
    if platform.watched_by.broken:
        return
    oldest = platform.watched_by.oldest_alertmanager
    webhooks: list[tuple[str, Webhook | None]] = [("ledger", platform.ledger)]
    webhooks += [(f'Alert "{a.name}"', a.remediation) for a in platform.alerts if not a.broken]
    for who, webhook in webhooks:
        if webhook is None or webhook.broken or webhook.url_file is None:
            continue
        if version(oldest) < WEBHOOK_URL_FILE:
            yield Problem(
                f"{who}: url_file needs Alertmanager {shown(WEBHOOK_URL_FILE)}, and "
                f"oldest_alertmanager is {oldest}; give url, or raise that",
                webhook.place,
            )


def _incidents_can_be_acknowledged(platform: Platform) -> Iterator[Problem]:
    """Receivers that page tell the ledger their groups' keys, at a path beside its webhook's."""
    ledger = platform.ledger
    if ledger is None or ledger.broken or ledger.url_file is None:
        return
    pages = any(isinstance(one, PagerDuty) for one in platform.channels) or any(
        not one.broken and one.pagerduty_routing_key_file is not None for one in platform.contacts
    )
    if pages:
        yield Problem(
            "ledger: with url_file nobody can say where PagerDuty's incidents are to be told, so "
            "acknowledgements would go neither there nor back; give url: its secret is in "
            "credentials_file",
            ledger.place,
        )


TELLING_CHECKS = (
    _alerts_channels_are_known,
    _alerts_repeat_as_alertmanager_can,
    _namesakes_are_told_alike,
    _channels_have_names_of_their_own,
    _escalation_reaches_people_at_every_hour,
    _dependencies_are_targets,
    _alertmanager_is_new_enough,
    _incidents_can_be_acknowledged,
)
