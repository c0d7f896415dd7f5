"""What a unit test feeds: its series, and for which platform and replicas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from model.platform import Platform
from model.promql import Selector, quoted
from model.redis import Redis, Sentinel

Labels = Mapping[str, str]
# The value of a label that an expression leaves open.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Series:
    """One input series: its labels, its value at time 0 and what each second adds to it."""

    name: str
    labels: tuple[tuple[str, str], ...]
    start: Decimal
    per_second: Decimal = Decimal(0)

    def notation(self) -> str:
        """The series as promtool writes it: `up{job="x"}`."""
        labels = ",".join(f"{name}={quoted(value)}" for name, value in self.labels)
        return f"{self.name}{{{labels}}}" if labels else self.name

    def values(self, steps: int, interval: timedelta) -> str:
        """Its values over so many steps, in promtool's expanding notation."""
        step = self.per_second * Decimal(str(interval.total_seconds()))
        sign = "+" if step >= 0 else "-"
        return f"{_plain(self.start)}{sign}{_plain(abs(step))}x{steps}"


@dataclass(frozen=True, slots=True)
class Feed:
    """What an expression is fed: for which platform, by which replicas of the exporter."""

    platform: Platform
    replicas: tuple[str, ...] = ("one:3017",)
    # Whether each target is probed by one of them instead of by all.
    sharded: bool = False
    # How many of the targets that a metric speaks of are fed, None for all.
    most: int | None = None

    def subjects(self, selector: Selector) -> list[str]:
        """The targets that a metric speaks of."""
        return self._subjects(selector)[: self.most]

    def _subjects(self, selector: Selector) -> list[str]:
        asking = [sql.name for sql in self.platform.sql if selector.metric in sql.metrics]
        if asking:
            return asking
        prefix = selector.metric.name.removeprefix("monitoring_")
        if prefix.startswith("pg_"):
            return [target.name for target in self.platform.postgres]
        if prefix.startswith("redis_"):
            watches = Sentinel if prefix.startswith("redis_sentinel_") else Redis
            return [target.name for target in self.platform.redis if isinstance(target, watches)]
        if prefix.startswith("json_"):
            return [target.name for target in self.platform.external]
        if "kind" in selector.metric.labels:
            kind = selector.fixed.get("kind")
            return [one.name for one in self.platform.targets if kind in (None, one.kind)]
        return [service.name for service in self.platform.services]


def metric_names(found: Iterable[Series]) -> frozenset[str]:
    """The names of the series."""
    return frozenset(one.name for one in found)


def one(
    selector: Selector, labels: Labels, start: Decimal, per_second: Decimal = Decimal(0)
) -> Series:
    ordered = tuple(sorted(labels.items()))
    return Series(selector.series_name, ordered, start, per_second)


def _plain(value: Decimal) -> str:
    return f"{value:f}" if value != value.to_integral() else f"{value.to_integral():f}"
