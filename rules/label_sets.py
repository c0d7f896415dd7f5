"""Every label set that an alert of the config can be sent to Alertmanager with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.alerts import Alert
from model.escalation import EscalationRule, escalation_rules
from model.platform import Platform
from rules.alerts import rule_labels
from rules.expand import expand
from rules.series import every_result

Labels = dict[str, str]


@dataclass(frozen=True)
class Sent:
    """An alert as Alertmanager gets it, and what it comes from."""

    labels: Labels
    source: Alert | EscalationRule

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.source.name


def label_sets(platform: Platform, of: frozenset[str]) -> list[Sent]:
    """The label sets of all alerts of the config, then those of their escalations.

    Only the labels `of` which are asked; sets of an alert that agree in them are one.
    """
    own = [sent for alert in platform.alerts for sent in _of_alert(alert, platform, of)]
    return own + list(_of_escalations(own, platform, of))


def _of_alert(alert: Alert, platform: Platform, of: frozenset[str]) -> list[Sent]:
    given = {"alertname": alert.name, **rule_labels(alert, platform)}
    fixed = {name: text for name, text in given.items() if name in of and "{{" not in text}
    templates = {name: text for name, text in given.items() if name in of and "{{" in text}
    kept = of - given.keys()
    found: dict[frozenset[tuple[str, str]], Labels] = {}
    for labels in every_result(alert, platform):
        own = {name: text for name, text in labels.items() if name in kept}
        for name, text in templates.items():
            own[name] = expand(text, labels, 0.0)
        found.setdefault(frozenset(own.items()), own)
    return [Sent(_carried({**own, **fixed}), alert) for own in found.values()]


def _of_escalations(own: list[Sent], platform: Platform, of: frozenset[str]) -> Iterator[Sent]:
    rules = escalation_rules(platform)
    for rule in rules:
        if rule.symptoms is not None:
            yield Sent(_only({"alertname": rule.name, **rule.labels}, of), rule)
    seen = set()
    for one in own:
        severity = one.source.severity if isinstance(one.source, Alert) else None
        for rule in rules:
            if severity is None or severity not in rule.severities:
                continue
            copied = one.labels if rule.copies_labels else {"alert_id": "7f3a"}
            told = {
                "source_alertname": one.name,
                "service": one.labels.get("service", ""),
                "severity": severity,
                "alertname": rule.name,
            }
            labels = _only({**copied, **told, **rule.labels}, of)
            key = (rule.name, frozenset(labels.items()))
            if key not in seen:
                seen.add(key)
                yield Sent(labels, rule)


def _only(labels: Labels, of: frozenset[str]) -> Labels:
    return _carried({name: text for name, text in labels.items() if name in of})


def _carried(labels: Labels) -> Labels:
    """An empty label is none."""
    return {name: text for name, text in labels.items() if text}
