"""A platform of two services, for goldens that a change of the real one leaves alone.

It names no CONFIG_SHA256: the hash changes with every setting that the model is given.
"""

from model import (
    Alert,
    Always,
    BusinessHours,
    Contact,
    Email,
    EscalationStep,
    PagerDuty,
    Platform,
    Postgres,
    Service,
    Severity,
    Slack,
    TimeUntil,
    Webhook,
    days,
    metrics,
    minutes,
    observed,
    quantile,
    seconds,
)

CONFIG = Platform(
    name="tiny",
    services=(Service(name="web", port=8080), Service(name="shop", url="https://shop.example.org")),
    postgres=(Postgres(name="db", url="postgresql://db/shop"),),
    severities=(
        Severity(
            name="critical",
            response_time=minutes(5),
            channels=("email", "slack", "pagerduty"),
            escalation=(EscalationStep(after=minutes(5), to="lead"),),
        ),
        Severity(name="info", response_time=None, channels=("email",), business_hours_only=True),
    ),
    channels=(
        Email(
            to=("ops@example.org", "dev@example.org"),
            sender="monitoring@example.org",
            smarthost="smtp.example.org:587",
            username="monitoring",
            password_file="/run/secrets/smtp",
        ),
        Slack(webhook_url_file="/run/secrets/slack", channel="#ops"),
        PagerDuty(routing_key_file="/run/secrets/pagerduty"),
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
            pagerduty_routing_key_file="/run/secrets/pagerduty_night",
            when="after-hours",
        ),
    ),
    business_hours=BusinessHours(time_zone="Europe/Berlin", start=9, end=18),
    alerts=(
        Alert(
            name="ServiceDown",
            group="availability",
            expr=observed(metrics.PROBE_SUCCESS, kind="http") < "0.5",
            for_=seconds(10),
            keep_firing_for=seconds(20),
            severity="critical",
            summary="{{ $labels.target }} is down",
            description="{{ $labels.target }} fails its health check.",
        ),
        Alert(
            name="CertificateExpiring",
            group="availability",
            expr=TimeUntil(observed(metrics.PROBE_SSL_EARLIEST_CERT_EXPIRY)) < days(14),
            severity="info",
            summary="A certificate of {{ $labels.target }} expires soon",
            description="It expires in {{ $value | humanizeDuration }}.",
        ),
        Alert(
            name="DatabaseSlow",
            group="databases",
            expr=quantile("0.95", metrics.PG_ROUND_TRIP, minutes(5)) > 1,
            for_=minutes(1),
            severity="info",
            summary="{{ $labels.target }} is slow",
            description="The 95th percentile is {{ $value | humanizeDuration }}.",
            channels=("slack",),
            repeat_interval=minutes(15),
        ),
        Alert(
            name="Watchdog",
            group="monitoring",
            expr=Always(),
            no_data="fires",
            severity=None,
            service="monitoring-service",
            summary="Alerting works",
            description="It always fires.",
        ),
    ),
    base_url="https://monitoring.example.org",
    grafana_url="https://grafana.example.org",
    dead_mans_switch="https://switch.example.org/tiny",
    ledger=Webhook(
        url="https://monitoring.example.org/api/alertmanager/alerts",
        credentials_file="/run/secrets/ingest_token",
    ),
)
