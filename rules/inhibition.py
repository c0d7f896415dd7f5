"""Which alerts silence which: a critical one the warnings of its service, a dead dependency its
symptoms.

Nothing critical, no escalation and no dead man's switch is ever a target, and nothing critical is
ever silenced, so what silences is never silenced itself. A service may depend on several targets
and one label has one value, so each dependency has a label of its own, `dependency_<name>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from model.alerts import Alert
from model.platform import Platform
from rules.expand import expand
from rules.series import every_result

_LABEL = re.compile(r"\{\{\s*\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}")
# Alerts without the label `service` would otherwise count as being about the same one.
_EVERYDAY = 'escalation=""'


def inhibit_rules(platform: Platform) -> list[dict[str, Any]]:
    """Alertmanager's inhibit_rules: only those that some alert can set off and some can suffer."""
    severities = {alert.severity for alert in platform.alerts}
    found = []
    if {"critical", "warning"} <= severities:
        found.append(
            {
                "source_matchers": ['severity="critical"', _EVERYDAY, 'service!=""'],
                "target_matchers": ['severity="warning"', _EVERYDAY, 'service!=""'],
                "equal": ["service"],
            }
        )
    flagged = [
        (alert, dependency_labels(alert, platform))
        for alert in platform.alerts
        if alert.inhibits_dependents or alert.inhibited_by_dependencies
    ]
    for name in platform.once(_dependencies):
        label = dependency_label(name)
        carrying = [alert for alert, labels in flagged if label in labels]
        suffering = {alert.severity for alert in carrying if alert.inhibited_by_dependencies}
        if suffering and any(alert.inhibits_dependents for alert in carrying):
            names = [one.name for one in platform.severities if one.name in suffering]
            matchers = [_EVERYDAY, f'{label}="{name}"']
            found.append(
                {
                    "source_matchers": ['severity="critical"', *matchers],
                    "target_matchers": [f'severity=~"{"|".join(names)}"', *matchers],
                    "equal": [label],
                }
            )
    return found


def dependency_label(name: str) -> str:
    """The label of a dependency: `dependency_postgresql`."""
    return f"dependency_{re.sub('[^a-z0-9]', '_', name)}"


def dependency_labels(alert: Alert, platform: Platform) -> dict[str, str]:
    """The labels, or templates of them, that tell of what an alert's service depends.

    Raises UntestableError where the alert's label sets cannot be known.
    """
    if not alert.inhibits_dependents and not alert.inhibited_by_dependencies:
        return {}
    return platform.once(_dependency_labels, alert)


def _dependency_labels(alert: Alert, platform: Platform) -> dict[str, str]:
    found = {}
    subjects = _subjects(alert, platform)
    for name, dependents in platform.once(_dependencies).items():
        about = {name} if alert.inhibits_dependents else dependents
        concerned = [subject for subject in subjects if subject in about]
        if concerned:
            found[dependency_label(name)] = _template(alert.service, name, concerned, subjects)
    return found


def _template(service: str, dependency: str, concerned: list[str], subjects: list[str]) -> str:
    label = _LABEL.fullmatch(service)
    if label is None or len(concerned) == len(subjects):
        return dependency
    names = "|".join(concerned)
    return f'{{{{ if match "^({names})$" $labels.{label[1]} }}}}{dependency}{{{{ end }}}}'


def _subjects(alert: Alert, platform: Platform) -> list[str]:
    """What an alert can be about."""
    sets = every_result(alert, platform)
    return list(dict.fromkeys(expand(alert.service, labels, 0.0) for labels in sets))


def _dependencies(platform: Platform) -> dict[str, set[str]]:
    """What others depend on, and who they are."""
    found: dict[str, set[str]] = {}
    for dependent, name in _edges(platform):
        found.setdefault(name, set()).add(dependent)
    return found


def _edges(platform: Platform) -> Iterator[tuple[str, str]]:
    for service in platform.services:
        yield from ((service.name, name) for name in service.depends_on)
    # A query depends on the server that it is put to.
    yield from ((target.name, target.postgres) for target in platform.sql)
