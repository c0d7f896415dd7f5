"""What a panel of an alert shows: the lines that it compares, and the numbers it compares with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from model.alerts import Alert
from model.durations import prometheus
from model.escalation import EscalationRule
from model.platform import Platform
from model.promql import Threshold
from model.raw import Raw
from rules.alerts import expression
from rules.comparisons import compared_in
from rules.dashboards.choices import Choice
from rules.dashboards.panels import AUTO, Query
from rules.dashboards.units import COUNT, of_name, unit
from rules.inferred import selectors


@dataclass(frozen=True, slots=True)
class Condition:
    """An alert as its panel shows it. `comparison` is None where it compares with no number."""

    name: str
    queries: tuple[Query, ...]
    unit: str
    comparison: str | None
    limits: tuple[Decimal, ...]
    explanation: tuple[str, ...]


def of_alert(alert: Alert, platform: Platform, choice: Choice) -> Condition:
    """What an alert of the config compares, about what was chosen.

    Ranges of time stay as the alert has them: with another one, the line that is drawn would not
    be the one that the alert compares.
    """
    condition = choice.narrow(alert.expr)
    steps = (*alert.investigation, *alert.actions)
    if not isinstance(condition, Threshold):
        text = expression(condition, platform)
        shown = _of_text(text, alert.name, alert.for_, (alert.symptoms, *_listed(steps)))
        return shown if isinstance(condition, Raw) else replace(shown, unit=unit(condition))
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
        return Condition(name, (Query(text, AUTO),), COUNT, None, (), explanation)
    (comparison,) = comparisons
    assert comparison is not None
    limits = tuple(dict.fromkeys(part.limit for part in parts if part.limit is not None))
    limit = " or ".join(f"{comparison} {number:f}" for number in limits)
    return Condition(
        name=name,
        queries=tuple(Query(part.text, AUTO) for part in parts),
        unit=of_name(selectors(parts[0].text)[0].name),
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
