"""Who is told of an alert and when, in words: what routes and escalations are proved to do."""

from __future__ import annotations

from collections.abc import Iterator

from model.alerts import Alert
from model.durations import prometheus
from model.people import BusinessHours, Channel, Contact, Email, Severity, Slack
from model.platform import Platform
from model.runbook.page import Block, Line, Paragraph, Span, Style, Table, plain
from model.telling import channels_of, repeat_of

ANY_HOUR = "at any hour"
_HEADING = ("When", "How", "Who")


def told(alert: Alert, platform: Platform) -> Iterator[Block]:
    """Whom an alert is sent to as soon as it fires."""
    if alert.severity is None:
        yield Paragraph(
            plain(
                "The dead man's switch, over and over: it is its silence that tells. Whoever is "
                "behind the switch is told when the calls stop."
            )
        )
        return
    severity = platform.severity(alert.severity)
    hours = business_hours(platform.business_hours) if severity.business_hours_only else ANY_HOUR
    yield Table(_HEADING, tuple(_through(channels_of(alert, severity), hours, platform)))
    wait, repeat = prometheus(severity.group_wait), prometheus(repeat_of(alert, severity))
    text = f"Sent {wait} after it fires, and again every {repeat} for as long as it lasts."
    if alert.remediation is not None:
        text += " A remedy is called by itself as soon as it fires."
    yield Paragraph(plain(text))


def told_of_escalation(role: str, platform: Platform) -> Iterator[Block]:
    """Whom an escalation to a role is sent to."""
    contacts = {contact.role: contact for contact in platform.contacts}
    yield Table(_HEADING, tuple(_rows(contacts[role], platform)))


def told_through(severity: Severity, platform: Platform) -> Iterator[Block]:
    """Whom an alert is sent to that has a severity's channels."""
    yield Table(_HEADING, tuple(_through(severity.channels, ANY_HOUR, platform)))


def escalation(severity: Severity, platform: Platform) -> Iterator[Block]:
    """Who is told next, and after how long, when nobody acknowledges an alert."""
    contacts = {contact.role: contact for contact in platform.contacts}
    rows = tuple(
        (plain(prometheus(step.after)), *row)
        for step in severity.escalation
        for row in _rows(contacts[step.to], platform)
    )
    if rows:
        yield Paragraph(plain("When nobody acknowledges it:"))
        yield Table(("After", *_HEADING), rows)


def business_hours(hours: BusinessHours) -> str:
    """Business hours as people say them."""
    days = [day[:3].capitalize() for day in hours.weekdays]
    whole = list(hours.weekdays) == ["monday", "tuesday", "wednesday", "thursday", "friday"]
    shown = f"{days[0]}-{days[-1]}" if whole else ", ".join(days)
    return f"{shown} {hours.start:02}:00-{hours.end:02}:00 {hours.time_zone}"


def _through(names: tuple[str, ...], when: str, platform: Platform) -> Iterator[tuple[Line, ...]]:
    for channel in platform.channels:
        if channel.name in names:
            yield (plain(when), plain(channel.name), _address(channel))


def _address(channel: Channel) -> Line:
    if isinstance(channel, Email):
        return plain(", ".join(channel.to))
    if isinstance(channel, Slack):
        return plain(channel.channel)
    return plain("whoever is on call there")


def _rows(contact: Contact, platform: Platform) -> Iterator[tuple[Line, ...]]:
    contacts = {one.role: one for one in platform.contacts}
    hours = business_hours(platform.business_hours)
    if contact.after_hours is None:
        yield _row(contact, ANY_HOUR, platform)
        return
    yield _row(contact, hours, platform)
    yield _row(contacts[contact.after_hours], "after hours", platform)


def _row(contact: Contact, when: str, platform: Platform) -> tuple[Line, ...]:
    ways = []
    if contact.email is not None and any(isinstance(one, Email) for one in platform.channels):
        ways.append("email")
    if contact.pagerduty_routing_key_file is not None:
        ways.append("pagerduty")
    reached = ", ".join(part for part in (contact.email, contact.phone) if part)
    who = (Span(contact.title, Style.STRONG), Span(f" ({reached})"))
    return (plain(when), plain(", ".join(ways)), who)
