"""A case of an alert's unit tests: what it is fed, and what must be firing when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from model.alerts import Alert
from model.platform import Platform
from model.promql import Count, Recorded, Selector
from rules.alerts import rule_annotations, rule_labels
from rules.expand import expand
from rules.maintenance import outside_maintenance
from rules.raw.tokens import names
from rules.series import (
    Feed,
    Labels,
    Series,
    compared,
    deep,
    is_exact,
    ranges,
    results,
    series,
)
from rules.timing import Pace, Timing, timing
from rules.untestable import UntestableError

# How many of hundreds of targets are fed where their number does not decide.
_AT_MOST = 30


@dataclass(frozen=True)
class Fed:
    """A series and its values, in promtool's notation."""

    metric: str
    series: str
    values: str


@dataclass(frozen=True)
class Expected:
    """What an alert's state must be at a time: the firing alerts, none if empty."""

    at: timedelta
    alerts: tuple[dict[str, Any], ...]


@dataclass
class Case:
    """One case of one alert; `step` is how far apart its samples and evaluations are."""

    alert: Alert
    step: timedelta
    fed: list[Fed]
    expected: list[Expected] = field(default_factory=list)

    @cached_property
    def last(self) -> timedelta:
        """The last time at which something is expected."""
        return max(expected.at for expected in self.expected)

    @cached_property
    def feeds(self) -> frozenset[str]:
        """The names of the series that it feeds."""
        return frozenset(fed.metric for fed in self.fed)


@dataclass(frozen=True, slots=True)
class Texts:
    """The labels and annotations of a rule, which are the same for all its results."""

    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True)
class Scene:
    """An alert, fed in one way: what its cases are made of."""

    alert: Alert
    timing: Timing
    feed: Feed

    @classmethod
    def of(
        cls,
        alert: Alert,
        platform: Platform,
        *,
        amply: bool = True,
        further: timedelta = timedelta(0),
        finely: bool = False,
        **feed: Any,
    ) -> Scene:
        """The scene of an alert under what `Pace` and `Feed` are told. Raises UntestableError."""
        both = {name: feed[name] for name in ("present", "direct") if name in feed}
        pace = Pace(amply=amply, further=further, finely=finely, **both)
        when = timing(alert, platform, pace)
        feed.setdefault("most", None if counts(alert) else _AT_MOST)
        return cls(alert, when, Feed(platform, step=when.step, lead=when.lead, **feed))

    def firing(self, value: Decimal, found: list[Series] | None = None) -> Case:
        """With this value it fires: quiet until `for` has passed, then firing."""
        fed = self.laid(self.fed(value) if found is None else found)
        return self.fires_under(fed, value)

    def fires_under(self, fed: list[Fed], value: Decimal) -> Case:
        """What it is fed makes it fire with this value."""
        when = self.timing
        expected = []
        if when.waits:
            expected.append(Expected(when.holds + when.waits - when.step, ()))
        expected.append(Expected(when.exact + when.waits, self.fired(value)))
        return Case(self.alert, when.step, fed, expected)

    def quiet(self, found: list[Series]) -> Case:
        """What it is fed leaves it quiet, however long it lasts."""
        return self.quiet_under(self.laid(found))

    def quiet_under(self, fed: list[Fed]) -> Case:
        """What it is fed leaves it quiet."""
        when = self.timing
        at = when.exact + when.waits + when.step
        return Case(self.alert, when.step, fed, [Expected(at, ())])

    def fed(self, value: Decimal) -> list[Series]:
        """The series under which what it compares has this value."""
        return series(self.alert.expr, value, self.feed)

    def laid(
        self,
        found: list[Series],
        present: Callable[[Series], str] | None = None,
        *,
        steps: int | None = None,
    ) -> list[Fed]:
        """The series on the test's time, each for as long as the alert is looked at, or `steps`.

        `present` writes the part that is not history in another way.
        """
        lasts = self._steps if steps is None else steps
        known: dict[tuple[object, ...], str] = {}

        def lasting(one: Series) -> str:
            if one.course not in known:
                known[one.course] = one.values(lasts, self.timing.step)
            return known[one.course]

        pieces: dict[str, list[Series]] = {}
        for one in found:
            pieces.setdefault(one.notation(), []).append(one)
        return [
            Fed(own[0].name, name, self._joined(own, lasts, lasting, present or lasting))
            for name, own in pieces.items()
        ]

    def lasting(self, one: Series) -> str:
        """A series' values for as long as the alert is looked at."""
        return one.values(self._steps, self.timing.step)

    def ended(self, one: Series) -> str:
        """The values of a series that ends after its first sample."""
        return f"{one.values(0, self.timing.step)} stale"

    @property
    def _steps(self) -> int:
        return (self.timing.settled + self.timing.waits) // self.timing.step + 4

    def _joined(
        self,
        pieces: list[Series],
        steps: int,
        lasting: Callable[[Series], str],
        present: Callable[[Series], str],
    ) -> str:
        texts, reached = [], 0
        for one in sorted(pieces, key=lambda piece: -piece.shift):
            begins = (self.timing.lead - one.shift) // self.timing.step
            if begins < reached:
                raise UntestableError(f"{one.name} is read at times too near to each other")
            if begins > reached:
                texts.append(f"_x{begins - reached}")
            texts.append(lasting(one) if one.shift else present(one))
            reached = begins + steps + 1
        return " ".join(texts)

    def fired(self, value: Decimal) -> tuple[dict[str, Any], ...]:
        """The alerts that fire, one for each result, as promtool wants them described."""
        self._refuse_unknown_digits()
        added = texts_of(self.alert, self.feed.platform)
        found = results(self.alert.expr, self.feed)
        return tuple(described(added, labels, value) for labels in found)

    def _refuse_unknown_digits(self) -> None:
        condition = compared(self.alert.expr)
        texts = (self.alert.summary, self.alert.description)
        shown = any("$value }}" in text for text in texts)
        # What is predicted from a line that is not flat is not exact.
        predicted = any(part.function == "predict_linear" for part in ranges(self.alert.expr))
        if shown and condition is not None and (predicted or not is_exact(condition.inner)):
            raise UntestableError(
                "{{ $value }} shows digits that differ between versions of Prometheus; write "
                "{{ $value | humanize }}, humanizePercentage or humanizeDuration"
            )


