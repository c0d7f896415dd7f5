"""Recording rules: an expression that Prometheus evaluates once, under a name of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

from pydantic import Field, model_validator

from model.declared import Declared, refused
from model.durations import Duration
from model.metric import Collapse, Metric, MetricType, Scope
from model.promql.base import Expr, Threshold, named
from model.promql.selectors import Match, Matcher, Selector

_NAME = re.compile(r"[a-z][a-z0-9_]*(:[a-z][a-z0-9_]*){2}")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"job", "instance", "alertname", "severity", "le"})


class Recording(Declared):
    """A recording rule. It is emitted where an alert or `Platform.recordings` needs it.

    `name` is level:metric:operations, as Prometheus' documentation advises; `labels` are constant
    ones that tell it from others of the same name. `interval` is its group's, by default as often
    as alerts are evaluated. A rule stands after those that it reads, whatever the config's order:

        REQUESTS = Recording(
            name="service:http_requests:rate5m",
            group="traffic",
            expr=sum_by(rate(select(metrics.HTTP_REQUESTS), minutes(5)), "service"),
        )
        recorded(REQUESTS, service="auth-service")
    """

    noun: ClassVar[str | None] = "Recording"
    name: str
    group: str
    expr: Expr
    labels: dict[str, str] = Field(default_factory=dict)
    interval: Duration | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not _NAME.fullmatch(self.name):
            mistakes.append(
                "name: write level:metric:operations, such as service:http_requests:rate5m"
            )
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.group):
            mistakes.append(f'group: "{self.group}" is not lower-case letters, digits and "-"')
        for label in self.labels:
            if not _LABEL.fullmatch(label) or label in _TAKEN:
                mistakes.append(f'labels: "{label}" cannot be used')
            elif label in self.expr.labels:
                mistakes.append(f'labels: "{label}" is a label of the expression already')
        if isinstance(self.expr, Threshold):
            mistakes.append("expr: a comparison belongs in an alert; record what it compares")
        if self.expr.uncollapsed or "instance" in self.expr.labels:
            mistakes.append(
                f"expr: has the labels {named(self.expr.labels)}, one result for each replica or "
                "instance: collapse or aggregate it first"
            )
        if self.expr.bare_counter:
            mistakes.append(f"expr: {self.expr.bare_counter} is a counter: record its rate")
        if mistakes:
            raise refused(mistakes)
        return self

    @property
    def metric(self) -> Metric:
        """The metric that it adds to the catalogue."""
        kept = sorted(self.expr.labels) if self.has("expr") else []
        constant = sorted(self.labels) if self.has("labels") else []
        return Metric(
            self.name,
            MetricType.GAUGE,
            "Recorded.",
            (*kept, *constant),
            scope=Scope.RECORDED,
            collapse=Collapse.AVG,
        )

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from others: its name and its constant labels."""
        constant = self.labels if self.has("labels") else {}
        return (self.name, *(f"{label}={value}" for label, value in sorted(constant.items())))

    def says_the_same(self, other: Recording) -> bool:
        """Whether another one of the same key is this one, written down twice."""
        mine, others = ((str(one.expr), one.group, one.interval) for one in (self, other))
        return mine == others

    def reads(self) -> tuple[Recording, ...]:
        """The recording rules that its expression reads."""
        return tuple(_read(self.expr)) if self.has("expr") else ()


@dataclass(frozen=True)
class Recorded(Selector):
    """The series of a recording rule, which are one fact each."""

    recording: Recording = field(kw_only=True)

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset(self.metric.labels)


def every(exprs: Iterable[Expr], further: Iterable[Recording] = ()) -> Iterator[Recording]:
    """The recording rules that expressions read, and further ones, as often as they are read."""
    for recording in (*(one for expr in exprs for one in _read(expr)), *further):
        yield recording
        yield from every((), recording.reads())


def recorded(recording: Recording, **labels: str) -> Recorded:
    """What a recording rule has recorded, for use in an expression."""
    constant = tuple(
        Matcher(label, Match.EQUAL, value)
        for label, value in (recording.labels if recording.has("labels") else {}).items()
    )
    selector = Recorded(recording.metric, constant, recording=recording).where(**labels)
    assert isinstance(selector, Recorded)
    return selector


def in_order(exprs: Iterable[Expr], further: Iterable[Recording] = ()) -> list[Recording]:
    """The recording rules that expressions read, and further ones, each after what it reads."""
    found: dict[tuple[str, ...], Recording] = {}

    def take(recording: Recording) -> None:
        if recording.broken or recording.key in found:
            return
        for inner in recording.reads():
            take(inner)
        found[recording.key] = recording

    for recording in (*(one for expr in exprs for one in _read(expr)), *further):
        take(recording)
    return list(found.values())


def _read(expr: Expr) -> Iterator[Recording]:
    for part in expr.walk():
        if isinstance(part, Recorded):
            yield part.recording
