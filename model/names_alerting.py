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
