"""promtool's unit tests of every alert, both sides of everything.

One file a group. promtool's time grows with the square of the number of test groups, so cases
that do not share a metric are packed into one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from model.alerts import Alert
from model.durations import prometheus
from model.names import Collapse, MetricType
from model.platform import Platform
from model.promql import (
    Aggregate,
    Comparison,
    Count,
    Expr,
    HistogramQuantile,
    Selector,
    Threshold,
)
from rules.alerts import groups, rule_annotations, rule_labels
from rules.expand import expand
from rules.output import Files, yaml_file
from rules.series import Feed, Series, is_rate, metric_names, missing, results, series

_REPLICAS = ("one:3017", "two:3017", "three:3017")
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

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that it feeds, or would feed: no other case may add to them."""
        own = {part.series_name for part in self.alert.expr.walk() if isinstance(part, Selector)}
        return frozenset(own | metric_names(fed.series for fed in self.fed))

    def clashes(self, other: Case) -> bool:
        """Whether one of the two would change what the other sees."""
        return self.alert is other.alert or bool(self.metrics & other.metrics)


def build(platform: Platform) -> Files:
    """`rules/generated/<group>.test.yml` for every group of alerts."""
    files = {}
    for group, alerts in groups(platform).items():
        cases = [case for alert in alerts for case in _cases(alert, platform)]
        document = {
            "rule_files": [f"{group}.rules.yml"],
            "evaluation_interval": prometheus(platform.watched_by.evaluation_interval),
            "tests": [_test(packed, platform) for packed in _pack(cases)],
        }
        files[f"rules/generated/{group}.test.yml"] = yaml_file(document)
    return files


def _cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    yield from _fires(alert, platform)
    yield from _stays_quiet(alert, platform)
    yield _without_data(alert, platform)
    yield from _with_replicas(alert, platform)


# --- the cases ----------------------------------------------------------------------------------


