"""Whom an alert has to reach, by what the config says; routes and receivers are not asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from model.alerts import Alert
from model.escalation import EscalationRule
from model.people import Channel, Contact, Email, PagerDuty, Slack, Webhook
from model.platform import Platform
from model.telling import channels_of
from rules.label_sets import Sent
from rules.receivers import fallback, groups_webhook

# Where a notification ends up: the kind of integration and its address there.
Destination = tuple[str, str]


def demanded(sent: Sent, platform: Platform, at: datetime | None) -> frozenset[Destination]:
    """Whom this alert has to reach at a time; at any time if there is none."""
    if isinstance(sent.source, EscalationRule):
        return frozenset(_of_escalation(sent.source, sent.labels, platform, at))
    return frozenset(_of_alert(sent.source, platform, at))


def unrouted(platform: Platform) -> frozenset[Destination]:
    """Whom an alert reaches that nobody has declared."""
    return frozenset(_through(tuple(one.name for one in fallback(platform)), platform))


def at_work(platform: Platform, at: datetime | None) -> bool | None:
    """Whether it is business hours; None if the time does not matter."""
    if at is None:
        return None
    hours = platform.business_hours
    local = at.astimezone(ZoneInfo(hours.time_zone))
    return hours.start <= local.hour < hours.end and f"{local:%A}".lower() in hours.weekdays


def _of_alert(alert: Alert, platform: Platform, at: datetime | None) -> Iterator[Destination]:
    if alert.severity is None:
        yield ("webhook", platform.dead_mans_switch)
        return
    severity = platform.severity(alert.severity)
    if platform.ledger is not None:
        yield _called(platform.ledger)
    if alert.remediation is not None:
        yield _called(alert.remediation)
    if severity.business_hours_only and at_work(platform, at) is False:
        return
    yield from _through(channels_of(alert, severity), platform)


def _of_escalation(
    rule: EscalationRule, labels: dict[str, str], platform: Platform, at: datetime | None
) -> Iterator[Destination]:
    contacts = {contact.role: contact for contact in platform.contacts}
    contact = contacts.get(rule.labels["escalation"])
    if contact is None:
        severity = platform.severity(labels["severity"])
        yield from _through(severity.channels, platform)
        return
    working = at_work(platform, at)
    if contact.after_hours is None or working is not False:
        yield from _of_contact(contact, platform)
    if contact.after_hours is not None and working is not True:
        yield from _of_contact(contacts[contact.after_hours], platform)


def _through(names: tuple[str, ...], platform: Platform) -> Iterator[Destination]:
    told = [channel for channel in platform.channels if channel.name in names]
    yield from map(_of_channel, told)
    groups = groups_webhook(platform)
    if groups is not None and any(isinstance(channel, PagerDuty) for channel in told):
        yield _called(groups)


def _of_channel(channel: Channel) -> Destination:
    if isinstance(channel, Email):
        return ("email", ", ".join(channel.to))
    if isinstance(channel, Slack):
        return ("slack", f"{channel.channel} {channel.webhook_url_file}")
    return ("pagerduty", channel.routing_key_file)


def _of_contact(contact: Contact, platform: Platform) -> Iterator[Destination]:
    # The smarthost is that of the channel.
    if contact.email is not None and any(isinstance(one, Email) for one in platform.channels):
        yield ("email", contact.email)
    if contact.pagerduty_routing_key_file is not None:
        yield ("pagerduty", contact.pagerduty_routing_key_file)
        if groups := groups_webhook(platform):
            yield _called(groups)


def _called(webhook: Webhook) -> Destination:
    return ("webhook", webhook.url or webhook.url_file or "")


# --- the same of what was generated -------------------------------------------------------------


def destinations(receiver: dict[str, Any]) -> frozenset[Destination]:
    """Where a receiver of Alertmanager's file sends what it gets."""
    return frozenset(
        _of_integration(key.removesuffix("_configs"), config)
        for key, configs in receiver.items()
        if key != "name"
        for config in configs
    )


def _of_integration(kind: str, config: dict[str, Any]) -> Destination:
    if kind == "email":
        return (kind, config["to"])
    if kind == "slack":
        return (kind, f"{config['channel']} {config['api_url_file']}")
    if kind == "pagerduty":
        return (kind, config["routing_key_file"])
    return (kind, config.get("url") or config.get("url_file") or "")
