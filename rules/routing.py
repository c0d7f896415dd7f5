"""alertmanager.yml: from an alert's severity to the people who must know.

The order of routes is part of what they mean: the dead man's switch; escalations, which come
before the ledger so that they do not escalate themselves; the ledger, remediations; severities.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from model.alerts import Alert
from model.durations import prometheus
from model.escalation import LEDGER_ESCALATION, ledger_severities
from model.people import Severity
from model.platform import Platform
from model.telling import (
    DEAD_MANS_SWITCH,
    LEDGER,
    UNROUTED,
    channels_of,
    group_by_of,
    ladder_contacts,
    repeat_of,
)
from rules.inhibition import inhibit_rules
from rules.output import Files, yaml_file
from rules.receivers import (
    build_receivers,
    channels_receiver,
    contact_receiver,
    remediation_receiver,
)

PATH = "alertmanager/alertmanager.yml"
TEMPLATES = "templates/*.tmpl"
BUSINESS_HOURS = "business-hours"

Route = dict[str, Any]
# Alertmanager looks every group_interval whether repeat_interval has passed since the last call was
# over, so two equal ones call every second time: this calls once a minute.
_WATCHDOG_TIMES = {"group_wait": "0s", "group_interval": "20s", "repeat_interval": "50s"}
# Every alert by itself and at once: the ledger keeps each one's life. Alertmanager gives up on a
# call that takes longer than the group_interval, at the least 10 s.
_LEDGER_TIMES = {"group_wait": "0s", "group_interval": "10s", "repeat_interval": "4h"}
_ESCALATION_GROUPS = ["alertname", "source_alertname", "service"]
_ESCALATION_TIMES = {"group_wait": "1s", "group_interval": "1m", "repeat_interval": "4h"}


def build(platform: Platform) -> Files:
    """alertmanager.yml, beside the templates of its messages."""
    return {PATH: yaml_file(document(platform, TEMPLATES))}


def document(platform: Platform, templates: str) -> dict[str, Any]:
    """Alertmanager's file, which finds its templates by this pattern."""
    tree = _tree(platform)
    written: dict[str, Any] = {
        "global": {"resolve_timeout": "5m"},
        "templates": [templates],
        "route": tree,
        "receivers": build_receivers(_receivers_used(tree), platform),
    }
    if rules := inhibit_rules(platform):
        written["inhibit_rules"] = rules
    if any(_intervals_used(tree)):
        written["time_intervals"] = [_business_hours(platform)]
    return written


def _receivers_used(route: Route) -> Iterator[str]:
    yield route["receiver"]
    for child in route.get("routes", ()):
        yield from _receivers_used(child)


def _intervals_used(route: Route) -> Iterator[str]:
    yield from route.get("active_time_intervals", ())
    yield from route.get("mute_time_intervals", ())
    for child in route.get("routes", ()):
        yield from _intervals_used(child)


def _tree(platform: Platform) -> Route:
    routes = [
        *_watchdogs(platform),
        *_escalations(platform),
        *_ledger(platform),
        *_remediations(platform),
        *(_of_severity(severity, platform) for severity in platform.severities),
        *_the_rest(platform),
    ]
    return {"receiver": UNROUTED, "group_by": ["alertname"], "routes": routes}


def _watchdogs(platform: Platform) -> Iterator[Route]:
    names = [alert.name for alert in platform.alerts if alert.severity is None]
    if names:
        # Without a severity: they say that alerting works, to a machine.
        matchers = ['severity=""', _any_of("alertname", names)]
        yield {"receiver": DEAD_MANS_SWITCH, "matchers": matchers, **_WATCHDOG_TIMES}


# --- escalation ---------------------------------------------------------------------------------


def _escalations(platform: Platform) -> Iterator[Route]:
    for role, contact in ladder_contacts(platform).items():
        matchers = [f'escalation="{role}"']
        if contact.after_hours is None:
            yield _escalation(contact_receiver(role), matchers)
            continue
        yield {
            **_escalation(contact_receiver(role), matchers),
            "active_time_intervals": [BUSINESS_HOURS],
            "continue": True,
        }
        yield {
            **_escalation(contact_receiver(contact.after_hours), matchers),
            "mute_time_intervals": [BUSINESS_HOURS],
        }
    for severity in ledger_severities(platform):
        receiver = channels_receiver(severity.channels, platform)
        matchers = [f'escalation="{LEDGER_ESCALATION}"', f'severity="{severity.name}"']
        yield _escalation(receiver, matchers)


