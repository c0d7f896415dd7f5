"""What a panel of an alert shows: the lines that it compares, and the numbers it compares with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from model.alerts import Alert
from model.durations import prometheus
from model.escalation import EscalationRule
from model.platform import Platform
from rules.alerts import expression
from rules.comparisons import compared_in
from rules.dashboards.panels import Query
from rules.dashboards.queries import compared, unit

# Grafana names the lines after the labels in which they differ.
_BY_LABELS = "__auto"


@dataclass(frozen=True, slots=True)
class Condition:
    """An alert as its panel shows it. `comparison` is None where it compares with no number."""

    name: str
    queries: tuple[Query, ...]
    unit: str
    comparison: str | None
    limits: tuple[Decimal, ...]
    explanation: tuple[str, ...]


def of_alert(alert: Alert, platform: Platform) -> Condition:
    """What an alert of the config compares."""
    condition = compared(alert)
    steps = (*alert.investigation, *alert.actions)
    if condition is None:
        text = expression(alert.expr, platform)
        return _of_text(text, alert.name, alert.for_, (alert.symptoms, *_listed(steps)))
    limit = f"{condition.comparison.value} {condition.threshold}"
    return Condition(
        name=alert.name,
        queries=(Query(expression(condition.inner, platform), _legend(condition.labels, alert)),),
        unit=unit(condition),
        comparison=condition.comparison.value,
        limits=(condition.threshold,),
        explanation=_explained(alert.name, limit, alert.for_, (alert.symptoms, *_listed(steps))),
    )


def of_escalation(rule: EscalationRule) -> Condition:
    """What an escalation rule compares."""
    steps = (*rule.investigation, *rule.actions)
    return _of_text(rule.expr, rule.name, rule.for_, (rule.symptoms or "", *_listed(steps)))


def _of_text(text: str, name: str, lasting: timedelta, more: Iterable[str]) -> Condition:
    parts = compared_in(text)
    comparisons = {part.comparison for part in parts}
    if None in comparisons or len(comparisons) > 1:
        # It is there or not: a line is the alert.
        explanation = _explained(name, None, lasting, more)
        return Condition(name, (Query(text, _BY_LABELS),), "short", None, (), explanation)
    (comparison,) = comparisons
    assert comparison is not None
    limits = tuple(dict.fromkeys(part.limit for part in parts if part.limit is not None))
    limit = " or ".join(f"{comparison} {number:f}" for number in limits)
    return Condition(
        name=name,
        queries=tuple(Query(part.text, _BY_LABELS) for part in parts),
        unit="s" if parts[0].text.partition("{")[0].endswith("_seconds") else "short",
        comparison=comparison,
        limits=limits,
        explanation=_explained(name, limit, lasting, more),
    )


def _explained(
    name: str, limit: str | None, lasting: timedelta, more: Iterable[str]
) -> tuple[str, ...]:
    when = "there is a line" if limit is None else f"a line is {limit}"
    during = f" for {prometheus(lasting)}" if lasting else ""
    side = "" if limit is None else ", on the shaded side"
    return (f"{name} fires when {when}{during}{side}.", *(text for text in more if text))


def _listed(steps: Iterable[str]) -> Iterator[str]:
    yield from (f"- {step}" for step in steps)


def _legend(labels: Iterable[str], alert: Alert) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in sorted(labels)) or alert.name