def texts_of(alert: Alert, platform: Platform) -> Texts:
    """The labels and annotations that an alert's rule adds, not expanded yet."""
    return platform.once(_texts, alert)


def _texts(alert: Alert, platform: Platform) -> Texts:
    return Texts(rule_labels(alert, platform), rule_annotations(alert, platform))


def described(added: Texts, labels: Labels, value: Decimal) -> dict[str, Any]:
    """The alert that fires for a result, as promtool wants it described."""
    return {
        "exp_labels": _carried(labels, added.labels, value),
        "exp_annotations": _expanded(added.annotations, labels, value),
    }


def series_read(alert: Alert) -> frozenset[str]:
    """The names of the series that an alert's rule reads, through recording rules."""
    recorded = {part.series_name for part in deep(alert.expr) if isinstance(part, Selector)}
    return names(outside_maintenance(alert)) | recorded


def wants_each_target(alert: Alert, platform: Platform) -> bool:
    """Whether every target is to be seen: the gravest alerts, and those that tell targets apart."""
    if alert.severity == platform.severities[0].name:
        return True
    selectors = [part for part in deep(alert.expr) if isinstance(part, Selector)]
    named = {
        matcher.label
        for one in selectors
        for matcher in one.matchers
        if one.fixed.get(matcher.label) is None
    }
    return alert.inhibited_by_dependencies or not named.isdisjoint(("service", "target"))


def reads_recorded(alert: Alert) -> bool:
    """Whether all that it reads is recorded by rules."""
    selectors = [part for part in alert.expr.walk() if isinstance(part, Selector)]
    return all(isinstance(part, Recorded) for part in selectors)


def counts(alert: Alert) -> bool:
    """Whether the number of targets decides."""
    return any(isinstance(part, Count) for part in deep(alert.expr))


def _carried(labels: Labels, added: dict[str, str], value: Decimal) -> dict[str, str]:
    found = {**labels, **_expanded(added, labels, value)}
    return {name: text for name, text in found.items() if text}


def _expanded(texts: dict[str, str], labels: Labels, value: Decimal) -> dict[str, str]:
    return {name: expand(text, labels, float(value)) for name, text in texts.items()}
