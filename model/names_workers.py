"""The catalogue of metrics: the ledger's workers, shown where a ledger runs."""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType, Scope

WORKER_LAST_SUCCESS = Metric(
    "monitoring_worker_last_success_timestamp_seconds",
    MetricType.GAUGE,
    "When a worker last succeeded in this process, in unix time; 0 if never.",
    ("worker",),
    scope=Scope.PROCESS,
    collapse=Collapse.MAX,
)
WORKER_RUNS = Metric(
    "monitoring_worker_runs_total",
    MetricType.COUNTER,
    "Runs of a worker in this process, by result; one that found no store is an error.",
    ("worker", "result"),
    scope=Scope.PROCESS,
    collapse=Collapse.SUM,
)
WORKER_DURATION = Metric(
    "monitoring_worker_duration_seconds",
    MetricType.GAUGE,
    "How long a worker's last run in this process took.",
    ("worker",),
    scope=Scope.PROCESS,
    collapse=Collapse.MAX,
)
