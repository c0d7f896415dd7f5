"""What a metric family is: the words of the catalogue. This module imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """A metric's type, as in Prometheus' text format."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    # Counters whose known name lacks `_total`: promtool objects to TYPE counter on them.
    UNTYPED = "untyped"


class Scope(StrEnum):
    """Who a metric speaks for, which decides how replicas of the exporter are collapsed."""

    OBSERVED = "observed"  # a fact about a target that every replica sees for itself
    PROCESS = "process"  # of one process; replicas differ and each counts
    LEDGER = "ledger"  # of the ledger, which every replica reads in one store
    SERVICE = "service"  # exposed by a monitored service, Prometheus or Alertmanager itself
    ON_DEMAND = "on demand"  # a fact about a target that /probe tells and /metrics does not
    RECORDED = "recorded"  # by a recording rule of ours, of what is one fact already


class Collapse(StrEnum):
    """The aggregation that makes one fact of what several replicas observed."""

    AVG = "avg"
    MAX = "max"
    MIN = "min"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric family: its name, type, help, labels, and how replicas of it collapse.

    `labels` are those that the exposition itself carries; Prometheus adds `job` and `instance`.
    `buckets` are a histogram's upper bounds in its unit, without +Inf.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    scope: Scope = Scope.OBSERVED
    collapse: Collapse = Collapse.AVG
    buckets: tuple[float, ...] = ()
