"""What a config is made of. `config.py` imports from here and from nowhere else."""

from model import names as metrics
from model.alerts import Alert
from model.durations import days, hours, minutes, seconds
from model.exposed import missing_metrics
from model.json_target import JsonState, JsonTarget, JsonValue
from model.maintenance import Maintenance, WeeklyMaintenance
from model.people import (
    BusinessHours,
    Contact,
    Email,
    EscalationStep,
    PagerDuty,
    Severity,
    Slack,
    Webhook,
)
from model.platform import BasicAuth, Platform, Prometheus
from model.promql import (
    CONFIG_SHA256,
    Aggregate,
    Always,
    Count,
    Match,
    OrZero,
    TimeUntil,
    Unless,
    observed,
    quantile,
    rate,
    select,
)
from model.raw import Fires, Quiet, Raw
from model.redis import Redis, RedisKey, Sentinel
from model.sql import SqlMetrics, SqlValue
from model.targets import Postgres, Service, TcpService

__all__ = [
    "CONFIG_SHA256",
    "Aggregate",
    "Alert",
    "Always",
    "BasicAuth",
    "BusinessHours",
    "Contact",
    "Count",
    "Email",
    "EscalationStep",
    "Fires",
    "JsonState",
    "JsonTarget",
    "JsonValue",
    "Maintenance",
    "Match",
    "OrZero",
    "PagerDuty",
    "Platform",
    "Postgres",
    "Prometheus",
    "Quiet",
    "Raw",
    "Redis",
    "RedisKey",
    "Sentinel",
    "Service",
    "Severity",
    "Slack",
    "SqlMetrics",
    "SqlValue",
    "TcpService",
    "TimeUntil",
    "Unless",
    "Webhook",
    "WeeklyMaintenance",
    "days",
    "hours",
    "metrics",
    "minutes",
    "missing_metrics",
    "observed",
    "quantile",
    "rate",
    "seconds",
    "select",
]
