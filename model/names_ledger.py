"""The catalogue of metrics: the ledger of alerts."""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType, Scope

# A time and not an age, so that a scrape that is late tells nothing wrong. `alertname` would be
# overwritten by the rule that reads it. Several replicas: whoever knows of an acknowledgement wins.
ALERT_LEDGER_UNACKED_SINCE = Metric(
    "alert_ledger_unacked_since_timestamp_seconds",
    MetricType.GAUGE,
    "Since when an alert waits to be acknowledged, in unix time; 0 if it does not.",
    ("alert_id", "source_alertname", "severity", "service"),
    scope=Scope.LEDGER,
    collapse=Collapse.MIN,
)
ALERT_LEDGER_OPEN_ALERTS = Metric(
    "alert_ledger_open_alerts",
    MetricType.GAUGE,
    "Alerts that have fired and not ended, as the ledger knows them.",
    scope=Scope.LEDGER,
    collapse=Collapse.MAX,
)
ALERT_LEDGER_STORE_UP = Metric(
    "alert_ledger_store_up",
    MetricType.GAUGE,
    "Whether the ledger's store could last be read and written.",
    scope=Scope.LEDGER,
    collapse=Collapse.MAX,
)
ALERT_LEDGER_OVERDUE_ALERTS = Metric(
    "alert_ledger_overdue_alerts",
    MetricType.GAUGE,
    "Open alerts that nobody has acknowledged within their severity's response time.",
    ("severity",),
    scope=Scope.LEDGER,
    collapse=Collapse.MAX,
)
ALERT_LEDGER_RECONCILED = Metric(
    "alert_ledger_reconciled_timestamp_seconds",
    MetricType.GAUGE,
    "Until when the ledger agrees with what Alertmanager and Prometheus know, in unix time.",
    scope=Scope.LEDGER,
    collapse=Collapse.MAX,
)
ALERT_LEDGER_MESSAGES = Metric(
    "alert_ledger_messages_total",
    MetricType.COUNTER,
    "What this process was told of alerts, by who told it and what it changed.",
    ("source", "change"),
    scope=Scope.PROCESS,
    collapse=Collapse.SUM,
)
INGEST_REFUSED = Metric(
    "monitoring_ingest_refused_timestamp_seconds",
    MetricType.GAUGE,
    "When somebody last showed another token than INGEST_TOKEN, in unix time; 0 if never.",
    scope=Scope.PROCESS,
    collapse=Collapse.MAX,
)