def _fires(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Just over the threshold: quiet until `for` has passed, then firing."""
    feed = Feed(platform)
    value = _just_over(alert.expr)
    found = series(_inner(alert.expr), value, feed)
    steps = _steps(alert, platform)
    case = Case(alert, [Fed(one, one.values(steps, _interval(platform))) for one in found])
    yield _expect_firing(case, value, feed)
    if alert.keep_firing_for and found:
        yield _recovers(alert, platform, value, found)


def _expect_firing(case: Case, value: Decimal, feed: Feed) -> Case:
    alert, interval = case.alert, _interval(feed.platform)
    begins = _begins(alert.expr, feed.platform)
    if alert.for_:
        case.expected.append(Expected(begins + alert.for_ - interval, ()))
    case.expected.append(Expected(begins + alert.for_, _firing(alert, value, feed)))
    return case


def _recovers(alert: Alert, platform: Platform, value: Decimal, found: list[Series]) -> Case:
    """Its series end while it fires: it outlives the gap for as long as it is to, and no longer."""
    interval, feed = _interval(platform), Feed(platform)
    lasts = int((_begins(alert.expr, platform) + alert.for_) / interval) + 1
    last = lasts * interval
    case = Case(alert, [Fed(one, f"{one.values(lasts, interval)} stale") for one in found])
    if alert.no_data == "quiet":
        held = last + alert.keep_firing_for
        case.expected = [
            Expected(held, _firing(alert, value, feed)),
            Expected(held + 2 * interval, ()),
        ]
    return case


def _stays_quiet(alert: Alert, platform: Platform) -> Iterator[Case]:
    """On the quiet side of the threshold, or with what it misses there: never firing."""
    feed, interval = Feed(platform), _interval(platform)
    steps = _steps(alert, platform)
    if isinstance(alert.expr, Threshold):
        found = series(alert.expr.inner, _just_under(alert.expr), feed)
    else:
        found = missing(alert.expr, feed)
    if not found:
        return
    at = _begins(alert.expr, platform) + alert.for_ + interval
    fed = [Fed(one, one.values(steps, interval)) for one in found]
    yield Case(alert, fed, [Expected(at, ())])


def _without_data(alert: Alert, platform: Platform) -> Case:
    at = alert.for_ + 2 * _interval(platform)
    if alert.no_data == "quiet":
        return Case(alert, [], [Expected(at, ())])
    value = Decimal(0) if isinstance(alert.expr, Threshold) else Decimal(1)
    return Case(alert, [], [Expected(at, _firing(alert, value, Feed(platform)))])


def _with_replicas(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Three exporters: one that turns stale changes nothing, and the majority decides."""
    feed, interval = Feed(platform, _REPLICAS), _interval(platform)
    observed = _observed(alert.expr)
    if observed is None:
        return
    value, steps = _just_over(alert.expr), _steps(alert, platform)
    found = series(_inner(alert.expr), value, feed)
    stale = [Fed(one, _values(one, steps, interval, stale=_of(one, 2))) for one in found]
    yield _expect_firing(Case(alert, stale), value, feed)
    if observed.operator is Collapse.AVG:
        yield _minority(alert, platform, found)


def _minority(alert: Alert, platform: Platform, found: list[Series]) -> Case:
    """One of three sees the fault, the other two do not: quiet."""
    interval, steps = _interval(platform), _steps(alert, platform)
    assert isinstance(alert.expr, Threshold)
    down = alert.expr.comparison in _DOWNWARD
    bad, good = (Decimal(0), Decimal(1)) if down else (Decimal(1), Decimal(0))
    mixed = [Series(one.name, one.labels, bad if _of(one, 0) else good) for one in found]
    fed = [Fed(one, one.values(steps, interval)) for one in mixed]
    return Case(alert, fed, [Expected(alert.for_ + interval, ())])


# --- values, times and labels -------------------------------------------------------------------


def _inner(expr: Expr) -> Expr:
    return expr.inner if isinstance(expr, Threshold) else expr


def _step(expr: Threshold) -> Decimal:
    """The distance from the threshold at which a test stands."""
    if any(isinstance(part, Count) for part in expr.walk()):
        return Decimal(1)
    if any(isinstance(part, HistogramQuantile) for part in expr.walk()):
        # Interpolation between buckets is no exact arithmetic.
        return abs(expr.threshold) / 10
    return abs(expr.threshold) / 1000


def _just_over(expr: Expr) -> Decimal:
    if not isinstance(expr, Threshold):
        return Decimal(1)
    if expr.comparison not in _STRICT:
        return expr.threshold
    step = _step(expr) or Decimal("0.001")
    return expr.threshold - step if expr.comparison is Comparison.LESS else expr.threshold + step


def _just_under(expr: Threshold) -> Decimal:
    if expr.comparison in _STRICT:
        return expr.threshold
    step = _step(expr) or Decimal("0.001")
    down = expr.comparison is Comparison.LESS_OR_EQUAL
    return expr.threshold + step if down else expr.threshold - step


def _begins(expr: Expr, platform: Platform) -> timedelta:
    """When the condition is first true: a rate needs two samples."""
    return _interval(platform) if is_rate(expr) else timedelta(0)


def _interval(platform: Platform) -> timedelta:
    return platform.watched_by.evaluation_interval


def _steps(alert: Alert, platform: Platform) -> int:
    """Enough steps for every time at which the alert is looked at."""
    return int(alert.for_ / _interval(platform)) + 4


def _values(one: Series, steps: int, interval: timedelta, *, stale: bool) -> str:
    return f"{one.values(0, interval)} stale" if stale else one.values(steps, interval)


def _of(one: Series, replica: int) -> bool:
    return dict(one.labels)["instance"] == _REPLICAS[replica]


def _observed(expr: Expr) -> Aggregate | None:
    """The aggregation that collapses replicas, where a condition is about one gauge of them."""
    for part in expr.walk():
        if (
            isinstance(part, Aggregate)
            and isinstance(part.inner, Selector)
            and part.inner.metric.type is MetricType.GAUGE
            and "target" in part.inner.metric.labels
            and isinstance(expr, Threshold)
            and not any(isinstance(other, Count) for other in expr.walk())
        ):
            return part
    return None


def _firing(alert: Alert, value: Decimal, feed: Feed) -> tuple[dict[str, Any], ...]:
    fired = []
    for labels in results(_inner(alert.expr), feed):
        own = {
            name: expand(text, labels, float(value)) for name, text in rule_labels(alert).items()
        }
        texts = rule_annotations(alert, feed.platform)
        fired.append(
            {
                "exp_labels": {**labels, **own},
                "exp_annotations": {
                    name: expand(text, labels, float(value)) for name, text in texts.items()
                },
            }
        )
    return tuple(fired)


# --- promtool's file ----------------------------------------------------------------------------


def _pack(cases: list[Case]) -> list[list[Case]]:
    """Put cases together that share no metric and are not of one alert."""
    packs: list[list[Case]] = []
    for case in cases:
        home = next((pack for pack in packs if not any(map(case.clashes, pack))), None)
        if home is None:
            packs.append([case])
        else:
            home.append(case)
    return packs


def _test(cases: list[Case], platform: Platform) -> dict[str, Any]:
    return {
        "interval": prometheus(_interval(platform)),
        "input_series": [
            {"series": fed.series.notation(), "values": fed.values}
            for case in cases
            for fed in case.fed
        ],
        "alert_rule_test": [
            {
                "eval_time": prometheus(expected.at),
                "alertname": case.alert.name,
                "exp_alerts": list(expected.alerts),
            }
            for case in cases
            for expected in case.expected
        ],
    }
