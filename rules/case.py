"""A case of an alert's unit tests: what it is fed, and what must be firing when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from model.alerts import Alert
from model.platform import Platform
from model.promql import Comparison, Count, Expr, HistogramQuantile, Threshold
from rules.alerts import rule_annotations, rule_labels
from rules.expand import expand
from rules.maintenance import outside_maintenance
from rules.raw.tokens import names
from rules.series import Feed, Series, is_rate, metric_names, results

_STRICT = (Comparison.LESS, Comparison.GREATER)
_DOWNWARD = (Comparison.LESS, Comparison.LESS_OR_EQUAL)


@dataclass(frozen=True)
class Fed:
    """A series and its values, in promtool's notation."""

    series: Series
    values: str


@dataclass(frozen=True)
class Expected:
    """What an alert's state must be at a time: the firing alerts, none if empty."""

    at: timedelta
    alerts: tuple[dict[str, Any], ...]


@dataclass
class Case:
    """One case of one alert."""

    alert: Alert
    fed: list[Fed]
    expected: list[Expected] = field(default_factory=list)

    @cached_property
    def feeds(self) -> frozenset[str]:
        """The names of the series that it feeds."""
        return metric_names(fed.series for fed in self.fed)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names of the series that the alert's rule reads."""
        return names(outside_maintenance(self.alert))

    def clashes(self, other: Case) -> bool:
        """Whether one of the two would change what the other sees."""
        shared = self.feeds & (other.feeds | other.reads) or other.feeds & self.reads
        return self.alert is other.alert or bool(shared)


# --- the two kinds of case ----------------------------------------------------------------------


def firing(alert: Alert, found: list[Fed], value: Decimal, feed: Feed) -> Case:
    """What it is fed makes it fire with this value: quiet until `for` has passed, then firing."""
    expected = []
    begins = begin(alert.expr, feed.platform)
    if alert.for_:
        expected.append(Expected(begins + alert.for_ - interval(feed.platform), ()))
    expected.append(Expected(begins + alert.for_, fired(alert, value, feed)))
    return Case(alert, found, expected)


def quiet(alert: Alert, found: list[Fed], platform: Platform) -> Case:
    """What it is fed leaves it quiet, however long it lasts."""
    at = begin(alert.expr, platform) + alert.for_ + interval(platform)
    return Case(alert, found, [Expected(at, ())])


def lasting(alert: Alert, found: list[Series], platform: Platform) -> list[Fed]:
    """The series, each for as long as the alert is looked at."""
    count = int(alert.for_ / interval(platform)) + 4
    return [Fed(one, one.values(count, interval(platform))) for one in found]


# --- values -------------------------------------------------------------------------------------


def inner(expr: Expr) -> Expr:
    """What a condition compares; the condition itself where it compares nothing."""
    return expr.inner if isinstance(expr, Threshold) else expr


def just_over(expr: Expr) -> Decimal:
    """The value nearest to the threshold for which a condition holds."""
    if not isinstance(expr, Threshold):
        return Decimal(1)
    return beyond(expr) if expr.comparison in _STRICT else expr.threshold


def just_under(expr: Threshold) -> Decimal:
    """The value nearest to the threshold for which a condition does not hold."""
    return expr.threshold if expr.comparison in _STRICT else within(expr)


def beyond(expr: Threshold) -> Decimal:
    """A value a small step to the side of the threshold on which the condition holds."""
    return expr.threshold - _step(expr) if downward(expr) else expr.threshold + _step(expr)


def within(expr: Threshold) -> Decimal:
    """A value a small step to the side of the threshold on which the condition does not hold."""
    return expr.threshold + _step(expr) if downward(expr) else expr.threshold - _step(expr)


def downward(expr: Threshold) -> bool:
    """Whether it is small values that the condition is about."""
    return expr.comparison in _DOWNWARD


def _step(expr: Threshold) -> Decimal:
    if any(isinstance(part, Count) for part in expr.walk()):
        return Decimal(1)
    # Interpolation between buckets is no exact arithmetic.
    parts = 10 if any(isinstance(part, HistogramQuantile) for part in expr.walk()) else 1000
    return abs(expr.threshold) / parts or Decimal("0.001")


# --- times and labels ---------------------------------------------------------------------------


def interval(platform: Platform) -> timedelta:
    """How far apart the samples of a test are: as far as evaluations."""
    return platform.watched_by.evaluation_interval


def begin(expr: Expr, platform: Platform) -> timedelta:
    """When the condition is first true: a rate needs two samples."""
    return interval(platform) if is_rate(expr) else timedelta(0)


def fired(alert: Alert, value: Decimal, feed: Feed) -> tuple[dict[str, Any], ...]:
    """The alerts that fire, one for each result, as promtool wants them described."""
    found = results(inner(alert.expr), feed)
    return tuple(described(alert, labels, value, feed.platform) for labels in found)


def described(
    alert: Alert, labels: Mapping[str, str], value: Decimal, platform: Platform
) -> dict[str, Any]:
    """The alert that fires for a result, as promtool wants it described."""
    return {
        "exp_labels": _carried(labels, rule_labels(alert, platform), value),
        "exp_annotations": _expanded(rule_annotations(alert, platform), labels, value),
    }


def _carried(labels: Any, added: dict[str, str], value: Decimal) -> dict[str, str]:
    found = {**labels, **_expanded(added, labels, value)}
    return {name: text for name, text in found.items() if text}


def _expanded(texts: dict[str, str], labels: Any, value: Decimal) -> dict[str, str]:
    return {name: expand(text, labels, float(value)) for name, text in texts.items()}
