"""Grafana's units for what expressions give, and how many decimals people need of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from model import names
from model.names import Metric, MetricType
from model.promql import (
    Age,
    Aggregate,
    And,
    Combined,
    Expr,
    HistogramQuantile,
    Or,
    OrZero,
    OverRange,
    Ratio,
    Selector,
    Threshold,
    TimeUntil,
    WithNumber,
)

SECONDS, BYTES, SHARE, COUNT, PER_SECOND = "s", "bytes", "percentunit", "short", "cps"
LEFT = "dtdurations"
# What a metric's name does not say.
_UNITS: Mapping[str, str] = MappingProxyType(
    {
        names.PG_STAT_ACTIVITY_MAX_TX_DURATION.name: SECONDS,
        names.PG_STAT_REPLICATION_WAL_LSN_DIFF.name: BYTES,
        names.PG_REPLICATION_SLOTS_WAL_LSN_DIFF.name: BYTES,
        names.REDIS_UPTIME.name: SECONDS,
        names.REDIS_CONFIG_MAXMEMORY.name: BYTES,
    }
)
# Others are left to Grafana, which knows how far apart the axis' numbers are.
_DECIMALS: Mapping[str, int] = MappingProxyType({SHARE: 1, BYTES: 1, LEFT: 0})


def unit(expr: Expr) -> str:
    """The unit of an expression's results."""
    match expr:
        case TimeUntil():
            return LEFT
        case Age():
            return SECONDS
        case Ratio():
            return SHARE
        case Aggregate() | HistogramQuantile() | OrZero() | Threshold() | WithNumber():
            return unit(expr.inner)
        case And() | Or() | Combined():
            return unit(expr.left)
        case OverRange(function="rate"):
            # Buckets are counted per second, but a quantile of them is in the bounds' unit.
            is_histogram = expr.inner.metric.type is MetricType.HISTOGRAM
            return unit(expr.inner) if is_histogram else PER_SECOND
        case OverRange():
            return unit(expr.inner)
        case Selector(metric=metric):
            return of_metric(metric)
        case _:
            return COUNT


def of_metric(metric: Metric) -> str:
    """The unit that a metric is in, by its name."""
    return of_name(metric.name)


def of_name(name: str) -> str:
    """The unit that a series of this name is in."""
    if name in _UNITS:
        return _UNITS[name]
    if ":ratio" in name:
        return SHARE
    if name.endswith("_seconds") and not name.endswith("_timestamp_seconds"):
        return SECONDS
    return BYTES if name.endswith("_bytes") else COUNT


def decimals(unit: str) -> int | None:
    """How many decimals a unit is shown with; None where that is Grafana's to choose."""
    return _DECIMALS.get(unit)
