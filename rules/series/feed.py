"""What a unit test feeds: its series, and for which platform and replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from model.jobs import SERVICES_JOB
from model.json_target import JsonTarget
from model.metric import Metric, Scope
from model.platform import Platform
from model.promql import CONFIG_SHA256, Expr, Selector, quoted
from model.redis import Redis, Sentinel
from model.sql import SqlMetrics
from model.targets import Postgres
from rules.untestable import UntestableError

Labels = Mapping[str, str]
# The value of a label that an expression leaves open.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Series:
    """One input series: its labels, its first value and what each second adds to it.

    `shift` is how much earlier than the others it begins. With `changes`, its value changes so
    many times, once a sample, the last time `changed_after` its beginning.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    start: Decimal
    per_second: Decimal = Decimal(0)
    shift: timedelta = timedelta(0)
    changes: int = 0
    changed_after: timedelta = timedelta(0)

    def notation(self) -> str:
        """The series as promtool writes it: `up{job="x"}`."""
        labels = ",".join([f"{name}={quoted(value)}" for name, value in self.labels])
        return f"{self.name}{{{labels}}}" if labels else self.name

    def values(self, steps: int, interval: timedelta) -> str:
        """Its values over so many steps, in promtool's expanding notation."""
        if self.changes:
            return self._changing(steps, interval)
        step = _whole(self.per_second * Decimal(str(interval.total_seconds())))
        sign = "+" if step >= 0 else "-"
        return f"{plain(self.start)}{sign}{plain(abs(step))}x{steps}"

    def _changing(self, steps: int, interval: timedelta) -> str:
        still = self.changed_after // interval - self.changes
        if still < 0:
            raise UntestableError(f"{self.name} cannot change {self.changes} times in so short")
        last = self.changes
        rest = max(0, steps - still - last - 1)
        return f"0+0x{still} 1+1x{last - 1} {last}+0x{rest}"

    @property
    def course(self) -> tuple[Decimal, Decimal, int, timedelta]:
        """What its values come from: series that agree in it have the same ones."""
        return (self.start, self.per_second, self.changes, self.changed_after)

    def at(self, shift: timedelta) -> Series:
        """The same, so much earlier."""
        return replace(self, shift=self.shift + shift)


@dataclass(frozen=True, slots=True)
class Feed:
    """What an expression is fed: for which platform, by which replicas of the exporter."""

    platform: Platform
    replicas: tuple[str, ...] = ("one:3017",)
    # Whether each target is probed by one of them instead of by all.
    sharded: bool = False
    # How many of the targets that a metric speaks of are fed, None for all, and from which one on.
    most: int | None = None
    first: int = 0
    # How far apart samples are, and when the present begins.
    step: timedelta = timedelta(seconds=5)
    lead: timedelta = timedelta(0)
    # The denominator of ratios, None for one that is amply large.
    volume: Decimal | None = None
    # The earlier times that have data, None for the nearest that are enough.
    present: tuple[timedelta, ...] | None = None
    # Whether recorded series are fed themselves, instead of what they are recorded from.
    direct: bool = False
    # Whether replicas see different values.
    spread: bool = False
    # Labels whose value is settled from outside the selector.
    pinned: tuple[tuple[str, str], ...] = ()
    _known: dict[int, tuple[Expr, list[Labels]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def once(self, expr: Expr, results: Callable[[Expr, Feed], list[Labels]]) -> list[Labels]:
        """The label sets of an expression's results, worked out when they are first asked for."""
        known = self._known.get(id(expr))
        if known is None:
            # The expression is kept, and with it its id.
            known = self._known[id(expr)] = (expr, results(expr, self))
        return known[1]

    def pin(self, labels: Labels) -> Feed:
        """The same, with these labels' values settled."""
        return replace(self, pinned=(*self.pinned, *labels.items()))

    def settled(self, value: str) -> str:
        """A matcher's value, with the config's hash put in where it asks for that."""
        if CONFIG_SHA256 not in value:
            return value  # the hash is costly
        return value.replace(CONFIG_SHA256, self.platform.sha256)

    def subjects(self, selector: Selector) -> list[str]:
        """The targets or services that a metric speaks of."""
        of_services = self.tells_of_services(selector)
        named = {**dict(self.pinned), **selector.fixed}
        only = named.get("service" if of_services else "target")
        if only is not None:
            return [only]
        names = self.platform.once(_Names)
        every = list(names.services if of_services else names.targets(selector))
        return every[self.first :][: self.most]

    @staticmethod
    def is_of_services(selector: Selector) -> bool:
        """Whether a metric is of the monitored services, one each."""
        job = selector.fixed.get("job", SERVICES_JOB)
        is_theirs = selector.metric.scope is Scope.SERVICE and job == SERVICES_JOB
        return is_theirs and "service" in selector.metric.labels

    @classmethod
    def tells_of_services(cls, selector: Selector) -> bool:
        """Whether a metric has one series a monitored service, whoever exposes it."""
        ours = selector.metric.scope is Scope.PROCESS and "service" in selector.metric.labels
        return ours or cls.is_of_services(selector)


class _Names:
    """The names of a platform's targets and services, by what metrics may speak of."""

    def __init__(self, platform: Platform) -> None:
        self.services = [service.name for service in platform.services]
        self._targets = [target.name for target in platform.targets]
        self._of_kind: dict[str, list[str]] = {}
        for target in platform.targets:
            self._of_kind.setdefault(target.kind, []).append(target.name)
        self._asking: dict[Metric, list[str]] = {}
        for sql in platform.sql:
            for metric in sql.metrics:
                self._asking.setdefault(metric, []).append(sql.name)

    def targets(self, selector: Selector) -> list[str]:
        """The targets that a metric may speak of."""
        asking = self._asking.get(selector.metric)
        if asking:
            return asking
        prefix = selector.metric.name.removeprefix("monitoring_")
        for begins, kind in _KINDS:
            if prefix.startswith(begins):
                return self._of_kind.get(kind, [])
        if "kind" in selector.metric.labels:
            fixed = selector.fixed.get("kind")
            return self._targets if fixed is None else self._of_kind.get(fixed, [])
        return self.services


# What metrics of one kind of target begin with; the first counts.
_KINDS = (
    ("pg_", Postgres.kind),
    ("redis_sentinel_", Sentinel.kind),
    ("redis_", Redis.kind),
    ("sql_", SqlMetrics.kind),
    ("json_", JsonTarget.kind),
)


def one(
    selector: Selector, labels: Labels, start: Decimal, per_second: Decimal = Decimal(0)
) -> Series:
    """A series of a selector."""
    ordered = tuple(sorted(labels.items()))
    return Series(selector.series_name, ordered, start, per_second, selector.offset)


def metric_names(found: Iterable[Series]) -> frozenset[str]:
    """The names of the series."""
    return frozenset(one.name for one in found)


def plain(value: Decimal) -> str:
    """A number without an exponent, whole where it is whole."""
    return f"{value:f}" if value != value.to_integral() else f"{value.to_integral():f}"


def _whole(value: Decimal) -> Decimal:
    """The whole number that a decimal was, before a division and a multiplication."""
    near = value.to_integral()
    return near if abs(value - near) < Decimal("1e-15") * max(Decimal(1), abs(near)) else value
