"""Every label set that an alert of the config can be sent to Alertmanager with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from model.alerts import Alert
from model.escalation import EscalationRule, escalation_rules
from model.platform import Platform
from rules.alerts import rule_labels
from rules.expand import expand
from rules.series import every_result

Labels = dict[str, str]
_USED = re.compile(r"\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)")
# A label and its value to the value that stands for it.
StandIn = Callable[[str, str], str]


@dataclass(frozen=True)
class Sent:
    """An alert as Alertmanager gets it, and what it comes from."""

    labels: Labels
    source: Alert | EscalationRule

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.source.name


def label_sets(
    platform: Platform, of: frozenset[str], stand_in: StandIn = lambda _label, value: value
) -> list[Sent]:
    """The label sets of all alerts of the config, then those of their escalations.

    Only the labels `of` which are asked; sets of an alert that agree in them are one. `stand_in`
    says which value of a label stands for one and all that are as good.
    """
    found = _LabelSets(platform, of, stand_in)
    own = [sent for alert in platform.alerts for sent in found.of_alert(alert)]
    return own + list(_of_escalations(own, platform, of))


class _LabelSets:
    """The label sets of alerts; what templates make of labels is known for all that share them."""

    def __init__(self, platform: Platform, of: frozenset[str], stand_in: StandIn) -> None:
        self._platform, self._of, self._stand_in = platform, of, stand_in
        self._expanded: dict[tuple[tuple[str, str], ...], dict[tuple[str, ...], Labels]] = {}

    def of_alert(self, alert: Alert) -> list[Sent]:
        """Those of one alert."""
        rule = rule_labels(alert, self._platform)
        given = {"alertname": alert.name, **rule}
        asked = {name: text for name, text in given.items() if name in self._of}
        fixed = {name: text for name, text in asked.items() if "{{" not in text}
        templates = {name: text for name, text in asked.items() if "{{" in text}
        kept = self._of - given.keys()
        used = list(dict.fromkeys(_USED.findall("".join(templates.values()))))
        expanded = self._expanded.setdefault(tuple(templates.items()), {})
        found: dict[frozenset[tuple[str, str]], Labels] = {}
        for labels in every_result(alert, self._platform):
            values = tuple([labels.get(name, "") for name in used])
            if values not in expanded:
                expanded[values] = self._expand(templates, labels)
            own = expanded[values]
            if more := kept & labels.keys():
                bare = {name: text for name, text in labels.items() if name in more}
                own = {**{n: self._stand_in(n, text) for n, text in bare.items()}, **own}
            found.setdefault(frozenset(own.items()), own)
        return [Sent(_carried({**own, **fixed}), alert) for own in found.values()]

    def _expand(self, templates: Labels, labels: Mapping[str, str]) -> Labels:
        return {
            name: self._stand_in(name, expand(text, labels, 0.0))
            for name, text in templates.items()
        }


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
