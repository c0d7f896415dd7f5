"""Selectors: the series of one metric of the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Literal

from model.declared import report, suggestion
from model.durations import prometheus
from model.metric import Metric, MetricType, Scope
from model.promql.base import Expr, number

# Stands for the hash of the config inside the config itself; the compiler puts the value in.
CONFIG_SHA256 = "<config sha256>"
# Labels that Prometheus attaches to everything it scrapes.
SCRAPE_LABELS = ("job", "instance")


class Match(StrEnum):
    """How a matcher compares a label."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


def quoted(text: str) -> str:
    """A text as a PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@dataclass(frozen=True)
class Matcher:
    """A label matcher of a selector."""

    label: str
    match: Match
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.match.value}{quoted(self.value)}"


@dataclass(frozen=True)
class Selector(Expr):
    """The series of one metric of the catalogue, as they were `offset` ago.

    Of a histogram, `part` says which: its buckets, its count or its sum.
    """

    metric: Metric
    matchers: tuple[Matcher, ...] = ()
    offset: timedelta = timedelta(0)
    part: Literal["bucket", "count", "sum"] = "bucket"

    @cached_property
    def labels(self) -> frozenset[str]:
        own = {*self.metric.labels, *SCRAPE_LABELS}
        return frozenset(own | {"le"} if self.series_name.endswith("_bucket") else own)

    @property
    def bare_counter(self) -> str | None:
        counts = self.metric.type in (MetricType.COUNTER, MetricType.HISTOGRAM)
        return self.series_name if counts else None

    @property
    def uncollapsed(self) -> str | None:
        return self.metric.name if self.metric.scope is Scope.OBSERVED else None

    @property
    def series_name(self) -> str:
        """The name of the series themselves."""
        is_histogram = self.metric.type is MetricType.HISTOGRAM
        return f"{self.metric.name}_{self.part}" if is_histogram else self.metric.name

    @property
    def fixed(self) -> dict[str, str]:
        """The labels whose value the matchers fix."""
        return {m.label: m.value for m in self.matchers if m.match is Match.EQUAL}

    def where(self, match: Match = Match.EQUAL, /, **labels: str) -> Selector:
        """Narrow to series whose labels match."""
        for label, value in labels.items():
            if label not in self.labels:
                near = suggestion(label, sorted(self.labels))
                report(f'{self.metric.name} has no label "{label}"{near}')
            if match in (Match.REGEX, Match.NOT_REGEX):
                _refuse_bad_pattern(self.metric, label, value)
        added = tuple(Matcher(label, match, value) for label, value in labels.items())
        return replace(self, matchers=self.matchers + added)

    def __str__(self) -> str:
        matchers = ",".join(map(str, self.matchers))
        series = f"{self.series_name}{{{matchers}}}" if matchers else self.series_name
        return f"{series} offset {prometheus(self.offset)}" if self.offset else series


def select(metric: Metric, **labels: str) -> Selector:
    """The series of a metric, each replica's and each scrape target's on its own."""
    return Selector(metric).where(**labels)


def count_of(metric: Metric, **labels: str) -> Selector:
    """A histogram's count of observations, a counter."""
    return _part_of(metric, "count").where(**labels)


def sum_of(metric: Metric, **labels: str) -> Selector:
    """A histogram's sum of what was observed, a counter."""
    return _part_of(metric, "sum").where(**labels)


def bucket(metric: Metric, le: str, **labels: str) -> Selector:
    """A histogram's count of observations up to `le`, which is one of its bounds; a counter."""
    selector = _part_of(metric, "bucket").where(**labels)
    wanted = number("le:", le)
    bounds = [Decimal(str(bound)) for bound in metric.buckets]
    if wanted not in bounds:
        known = ", ".join(str(bound) for bound in metric.buckets)
        report(f"{metric.name} has no bucket up to {le}; its bounds are {known}")
    if wanted == wanted.to_integral():
        # Programs and versions of Prometheus differ in whether a whole number ends with .0.
        whole = f"{wanted.to_integral():f}"
        return selector.where(Match.REGEX, le=f"{whole}|{whole}\\.0")
    return selector.where(le=f"{wanted.normalize():f}")


def _part_of(metric: Metric, part: Literal["bucket", "count", "sum"]) -> Selector:
    if metric.type is not MetricType.HISTOGRAM:
        report(f"{part}: {metric.name} is a {metric.type.value}, not a histogram")
        metric = replace(metric, type=MetricType.HISTOGRAM)
    return Selector(metric, part=part)


def _refuse_bad_pattern(metric: Metric, label: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        report(f"{metric.name}: {label}: {pattern!r} is not a regular expression: {error}")
