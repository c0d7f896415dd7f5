"""An alert: when it fires, how bad it is, and what a person is to know and do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from model.declared import Declared, refused, suggestion
from model.durations import Duration
from model.people import LONGEST_REPEAT, Webhook, too_long
from model.promql import Always, Expr
from model.raw import Raw

_LABEL_USED = re.compile(r"\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)")
# What every alert has anyway, or Prometheus sets.
_TAKEN = frozenset({"alertname", "alertstate", "severity", "service", "job", "instance"})
_LABEL = re.compile(r"[a-z_][a-z0-9_]*")
_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)

# What an alert is about, where that is one name or one label's value.
_SUBJECT = re.compile(r"[^{}]+|\{\{\s*\$labels\.[a-zA-Z_][a-zA-Z0-9_]*\s*\}\}")


class Alert(Declared):
    """One alert, from which come its rule, unit tests, route and notifications.

    `summary`, `description` and `service` may use Prometheus' `{{ $labels.x }}` and
    `{{ $value }}`. `service` is what the alert is about; by default the label `target`.
    `labels` are constant: they tell apart several alerts of one name, as `cause` does.
    `severity` is None only for an alert that always fires and is watched by a dead man's switch.
    """

    name: str
    group: str
    expr: Expr
    for_: Duration
    keep_firing_for: Duration = timedelta(0)
    severity: str | None
    # What it does where its metrics are missing altogether; a generated test holds it to that.
    no_data: Literal["quiet", "fires"] = "quiet"
    service: str = "{{ $labels.target }}"
    labels: dict[str, str] = Field(default_factory=dict)
    summary: str
    description: str
    symptoms: str = ""
    investigation: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    # Instead of those of its severity.
    channels: tuple[str, ...] | None = None
    repeat_interval: Duration | None = None
    # What is called when it fires, besides telling people; off unless given.
    remediation: Webhook | None = None
    # It says that what it is about is dead, which silences symptoms of whoever depends on that.
    inhibits_dependents: bool = False
    # It may be no more than a symptom of what the service depends on.
    inhibited_by_dependencies: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", self.name):
            mistakes.append('name: write capitalised words without spaces, such as "ServiceDown"')
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.group):
            mistakes.append(f'group: "{self.group}" is not lower-case letters, digits and "-"')
        mistakes.extend(
            f"{setting}: must not be negative"
            for setting in ("for_", "keep_firing_for")
            if getattr(self, setting) < timedelta(0)
        )
        if self.severity is None and not isinstance(self.expr, Always):
            mistakes.append("severity: only an alert whose expr is Always() may have none")
        if not self.expr.is_condition:
            mistakes.append(
                f"expr: compare {self.expr} with something, or it fires as long as there is data"
            )
        mistakes += self._label_mistakes()
        for setting, text in self._texts():
            if not text.strip():
                mistakes.append(f"{setting}: is empty")
            if text.count("{{") != text.count("}}"):
                mistakes.append(f"{setting}: a {{{{ has no }}}}")
        # Which labels raw PromQL has is known when the compiler has parsed it.
        if not isinstance(self.expr, Raw):
            mistakes.extend(self.lost_labels(self.expr.labels))
        if any("$value" in action for action in _ACTION.findall(self.service)):
            mistakes.append("service: $value in a label makes a new alert at every evaluation")
        mistakes += self._telling_mistakes()
        if mistakes:
            raise refused(mistakes)
        return self

    def lost_labels(self, labels: frozenset[str]) -> list[str]:
        """What uses a label that is not among those of the expression's results."""
        known = sorted(labels)
        return [
            f"{setting}: the expression has no label {label!r}{suggestion(label, known)}"
            for setting, text in self._texts()
            for label in dict.fromkeys(_LABEL_USED.findall(text))
            if label not in labels
        ]

    def _texts(self) -> list[tuple[str, str]]:
        """The settings that may hold templates."""
        return [
            (setting, getattr(self, setting)) for setting in ("service", "summary", "description")
        ]

    def _telling_mistakes(self) -> list[str]:
        mistakes = []
        if self.channels is not None and not self.channels:
            mistakes.append("channels: name at least one, or leave it out for the severity's")
        if self.repeat_interval is not None and self.repeat_interval > LONGEST_REPEAT:
            mistakes.append(too_long("repeat_interval", self.repeat_interval))
        if self.severity is None and (self.channels or self.repeat_interval or self.remediation):
            mistakes.append("severity: what has none goes to the dead man's switch alone")
        if self.inhibits_dependents and self.severity != "critical":
            mistakes.append("inhibits_dependents: only a critical alert may silence others")
        if self.inhibited_by_dependencies and self.severity in (None, "critical"):
            mistakes.append("inhibited_by_dependencies: nothing may silence a critical alert")
        depends = self.inhibits_dependents or self.inhibited_by_dependencies
        if depends and _SUBJECT.fullmatch(self.service) is None:
            mistakes.append("service: dependencies need a plain name or {{ $labels.<name> }}")
        return mistakes

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from every other alert: its name, its severity and its constant labels."""
        constant = self.labels if self.has("labels") else {}
        told = {**constant, **({"severity": self.severity} if self.severity else {})}
        return (self.name, *(f"{label}={value}" for label, value in sorted(told.items())))

    def _label_mistakes(self) -> list[str]:
        mistakes = []
        for label, value in self.labels.items():
            if not _LABEL.fullmatch(label):
                mistakes.append(f'labels: "{label}" is not lower-case letters, digits and "_"')
            elif label in _TAKEN:
                mistakes.append(f'labels: "{label}" is set by something else')
            elif not isinstance(self.expr, Raw) and label in self.expr.labels:
                mistakes.append(f'labels: "{label}" would hide the label of the expression')
            if "$value" in value:
                mistakes.append("labels: $value in a label makes a new alert at every evaluation")
            elif "{{" in value or not value:
                mistakes.append(f'labels: "{label}" is not constant; a template belongs in a text')
        return mistakes
