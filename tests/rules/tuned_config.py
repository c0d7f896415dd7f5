"""A platform with one alert of each kind that a backtest treats differently."""

from model import (
    Alert,
    Always,
    Contact,
    Email,
    EscalationStep,
    Fires,
    Or,
    Platform,
    Quiet,
    Raw,
    Recording,
    Redis,
    Service,
    Severity,
    Slack,
    Webhook,
    metrics,
    minutes,
    observed,
    rate,
    recorded,
    seconds,
    select,
    sum_by,
)

REQUESTS = Recording(
    name="service:http_requests:rate1m",
    group="traffic",
    expr=sum_by(rate(select(metrics.HTTP_REQUESTS), minutes(1)), "service"),
)


def clients(most: int, severity: str) -> Alert:
    return Alert(
        name="ManyClients",
        group="redis",
        expr=observed(metrics.REDIS_CONNECTED_CLIENTS) > most,
        for_=minutes(1),
        severity=severity,
        summary="{{ $labels.target }} has many clients",
        description="{{ $value | humanize }} are connected.",
    )


CONFIG = Platform(
    name="tuned",
    services=(Service(name="web", url="http://127.0.0.1:1"),),
    redis=(Redis(name="cache", url="redis://127.0.0.1:1/0"),),
    severities=(
        Severity(
            name="critical",
            response_time=minutes(5),
            channels=("slack", "email"),
            escalation=(EscalationStep(after=minutes(5), to="lead"),),
        ),
        Severity(name="warning", response_time=minutes(30), channels=("slack",)),
    ),
    channels=(
        Slack(webhook_url_file="/run/secrets/slack", channel="#ops"),
        Email(to=("a@example.org",), sender="b@example.org", smarthost="smtp.example.org:587"),
    ),
    contacts=(Contact(role="lead", title="Lead", email="lead@example.org"),),
    alerts=(
        clients(100, "warning"),
        clients(200, "critical"),
        Alert(
            name="ClientsOrMemory",
            group="redis",
            expr=Or(
                observed(metrics.REDIS_BLOCKED_CLIENTS) > 60,
                observed(metrics.REDIS_MEMORY_USED) > 1000,
            ),
            for_=minutes(1),
            severity="warning",
            summary="{{ $labels.target }} is full",
            description="{{ $value | humanize }}",
        ),
        Alert(
            name="ServiceDown",
            group="availability",
            expr=observed(metrics.PROBE_SUCCESS) < "0.5",
            for_=seconds(10),
            keep_firing_for=seconds(20),
            severity="critical",
            summary="{{ $labels.target }} is down",
            description="It does not answer.",
        ),
        Alert(
            name="BusyService",
            group="traffic",
            expr=recorded(REQUESTS) > 10,
            for_=minutes(1),
            severity="warning",
            service="{{ $labels.service }}",
            summary="{{ $labels.service }} is busy",
            description="{{ $value | humanize }} requests a second.",
        ),
        Alert(
            name="ManyDown",
            group="availability",
            expr=Raw(
                "count(avg by (target) (probe_success) < 0.5) > 1",
                cases=(
                    Fires(
                        series={
                            'probe_success{kind="http",target="a"}': "0x40",
                            'probe_success{kind="http",target="b"}': "0x40",
                        },
                        value="2",
                    ),
                    Quiet(series={'probe_success{kind="http",target="a"}': "0x40"}, at=minutes(2)),
                ),
            ),
            for_=minutes(1),
            severity="critical",
            service="web",
            summary="{{ $value | humanize }} are down",
            description="At once.",
        ),
        Alert(
            name="Watchdog",
            group="monitoring",
            expr=Always(),
            for_=seconds(0),
            no_data="fires",
            severity=None,
            service="web",
            summary="Alerting works",
            description="It always fires.",
        ),
    ),
    base_url="https://monitoring.example.org",
    dead_mans_switch="https://switch.example.org/tuned",
    ledger=Webhook(
        url="https://monitoring.example.org/api/alertmanager/webhook",
        credentials_file="/run/secrets/ingest_token",
    ),
)