def _escalation(receiver: str, matchers: list[str]) -> Route:
    groups = {"group_by": list(_ESCALATION_GROUPS), **_ESCALATION_TIMES}
    return {"receiver": receiver, "matchers": matchers, **groups}


# --- machines -----------------------------------------------------------------------------------


def _ledger(platform: Platform) -> Iterator[Route]:
    if platform.ledger is not None:
        every = {"receiver": LEDGER, "matchers": ['severity!=""'], "group_by": ["..."]}
        yield {**every, **_LEDGER_TIMES, "continue": True}


def _remediations(platform: Platform) -> Iterator[Route]:
    seen = set()
    for alert in platform.alerts:
        if alert.remediation is None or (alert.name, alert.severity) in seen:
            continue
        seen.add((alert.name, alert.severity))
        yield {
            "receiver": remediation_receiver(alert),
            "matchers": [f'alertname="{alert.name}"', f'severity="{alert.severity}"'],
            "group_by": ["alertname", "service"],
            "continue": True,
        }


# --- people -------------------------------------------------------------------------------------


def _of_severity(severity: Severity, platform: Platform) -> Route:
    route = {
        **_told(severity.channels, severity.repeat_interval, severity.group_by, platform),
        "matchers": [f'severity="{severity.name}"'],
        "group_wait": prometheus(severity.group_wait),
        "group_interval": prometheus(severity.group_interval),
        **_hours(severity),
    }
    if children := list(_exceptions(severity, platform)):
        route["routes"] = children
    return route


def _the_rest(platform: Platform) -> Iterator[Route]:
    """What has a severity that nobody declared would be with the ledger, and with nobody else."""
    if platform.ledger is not None:
        known = "|".join(severity.name for severity in platform.severities)
        yield {"receiver": UNROUTED, "matchers": ['severity!=""', f'severity!~"{known}"']}


def _exceptions(severity: Severity, platform: Platform) -> Iterator[Route]:
    """What alerts of a severity do not share with it; those told alike share a route."""
    usual = _told(severity.channels, severity.repeat_interval, severity.group_by, platform)
    alike: list[tuple[Route, list[str]]] = []
    for alert in platform.alerts:
        if alert.severity != severity.name:
            continue
        told = _told_of(alert, severity, platform)
        if told == usual:
            continue
        names = next((names for other, names in alike if other == told), None)
        if names is None:
            alike.append((told, [alert.name]))
        elif alert.name not in names:
            names.append(alert.name)
    for told, names in alike:
        changed = {key: value for key, value in told.items() if value != usual[key]}
        # Alertmanager hands time intervals down to no route below.
        yield {
            "receiver": told["receiver"],
            "matchers": [_any_of("alertname", names)],
            **changed,
            **_hours(severity),
        }


def _told_of(alert: Alert, severity: Severity, platform: Platform) -> Route:
    groups = group_by_of(alert, severity, platform)
    return _told(channels_of(alert, severity), repeat_of(alert, severity), groups, platform)


def _told(
    channels: tuple[str, ...], repeat: timedelta, groups: tuple[str, ...], platform: Platform
) -> Route:
    return {
        "receiver": channels_receiver(channels, platform),
        "group_by": list(groups),
        "repeat_interval": prometheus(repeat),
    }


def _hours(severity: Severity) -> Route:
    return {"active_time_intervals": [BUSINESS_HOURS]} if severity.business_hours_only else {}


def _any_of(label: str, values: list[str]) -> str:
    if len(values) == 1:
        return f'{label}="{values[0]}"'
    return f'{label}=~"{"|".join(values)}"'


def _business_hours(platform: Platform) -> dict[str, Any]:
    hours = platform.business_hours
    interval = {
        "times": [{"start_time": f"{hours.start:02}:00", "end_time": f"{hours.end:02}:00"}],
        "weekdays": list(hours.weekdays),
        "location": hours.time_zone,
    }
    return {"name": BUSINESS_HOURS, "time_intervals": [interval]}
