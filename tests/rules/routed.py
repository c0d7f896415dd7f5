"""A platform of one service with everything that routes are made of, to be changed by tests."""

from __future__ import annotations

from pathlib import Path

from model.load import load
from model.platform import Platform

SOURCE = """\
from model import *

CONFIG = Platform(
    name="shop",
    services=(
        Service(name="web", port=80, depends_on=("db", "cache")),
        Service(name="mail", port=81, depends_on=("cache",)),
        Service(name="files", port=82),
    ),
    postgres=(Postgres(name="db", url="postgresql://db/shop"),),
    redis=(Redis(name="cache", url="redis://cache"),),
    severities=(
        Severity(
            name="critical",
            response_time=minutes(5),
            channels=("email", "slack", "pagerduty"),
            escalation=(
                EscalationStep(after=minutes(5), to="lead"),
                EscalationStep(after=minutes(10), to="manager"),
            ),
        ),
        Severity(
            name="error",
            response_time=minutes(15),
            channels=("email", "slack"),
            escalation=(EscalationStep(after=minutes(15), to="lead"),),
        ),
        Severity(name="warning", response_time=hours(1), channels=("slack",)),
        Severity(name="info", response_time=None, channels=("email",), business_hours_only=True),
    ),
    channels=(
        Email(to=("ops@example.org",), sender="m@example.org", smarthost="smtp.example.org:25"),
        Slack(webhook_url_file="/run/slack", channel="#ops"),
        PagerDuty(routing_key_file="/run/pagerduty"),
    ),
    contacts=(
        Contact(
            role="lead",
            title="Lead",
            email="lead@example.org",
            when="business",
            after_hours="night",
        ),
        Contact(
            role="night",
            title="Night shift",
            phone="+1-555-0100",
            pagerduty_routing_key_file="/run/night",
            when="after-hours",
        ),
        Contact(role="manager", title="Manager", email="manager@example.org"),
    ),
    business_hours=BusinessHours(time_zone="Europe/Berlin", start=9, end=18),
    alerts=(
        Alert(
            name="ServiceDown",
            group="services",
            expr=observed(metrics.PROBE_SUCCESS, kind="http") < "0.5",
            for_=seconds(0),
            severity="critical",
            summary="{{ $labels.target }} is down",
            description="It is.",
            remediation=Webhook(url="http://medic:80/restart", credentials_file="/run/medic"),
        ),
        Alert(
            name="DatabaseDown",
            group="services",
            expr=observed(metrics.PG_UP) < "0.5",
            for_=seconds(0),
            severity="critical",
            inhibits_dependents=True,
            summary="It is down",
            description="It is.",
        ),
        Alert(
            name="CacheDown",
            group="services",
            expr=observed(metrics.REDIS_UP) < "0.5",
            for_=seconds(0),
            severity="critical",
            inhibits_dependents=True,
            summary="It is down",
            description="It is.",
        ),
        Alert(
            name="ServiceFailing",
            group="services",
            expr=observed(metrics.TARGET_DEGRADED, kind="http") > "0.9",
            for_=seconds(0),
            severity="error",
            inhibited_by_dependencies=True,
            summary="{{ $labels.target }} is failing",
            description="It is.",
        ),
        Alert(
            name="ServiceDegraded",
            group="services",
            expr=observed(metrics.TARGET_DEGRADED, kind="http") > "0.5",
            for_=seconds(0),
            severity="warning",
            inhibited_by_dependencies=True,
            summary="{{ $labels.target }} is degraded",
            description="It is.",
        ),
        Alert(
            name="RefundsHigh",
            group="services",
            expr=observed(metrics.TARGET_DEGRADED, kind="http") > "0.1",
            for_=seconds(0),
            severity="warning",
            channels=("email", "slack"),
            repeat_interval=minutes(60),
            summary="Many refunds",
            description="There are.",
        ),
        Alert(
            name="PaymentsFailing",
            group="services",
            expr=observed(metrics.TARGET_DEGRADED, kind="http") > "0.2",
            for_=seconds(0),
            severity="error",
            channels=("email", "slack", "pagerduty"),
            repeat_interval=minutes(30),
            summary="Payments fail",
            description="They do.",
        ),
        Alert(
            name="TrafficSpike",
            group="services",
            expr=observed(metrics.TARGET_DEGRADED, kind="http") > "0.3",
            for_=seconds(0),
            severity="info",
            channels=("slack",),
            summary="Much traffic",
            description="There is.",
        ),
        Alert(
            name="Watchdog",
            group="services",
            expr=Always(),
            no_data="fires",
            for_=seconds(0),
            severity=None,
            service="monitoring-service",
            summary="Alerting works",
            description="It does.",
        ),
    ),
    base_url="https://monitoring.example.org",
    grafana_url="https://grafana.example.org",
    dead_mans_switch="https://switch.example.org",
    ledger=Webhook(url="http://ledger:80/ingest", credentials_file="/run/ingest"),
)
"""


def changed(directory: Path, *changes: tuple[str, str]) -> Platform:
    """The platform with texts of its config replaced. Raises ConfigError."""
    text = SOURCE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    file = directory / "config.py"
    file.write_text(text)
    return load(file)
