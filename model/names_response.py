"""The catalogue of metrics: how people respond to alerts, as the ledger knows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from model.metric import Collapse, Metric, MetricType, Scope

# How far back figures by name look, as their label `window` says it.
RESPONSE_WINDOWS: Mapping[str, timedelta] = MappingProxyType(
    {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
)

_G, _L, _MAX = MetricType.GAUGE, Scope.LEDGER, Collapse.MAX
# An alert counts in the windows in which it began.
_BY_NAME = ("window", "source_alertname")

ALERT_LEDGER_ACKNOWLEDGED_SINCE = Metric(
    "alert_ledger_acknowledged_since_timestamp_seconds",
    _G,
    "Since when an open alert is acknowledged, and by whom, in unix time.",
    ("alert_id", "source_alertname", "severity", "service", "acknowledged_by"),
    scope=_L,
    collapse=_MAX,
)
ALERT_LEDGER_FIRED = Metric(
    "alert_ledger_fired_alerts",
    _G,
    "Alerts that began to fire within a window.",
    _BY_NAME,
    scope=_L,
    collapse=_MAX,
)
ALERT_LEDGER_MEAN_ACKNOWLEDGE = Metric(
    "alert_ledger_mean_time_to_acknowledge_seconds",
    _G,
    "How long those of a window that were acknowledged had waited for it, on average.",
    _BY_NAME,
    scope=_L,
    collapse=_MAX,
)
ALERT_LEDGER_MEAN_RESOLVE = Metric(
    "alert_ledger_mean_time_to_resolve_seconds",
    _G,
    "How long those of a window that have ended lasted, on average.",
    _BY_NAME,
    scope=_L,
    collapse=_MAX,
)
ALERT_LEDGER_MEAN_DELIVERY = Metric(
    "alert_ledger_mean_time_to_deliver_seconds",
    _G,
    "How long after they fired Alertmanager had told the ledger of a window's alerts, on average.",
    _BY_NAME,
    scope=_L,
    collapse=_MAX,
)
ALERT_LEDGER_FALSE_POSITIVES = Metric(
    "alert_ledger_false_positive_alerts",
    _G,
    "Alerts of a window that people have marked as false positives.",
    _BY_NAME,
    scope=_L,
    collapse=_MAX,
)
ALERT_LEDGER_LATE_RESPONSES = Metric(
    "alert_ledger_late_response_alerts",
    _G,
    "Alerts of a window that nobody had acknowledged when their response was due.",
    _BY_NAME,
    scope=_L,
    collapse=_MAX,
)
