"""alertmanager.yml: from an alert's severity to the people who must know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from model.durations import prometheus
from model.people import Channel, Email, PagerDuty, Severity, Slack
from model.platform import Platform
from rules.output import Files, yaml_file
from rules.scrape import basic_auth

PATH = "alertmanager/alertmanager.yml"
TEMPLATES = "templates/*.tmpl"

UNROUTED = "unrouted"
DEAD_MANS_SWITCH = "dead-mans-switch"
BUSINESS_HOURS = "business-hours"
# Alertmanager looks every group_interval whether repeat_interval has passed since the last call was
# over, so two equal ones call every second time: this calls once a minute.
_WATCHDOG_TIMES = {"group_wait": "0s", "group_interval": "20s", "repeat_interval": "50s"}


def build(platform: Platform) -> Files:
    """alertmanager.yml, beside the templates of its messages."""
    document: dict[str, Any] = {
        "global": {"resolve_timeout": "5m"},
        "templates": [TEMPLATES],
        "route": _tree(platform),
        "receivers": _receivers(platform),
    }
    if any(severity.business_hours_only for severity in platform.severities):
        document["time_intervals"] = [_business_hours(platform)]
    return {PATH: yaml_file(document)}


def _tree(platform: Platform) -> dict[str, Any]:
    routes = [_route(severity) for severity in platform.severities]
    if watchdogs := _watchdogs(platform):
        # Without a severity: they say that alerting works, to a machine.
        matchers = ['severity=""', f'alertname=~"{"|".join(watchdogs)}"']
        routes.insert(0, {"receiver": DEAD_MANS_SWITCH, "matchers": matchers, **_WATCHDOG_TIMES})
    return {"receiver": UNROUTED, "group_by": ["alertname"], "routes": routes}


def _watchdogs(platform: Platform) -> list[str]:
    return [alert.name for alert in platform.alerts if alert.severity is None]


def _route(severity: Severity) -> dict[str, Any]:
    route: dict[str, Any] = {
        "receiver": severity.name,
        "matchers": [f'severity="{severity.name}"'],
        "group_by": list(severity.group_by),
        "group_wait": prometheus(severity.group_wait),
        "group_interval": prometheus(severity.group_interval),
        "repeat_interval": prometheus(severity.repeat_interval),
    }
    if severity.business_hours_only:
        route["active_time_intervals"] = [BUSINESS_HOURS]
    return route


def _receivers(platform: Platform) -> list[dict[str, Any]]:
    # What no route claims is nobody's alert, so it goes where people read, not where it pages.
    emails = [channel for channel in platform.channels if isinstance(channel, Email)]
    fallback: list[Channel] = list(emails) or list(platform.channels[:1])
    receivers = [_receiver(UNROUTED, fallback)]
    if _watchdogs(platform):
        receivers.append({"name": DEAD_MANS_SWITCH, "webhook_configs": [_watchdog(platform)]})
    for severity in platform.severities:
        told = [channel for channel in platform.channels if channel.name in severity.channels]
        receivers.append(_receiver(severity.name, told))
    return receivers


def _watchdog(platform: Platform) -> dict[str, Any]:
    webhook: dict[str, Any] = {"url": platform.dead_mans_switch, "send_resolved": False}
    # The exporter's credentials are for the exporter alone.
    own = urlsplit(platform.dead_mans_switch).netloc in platform.watched_by.exporters
    if own and (authorised := basic_auth(platform)):
        webhook["http_config"] = authorised
    return webhook


def _receiver(name: str, channels: Iterable[Channel]) -> dict[str, Any]:
    receiver: dict[str, Any] = {"name": name}
    for channel in channels:
        receiver.setdefault(f"{channel.kind}_configs", []).append(_integration(channel))
    return receiver


def _integration(channel: Channel) -> dict[str, Any]:
    if isinstance(channel, Email):
        return _email(channel)
    if isinstance(channel, Slack):
        return _slack(channel)
    return _pagerduty(channel)


def _email(channel: Email) -> dict[str, Any]:
    config: dict[str, Any] = {
        "to": ", ".join(channel.to),
        "from": channel.sender,
        "smarthost": channel.smarthost,
        "require_tls": channel.require_tls,
        "send_resolved": True,
        "headers": {"Subject": '{{ template "monitoring.title" . }}'},
        "text": '{{ template "monitoring.text" . }}',
        "html": '{{ template "monitoring.html" . }}',
    }
    if channel.username is not None:
        config["auth_username"] = channel.username
        config["auth_password_file"] = channel.password_file
    return config


def _slack(channel: Slack) -> dict[str, Any]:
    return {
        "api_url_file": channel.webhook_url_file,
        "channel": channel.channel,
        "send_resolved": True,
        "color": '{{ template "monitoring.slack.color" . }}',
        "title": '{{ template "monitoring.slack.title" . }}',
        "title_link": '{{ template "monitoring.link" . }}',
        "fallback": '{{ template "monitoring.slack.title" . }}',
        "text": '{{ template "monitoring.slack.text" . }}',
    }


def _pagerduty(channel: PagerDuty) -> dict[str, Any]:
    return {
        "routing_key_file": channel.routing_key_file,
        "url": channel.url,
        "send_resolved": True,
        "severity": "{{ .CommonLabels.severity }}",
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.service }}",
        "description": '{{ template "monitoring.title" . }}',
        "client": "monitoring-service",
        "client_url": '{{ template "monitoring.link" . }}',
        "details": {
            "firing": '{{ template "monitoring.text" . }}',
            "resolved": "{{ .Alerts.Resolved | len }}",
            "num_firing": "{{ .Alerts.Firing | len }}",
            "num_resolved": "{{ .Alerts.Resolved | len }}",
        },
    }


def _business_hours(platform: Platform) -> dict[str, Any]:
    hours = platform.business_hours
    interval = {
        "times": [{"start_time": f"{hours.start:02}:00", "end_time": f"{hours.end:02}:00"}],
        "weekdays": list(hours.weekdays),
        "location": hours.time_zone,
    }
    return {"name": BUSINESS_HOURS, "time_intervals": [interval]}
