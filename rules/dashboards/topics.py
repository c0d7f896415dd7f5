"""Which dashboard tells of which alerts: decided by the metrics that an alert reads."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from model import names_alerting, names_services
from model.alerts import Alert
from model.metric import Metric
from model.names import UP
from model.platform import Platform
from model.promql import Recording
from model.sql import SqlMetrics
from rules.dashboards.alerts import alert_title, condition_panel
from rules.dashboards.choices import POSTGRES, REDIS, SERVICES, Choice
from rules.dashboards.page import Section, evenly
from rules.inferred import selectors

_HEIGHT = 8


class Topic(StrEnum):
    """What an alert is about."""

    SERVICE = "service"
    POSTGRES = "postgres"
    REDIS = "redis"
    BUSINESS = "business"
    ALERTING = "alerting"
    MONITORING = "monitoring"


_CHOICES: dict[Topic, Choice] = {Topic.POSTGRES: POSTGRES, Topic.REDIS: REDIS}
# Queues as their services tell of them.
QUEUES = (
    names_services.QUEUE_SIZE,
    names_services.QUEUE_DEPTH,
    names_services.NOTIFICATION_QUEUE_DEPTH,
)
_OF_ALERTING = {value.name for value in vars(names_alerting).values() if isinstance(value, Metric)}


def alerts_about(topic: Topic, platform: Platform) -> list[Alert]:
    """The alerts of the config that a dashboard tells of, in the config's order."""
    return [alert for alert in platform.alerts if platform.once(_topic, alert) is topic]


def named(alerts: list[Alert]) -> str:
    """A regular expression of their names; one that nothing matches if there are none."""
    return "|".join(dict.fromkeys(alert.name for alert in alerts)) or "none"


def conditions(topic: Topic, platform: Platform) -> Iterator[Section]:
    """A panel for each alert about it: what it compares, and where its threshold is."""
    choice = _CHOICES.get(topic, SERVICES)
    panels = [
        condition_panel(alert, platform, f"Alert: {alert_title(alert, platform)}", choice)
        for alert in alerts_about(topic, platform)
    ]
    if panels:
        yield Section(evenly(panels), _HEIGHT, "Its alerts, and their thresholds")


def _topic(alert: Alert, platform: Platform) -> Topic:
    asked = _read(alert, platform)
    if any(name.startswith(("pg_", "monitoring_pg_")) for name in asked):
        return Topic.POSTGRES
    if any(name.startswith(("redis_", "monitoring_redis_")) for name in asked):
        return Topic.REDIS
    if asked & _OF_ALERTING or not asked:
        return Topic.ALERTING
    if alert.service == platform.own_service:
        return Topic.MONITORING
    # Whether a service tells of its queue at all is about the service.
    business = platform.once(_business)
    is_failing = f'kind="{SqlMetrics.kind}"' in str(alert.expr)
    if is_failing or (asked & business and UP.name not in asked):
        return Topic.BUSINESS
    return Topic.SERVICE


def _business(platform: Platform) -> set[str]:
    return {metric.name for metric in (*platform.sql_metrics, *QUEUES)}


def _recorded(platform: Platform) -> dict[str, Recording]:
    return {one.name: one for one in platform.recording_rules}


def _read(alert: Alert, platform: Platform) -> set[str]:
    """The names of the series that an alert reads, recorded ones by what they are made of."""
    recorded = platform.once(_recorded)
    found: set[str] = set()
    waiting = [str(alert.expr)]
    while waiting:
        for one in selectors(waiting.pop()):
            if one.name in recorded:
                waiting.append(str(recorded[one.name].expr))
            else:
                found.add(one.name)
    return found
