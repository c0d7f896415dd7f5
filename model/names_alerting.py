"""What Prometheus and Alertmanager tell of themselves: part of the catalogue.

Those that are worth an alert, with the labels that Prometheus 2.42 and Alertmanager 0.25 have:
`tests/compatibility/test_alerting_names.py` compares them with the real programs.
"""

from __future__ import annotations

from model.metric import Collapse, Metric, MetricType, Scope

_G, _C = MetricType.GAUGE, MetricType.COUNTER
_S = Scope.SERVICE

# --- Prometheus ---------------------------------------------------------------------------------
PROMETHEUS_CONFIG_LAST_RELOAD_SUCCESSFUL = Metric(
    "prometheus_config_last_reload_successful",
    _G,
    "Whether Prometheus' last attempt to load its config succeeded.",
    scope=_S,
    collapse=Collapse.MIN,
)
PROMETHEUS_ALERTMANAGERS_DISCOVERED = Metric(
    "prometheus_notifications_alertmanagers_discovered",
    _G,
    "Alertmanagers that Prometheus sends alerts to.",
    scope=_S,
    collapse=Collapse.MIN,
)
PROMETHEUS_NOTIFICATIONS_SENT = Metric(
    "prometheus_notifications_sent_total",
    _C,
    "Alerts that Prometheus has sent to an Alertmanager.",
    ("alertmanager",),
    scope=_S,
    collapse=Collapse.SUM,
)
PROMETHEUS_NOTIFICATIONS_ERRORS = Metric(
    "prometheus_notifications_errors_total",
    _C,
    "Alerts that an Alertmanager did not take.",
    ("alertmanager",),
    scope=_S,
    collapse=Collapse.SUM,
)
PROMETHEUS_NOTIFICATIONS_DROPPED = Metric(
    "prometheus_notifications_dropped_total",
    _C,
    "Alerts that Prometheus has thrown away, since no Alertmanager took them.",
    scope=_S,
    collapse=Collapse.SUM,
)
PROMETHEUS_RULE_EVALUATION_FAILURES = Metric(
    "prometheus_rule_evaluation_failures_total",
    _C,
    "Evaluations of a rule that have failed.",
    ("rule_group",),
    scope=_S,
    collapse=Collapse.SUM,
)
PROMETHEUS_RULE_GROUP_ITERATIONS_MISSED = Metric(
    "prometheus_rule_group_iterations_missed_total",
    _C,
    "Evaluations of a group of rules that were skipped, since the one before took too long.",
    ("rule_group",),
    scope=_S,
    collapse=Collapse.SUM,
)

# --- Alertmanager -------------------------------------------------------------------------------
ALERTMANAGER_CONFIG_LAST_RELOAD_SUCCESSFUL = Metric(
    "alertmanager_config_last_reload_successful",
    _G,
    "Whether Alertmanager's last attempt to load its config succeeded.",
    scope=_S,
    collapse=Collapse.MIN,
)
# Newer versions tell a `reason` as well.
ALERTMANAGER_NOTIFICATIONS = Metric(
    "alertmanager_notifications_total",
    _C,
    "Messages that Alertmanager was to send.",
    ("integration",),
    scope=_S,
    collapse=Collapse.SUM,
)
ALERTMANAGER_NOTIFICATIONS_FAILED = Metric(
    "alertmanager_notifications_failed_total",
    _C,
    "Messages that Alertmanager could not send.",
    ("integration",),
    scope=_S,
    collapse=Collapse.SUM,
)

# --- what dashboards show besides ---------------------------------------------------------------
PROMETHEUS_RULE_GROUP_LAST_DURATION = Metric(
    "prometheus_rule_group_last_duration_seconds",
    _G,
    "How long the last evaluation of a group of rules took.",
    ("rule_group",),
    scope=_S,
    collapse=Collapse.MAX,
)
PROMETHEUS_NOTIFICATIONS_QUEUE_LENGTH = Metric(
    "prometheus_notifications_queue_length",
    _G,
    "Alerts that wait to be sent to an Alertmanager.",
    scope=_S,
    collapse=Collapse.MAX,
)
PROMETHEUS_TSDB_HEAD_SERIES = Metric(
    "prometheus_tsdb_head_series",
    _G,
    "Series that Prometheus has in its memory.",
    scope=_S,
    collapse=Collapse.MAX,
)
ALERTMANAGER_ALERTS = Metric(
    "alertmanager_alerts",
    _G,
    "Alerts that Alertmanager has, by state: active or suppressed.",
    ("state",),
    scope=_S,
    collapse=Collapse.MAX,
)
ALERTMANAGER_NOTIFICATION_LATENCY = Metric(
    "alertmanager_notification_latency_seconds",
    MetricType.HISTOGRAM,
    "How long sending a message took.",
    ("integration",),
    scope=_S,
    collapse=Collapse.SUM,
    buckets=(1.0, 5.0, 10.0, 15.0, 20.0),
)
