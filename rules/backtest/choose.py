"""Which alert of the config is meant: by its name, and by labels where several share it."""

from __future__ import annotations

from collections.abc import Iterable

from model.alerts import Alert
from model.declared import suggestion
from model.escalation import escalation_rules
from model.platform import Platform

_MOST = 100


class UnknownAlertError(Exception):
    """No alert, or more than one, is called so; says which there are."""


def chosen(wanted: str, platform: Platform) -> Alert:
    """The alert that is meant, such as `ServiceDown` or `DataLossRisk:wal_archiving`.

    What follows the name are values of labels which tell it from its namesakes, its severity among
    them. Raises UnknownAlertError.
    """
    name, *told = wanted[:_MOST].split(":")
    named = [alert for alert in platform.alerts if alert.name == name]
    if not named:
        raise UnknownAlertError(_unknown(name, platform))
    found = [alert for alert in named if {*told} <= {*_told(alert)}]
    if len(found) == 1:
        return found[0]
    which = ", ".join(title(alert, platform) for alert in found or named)
    if not found:
        raise UnknownAlertError(f'there is no alert "{wanted[:_MOST]}"; there is {which}')
    raise UnknownAlertError(f'several alerts are called "{wanted[:_MOST]}": say which of {which}')


def title(alert: Alert, platform: Platform) -> str:
    """The name by which `chosen` finds an alert, and no other."""
    others = [one for one in platform.alerts if one.name == alert.name and one is not alert]
    told: tuple[str, ...] = ()
    for value in _told(alert):
        if all({*told} <= {*_told(other)} for other in others) and others:
            told = (*told, value)
            others = [other for other in others if value in _told(other)]
    return ":".join((alert.name, *told))


def _told(alert: Alert) -> Iterable[str]:
    return (*alert.labels.values(), *([alert.severity] if alert.severity else []))


def _unknown(name: str, platform: Platform) -> str:
    if any(rule.name == name for rule in escalation_rules(platform)):
        return (
            f'"{name}" repeats other alerts when nobody has acknowledged them: replay the alert '
            "that it is about; when it repeats is the severities' escalation in the config"
        )
    known = [alert.name for alert in platform.alerts]
    return f'there is no alert "{name}"{suggestion(name, known)}'
