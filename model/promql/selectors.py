"""Selectors: the series of one metric of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from model.declared import report, suggestion
from model.metric import Metric, MetricType
from model.promql.base import Expr

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
    """The series of one metric of the catalogue."""

    metric: Metric
    matchers: tuple[Matcher, ...] = ()

    @cached_property
    def labels(self) -> frozenset[str]:
        own = {*self.metric.labels, *SCRAPE_LABELS}
        return frozenset(own | {"le"} if self.metric.type is MetricType.HISTOGRAM else own)

    @property
    def bare_counter(self) -> str | None:
        return self.metric.name if self.metric.type is MetricType.COUNTER else None

    @property
    def series_name(self) -> str:
        """The name of the series themselves: a histogram's are its buckets."""
        is_histogram = self.metric.type is MetricType.HISTOGRAM
        return f"{self.metric.name}_bucket" if is_histogram else self.metric.name

    @property
    def fixed(self) -> dict[str, str]:
        """The labels whose value the matchers fix."""
        return {m.label: m.value for m in self.matchers if m.match is Match.EQUAL}

    def where(self, match: Match = Match.EQUAL, /, **labels: str) -> Selector:
        """Narrow to series whose labels match."""
        for label in labels:
            if label not in self.labels:
                near = suggestion(label, sorted(self.labels))
                report(f'{self.metric.name} has no label "{label}"{near}')
        added = tuple(Matcher(label, match, value) for label, value in labels.items())
        return replace(self, matchers=self.matchers + added)

    def __str__(self) -> str:
        matchers = ",".join(map(str, self.matchers))
        return f"{self.series_name}{{{matchers}}}" if matchers else self.series_name


def select(metric: Metric, **labels: str) -> Selector:
    """The series of a metric, each replica's and each scrape target's on its own."""
    return Selector(metric).where(**labels)
