"""A platform of 300 alerts of every kind, to see how long the compiler and promtool take.

It has 1,000 services, or as many as LARGE_CONFIG_SERVICES says. Alerts are families: each is one
shape of expression over several metrics, windows and thresholds.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from model import (
    BURN_WINDOWS,
    CONFIG_SHA256,
    Age,
    Alert,
    Always,
    And,
    Contact,
    Count,
    Email,
    EscalationStep,
    Events,
    Fires,
    Joined,
    JsonState,
    JsonTarget,
    Latency,
    Match,
    Or,
    OrZero,
    PagerDuty,
    Platform,
    Postgres,
    Quiet,
    Ratio,
    Raw,
    Recording,
    Redis,
    Service,
    Severity,
    Slack,
    Slo,
    SqlMetrics,
    SqlValue,
    TimeUntil,
    Unless,
    Uptime,
    Usual,
    Webhook,
    avg_over_time,
    changes,
    collapsed,
    days,
    delta,
    deriv,
    hours,
    increase,
    max_by,
    metrics,
    min_by,
    minutes,
    missing_metrics,
    observed,
    predict_linear,
    quantile,
    quantile_over_time,
    rate,
    recorded,
    seconds,
    select,
    sum_by,
)
from model.promql import Expr

# --- what is watched ----------------------------------------------------------------------------

HTTP_SERVER = (metrics.HTTP_REQUESTS, metrics.HTTP_REQUEST_DURATION)
COUNT = int(os.environ.get("LARGE_CONFIG_SERVICES", "1000"))
SHARDS = 10 if COUNT >= 100 else 2

POSTGRES = tuple(
    Postgres(
        name=f"postgres-{n}", url=f"postgresql://postgres-{n}/shop", variable=f"POSTGRES_{n}_URL"
    )
    for n in range(SHARDS)
)
REDIS = tuple(
    Redis(name=f"redis-{n}", url=f"redis://redis-{n}", variable=f"REDIS_{n}_URL")
    for n in range(SHARDS)
)
SERVICES = tuple(
    Service(
        name=f"service-{n:03}",
        port=3000 + n,
        exposes=HTTP_SERVER if n % 4 == 0 else (),
        memory_limit=(256 + n % 8) * 2**20 if n % 2 == 0 else None,
        depends_on=(f"postgres-{n % SHARDS}", f"redis-{n // 10 % SHARDS}") if n % 3 else (),
    )
    for n in range(COUNT)
)
EXTERNAL = (
    JsonTarget(
        name="provider-status",
        url="https://status.example.org/api.json",
        state=JsonState(path="status", up=("none",), degraded=("minor",), down=("major",)),
    ),
)
FIGURES = ("orders", "payments", "refunds", "tickets", "logins", "transfers", "mints", "scans")
SQL = tuple(
    SqlMetrics(
        name=figure,
        query=f"SELECT status, count(*) AS n, sum(amount) AS amount FROM {figure} GROUP BY status",
        key_labels=("status",),
        postgres="postgres-0",
        values=(
            SqlValue(column="n", metric_name=f"shop_{figure}", help=f"{figure.title()}."),
            SqlValue(column="amount", metric_name=f"shop_{figure}_amount", help="Their amount."),
        ),
    )
    for figure in FIGURES
)

# --- alerts -------------------------------------------------------------------------------------

SEVERITY_NAMES = ("critical", "error", "warning", "info")
FOR = (seconds(10), minutes(1), minutes(2), minutes(5))
TEXTS = ("{{ $value | humanize }}", "{{ $value | humanizePercentage }}")

requests = select(metrics.HTTP_REQUESTS)
failed = requests.where(Match.REGEX, status_code="5..")


def family(name: str, group: str, exprs: Iterator[Expr], **more: Any) -> Iterator[Alert]:
    """An alert for each expression; severity, `for` and texts go round."""
    for number, expr in enumerate(exprs):
        labels = () if isinstance(expr, Raw) else expr.labels
        known = [label for label in ("target", "service") if label in labels]
        about = f"{{{{ $labels.{known[0]} }}}}" if known else "monitoring-service"
        severity = SEVERITY_NAMES[number % len(SEVERITY_NAMES)]
        # Dependencies are about targets and services.
        suffers = bool(known) and severity != "critical" and number % 2 == 0
        settings: dict[str, Any] = {
            "for_": FOR[number % len(FOR)],
            "keep_firing_for": seconds(20 * (number % 3)),
            "severity": severity,
            "channels": ("slack",) if number % 5 == 4 else None,
            "service": about,
            "inhibited_by_dependencies": suffers,
            "summary": f"{name} {number} of {about}",
            "description": f"It is {TEXTS[number % len(TEXTS)]} for {about}.",
            "symptoms": f"{name} number {number} is out of its bounds.",
            "investigation": ("Look at its log.", f"`curl http://localhost:3017/health#{number}`"),
            "actions": ("Restart it.",),
            **more,
        }
        yield Alert(name=f"{name}{number}", group=f"{group}-{number // 15}", expr=expr, **settings)


TARGETS = (
    (metrics.PROBE_SUCCESS, "0.5"),
    (metrics.TARGET_DEGRADED, "0.4"),
    (metrics.PROBE_DURATION, "0.2"),
)
HTTP = (
    metrics.PROBE_HTTP_STATUS_CODE,
    metrics.PROBE_HTTP_REDIRECTS,
    metrics.PROBE_HTTP_CONTENT_LENGTH,
    metrics.PROBE_HTTP_UNCOMPRESSED_BODY_LENGTH,
    metrics.PROBE_DNS_LOOKUP_TIME,
)
PROCESSES = (metrics.RESIDENT_MEMORY, metrics.OPEN_FDS, metrics.QUEUE_SIZE, metrics.QUEUE_DEPTH)
GAUGES = (
    metrics.REDIS_CONNECTED_CLIENTS,
    metrics.REDIS_BLOCKED_CLIENTS,
    metrics.REDIS_MEMORY_USED,
    metrics.REDIS_MEMORY_RSS,
    metrics.REDIS_MEMORY_PEAK,
    metrics.REDIS_RDB_CHANGES,
    metrics.REDIS_AOF_SIZE,
    metrics.REDIS_PUBSUB_CHANNELS,
    metrics.REDIS_SLOWLOG_LENGTH,
    metrics.REDIS_CONNECTED_SLAVES,
)
COUNTERS = (
    metrics.REDIS_EVICTED_KEYS,
    metrics.REDIS_REJECTED_CONNECTIONS,
    metrics.REDIS_EXPIRED_KEYS,
    metrics.REDIS_COMMANDS_PROCESSED,
    metrics.REDIS_NET_INPUT,
    metrics.REDIS_NET_OUTPUT,
    metrics.REDIS_KEYSPACE_MISSES,
)
DATABASES = (
    metrics.PG_STAT_DATABASE_TEMP_FILES,
    metrics.PG_STAT_DATABASE_TEMP_BYTES,
    metrics.PG_STAT_DATABASE_DEADLOCKS,
    metrics.PG_STAT_DATABASE_XACT_ROLLBACK,
    metrics.PG_STAT_DATABASE_CONFLICTS,
    metrics.PG_STAT_DATABASE_BLKS_READ,
)
WINDOWS = (minutes(5), minutes(10), minutes(30))


def share(window: timedelta) -> Expr:
    """The share of requests that fail."""
    bad, total = (sum_by(increase(one, window), "service") for one in (failed, requests))
    return Ratio(bad, total, at_least=50)


def of_targets() -> Iterator[Expr]:
    """What probes tell of each target or service."""
    for metric, limit in TARGETS:
        for kind in ("http", "postgres", "redis"):
            yield observed(metric, kind=kind) < limit
            yield observed(metric, kind=kind) > limit
    for metric in HTTP:
        yield from (observed(metric) > limit for limit in (1, 10, 299))
        yield collapsed(avg_over_time(select(metric), minutes(10))) > 5


def of_two_facts() -> Iterator[Expr]:
    """What two facts about a target tell together."""
    fails, slow = observed(metrics.PROBE_HTTP_STATUS_CODE), observed(metrics.PROBE_DURATION)
    for limit in (1, 2, 3, 4, 5):
        on = ("target",)
        yield And(slow > limit, fails > 399 + limit, on=on)
        yield Or(collapsed(select(metrics.PROBE_HTTP_REDIRECTS)) > limit, fails > 499 + limit)
        yield Unless(slow > limit, observed(metrics.TARGET_DEGRADED) > f"0.{limit}", on=on)


def of_one_service() -> Iterator[Expr]:
    """What a team asks for its own service."""
    for number in range(25, 1000, 25):
        name = f"service-{number * COUNT // 1000:03}"
        yield observed(metrics.PROBE_DURATION, target=name, by=("target",)) > f"0.{number + 1:04}"


def of_requests() -> Iterator[Expr]:
    """What services tell of their requests and processes."""
    for window in WINDOWS:
        yield share(window) > "0.05"
        yield sum_by(rate(requests, window), "service") > 100
        yield sum_by(rate(requests, window), "service") < 1
        yield quantile("0.95", metrics.HTTP_REQUEST_DURATION, window) > "0.4"
    for metric in PROCESSES:
        yield max_by(select(metric), "service") > 1000
        yield collapsed(delta(select(metric), minutes(10))) > 50
        yield collapsed(predict_linear(select(metric), minutes(30), ahead=hours(4))) > 10**9
    yield (
        Ratio(
            max_by(select(metrics.RESIDENT_MEMORY, job="services"), "service", "instance"),
            max_by(select(metrics.SERVICE_MEMORY_LIMIT), "service"),
            at_least=1,
            on=("service",),
        )
        > "0.8"
    )
    yield missing_metrics(SERVICES)


def of_redis() -> Iterator[Expr]:
    """What Redis tells of itself."""
    for metric in GAUGES:
        yield observed(metric) > 100
        yield observed(metric) * 2 > 500
        yield collapsed(deriv(select(metric), minutes(10))) < -2
        yield collapsed(quantile_over_time("0.9", select(metric), minutes(10))) > 90
    for metric in COUNTERS:
        yield collapsed(increase(select(metric), minutes(10))) > 10
        yield collapsed(rate(select(metric), minutes(5))) > 1000
    hits, misses = (
        collapsed(increase(select(one), minutes(10)))
        for one in (metrics.REDIS_KEYSPACE_HITS, metrics.REDIS_KEYSPACE_MISSES)
    )
    yield Ratio(hits, hits + misses, at_least=1000) < "0.8"
    yield Ratio(observed(metrics.REDIS_MEMORY_USED), observed(metrics.REDIS_MEMORY_MAX), 1) > "0.9"
    for first, second in pairwise(GAUGES):
        yield And(observed(first) > 100, observed(second) > 3, on=("target",))
        yield Or(observed(first) > 100, observed(second) > 5)
    yield Unless(observed(GAUGES[0]) > 100, observed(GAUGES[1]) > 5, on=("target",))
    yield collapsed(changes(select(metrics.REDIS_UP), minutes(10))) > 3
    clients, info = observed(metrics.REDIS_CONNECTED_CLIENTS), observed(metrics.REDIS_INSTANCE_INFO)
    yield Joined(clients, info, on=("target",), joined=("redis_version",)) > 300


def of_postgres() -> Iterator[Expr]:
    """What Postgres tells of itself."""
    for metric in DATABASES:
        yield sum_by(increase(select(metric), minutes(10)), "target", "datname") > "2.4"
        yield sum_by(collapsed(rate(select(metric), minutes(5))), "target") > 50
    for size in (10, 20, 40):
        yield (
            sum_by(
                collapsed(predict_linear(select(metrics.PG_DATABASE_SIZE), hours(6), days(4))),
                "target",
            )
            > size * 10**9
        )
        yield quantile("0.95", metrics.PG_ROUND_TRIP, minutes(size // 2)) > 1
        yield observed(metrics.PG_REPLICATION_LAG) > size
    yield (
        Ratio(
            sum_by(observed(metrics.PG_STAT_ACTIVITY_COUNT), "target"),
            observed(metrics.PG_SETTINGS_MAX_CONNECTIONS),
            at_least=1,
        )
        > "0.8"
    )
    yield (
        max_by(
            collapsed(
                select(metrics.PG_STAT_ACTIVITY_MAX_TX_DURATION).where(
                    Match.NOT_EQUAL, application_name="pg_dump"
                )
            ),
            "target",
            "datname",
        )
        > minutes(15)
    )


def of_business() -> Iterator[Expr]:
    """What SQL tells."""
    for figures, other in zip(SQL, (*SQL[1:], SQL[0]), strict=True):
        count = figures.metric(f"shop_{figures.name}")
        amount = figures.metric(f"shop_{figures.name}_amount")
        yield Ratio(observed(count, by=(), status="failed"), sum_by(observed(count)), 20) > "0.2"
        yield observed(amount) - observed(count) > 1000
        yield max_by(observed(count)) > 90
        yield min_by(observed(amount)) < 3
        yield (
            Ratio(
                sum_by(observed(count)),
                sum_by(observed(other.metric(f"shop_{other.name}"))),
                at_least=5,
            )
            < "0.5"
        )


RATES = tuple(
    Recording(
        name=f"service:http_requests:rate{window // minutes(1)}m",
        group="traffic",
        expr=sum_by(rate(requests, window), "service"),
    )
    for window in (*WINDOWS, hours(1))
)


def of_history() -> Iterator[Expr]:
    """What is unlike earlier days, or recorded."""
    for one in RATES:
        yield recorded(one) > 50
        yield recorded(one, service="service-007") > 50
    yield Ratio(recorded(RATES[-1]), Usual(recorded(RATES[-1])), at_least=5) > 3


def of_us() -> Iterator[Expr]:
    """What tells of the monitoring itself, where not each target is an alert."""
    yield Count(observed(metrics.PROBE_SUCCESS, by=("target",))) < len(SERVICES) + SHARDS
    yield Count(select(metrics.CONFIG_INFO).where(Match.NOT_EQUAL, sha256=CONFIG_SHA256)) > 0
    yield 1 - observed(metrics.CONNECTIVITY_UP) > "0.5"
    yield observed(metrics.UP, by=("instance",), job="prometheus") < "0.5"
    yield (
        sum_by(
            increase(select(metrics.ALERTMANAGER_NOTIFICATIONS_FAILED), minutes(5)), "integration"
        )
        > "0.5"
    )


RAW_TEXTS = (
    ("avg by (target) (redis_{0}_bytes) > {1}", "redis_{0}_bytes"),
    ("max by (target) (max_over_time(redis_{0}_bytes[10m])) > {1}", "redis_{0}_bytes"),
)


def of_raw() -> Iterator[Expr]:
    """PromQL as it stands."""
    for number, name in enumerate(("memory_used", "memory_used_rss", "aof_current_size")):
        for text, series in RAW_TEXTS:
            fed, limit = f'{series.format(name)}{{target="redis-1"}}', 1000 + number
            yield Raw(
                text.format(name, limit),
                cases=(
                    Fires(
                        series={fed: f"{limit + 1}x90"},
                        labels={"target": "redis-1"},
                        value=limit + 1,
                    ),
                    Quiet(series={fed: f"{limit}x90"}, at=minutes(6)),
                ),
            )


OBJECTIVES = (
    Slo(
        name="requests",
        group="objectives",
        objective="0.999",
        sli=Events(bad=failed, total=requests, by=("service",), at_least=100),
    ),
    Slo(
        name="latency",
        group="objectives",
        objective="0.99",
        sli=Latency(metrics.HTTP_REQUEST_DURATION, le="0.5", by=("service",), at_least=100),
    ),
    Slo(
        name="uptime",
        group="objectives",
        objective="0.99",
        sli=Uptime(select(metrics.PROBE_SUCCESS, kind="http")),
    ),
)


def budgets() -> Iterator[Alert]:
    """One name for all objectives and windows."""
    for slo in OBJECTIVES:
        about = "{{ $labels.target }}" if slo.name == "uptime" else "{{ $labels.service }}"
        for window in BURN_WINDOWS:
            yield Alert(
                name="ErrorBudgetBurn",
                group="objectives",
                expr=slo.burns(window),
                for_=minutes(1),
                severity="error",
                service=about,
                labels={**slo.labels(window), "objective": slo.name},
                summary=f"{about} spends its budget of {slo.name} too fast",
                description="It is {{ $value | humanizePercentage }}.",
            )


def dead_dependencies() -> Iterator[Alert]:
    """Those that silence their dependents."""
    for name, metric in (("DatabaseDown", metrics.PG_UP), ("RedisDown", metrics.REDIS_UP)):
        yield Alert(
            name=name,
            group="availability",
            expr=observed(metric) < "0.5",
            for_=seconds(10),
            severity="critical",
            inhibits_dependents=True,
            summary="{{ $labels.target }} is down",
            description="It does not answer.",
        )


ALERTS = (
    *dead_dependencies(),
    *family("Target", "targets", of_targets()),
    *family("Both", "both", of_two_facts()),
    *family("OwnService", "teams", of_one_service()),
    *family("Requests", "requests", of_requests()),
    *family("Redis", "redis", of_redis()),
    *family("Postgres", "postgres", of_postgres()),
    *family("Business", "business", of_business()),
    *family("History", "history", of_history(), for_=minutes(15), keep_firing_for=seconds(0)),
    *family("Monitoring", "monitoring", of_us()),
    *family("Raw", "raw", of_raw(), service="redis-1", keep_firing_for=seconds(0)),
    *budgets(),
    *family("Age", "ages", (Age(observed(metrics.SQL_LAST_SUCCESS)) > hours(n) for n in (1, 6))),
    *family(
        "Certificate",
        "ages",
        (
            TimeUntil(observed(metrics.PROBE_SSL_EARLIEST_CERT_EXPIRY)) < days(n)
            for n in (7, 14, 30)
        ),
    ),
    *family("Provider", "external", iter([observed(metrics.JSON_STATE, state="up") < "0.5"])),
    *family(
        "Exporter",
        "monitoring",
        iter([OrZero(observed(metrics.UP, by=(), job="monitoring-service")) < 1]),
        no_data="fires",
        service="monitoring-service",
        for_=seconds(30),
    ),
    Alert(
        name="Watchdog",
        group="monitoring",
        expr=Always(),
        for_=seconds(0),
        no_data="fires",
        severity=None,
        service="monitoring-service",
        summary="Alerting works",
        description="It always fires.",
    ),
)

# --- who is told --------------------------------------------------------------------------------

CONFIG = Platform(
    name="large",
    services=SERVICES,
    postgres=POSTGRES,
    redis=REDIS,
    sql=SQL,
    external=EXTERNAL,
    severities=(
        Severity(
            name="critical",
            response_time=minutes(5),
            channels=("email", "slack", "pagerduty"),
            escalation=(EscalationStep(after=minutes(5), to="lead"),),
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
        Email(to=("ops@example.org",), sender="m@example.org", smarthost="smtp.example.org:587"),
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
    alerts=ALERTS,
    recordings=tuple(slo.budget_left() for slo in OBJECTIVES),
    base_url="https://monitoring.example.org",
    grafana_url="https://grafana.example.org",
    dead_mans_switch="https://switch.example.org/large",
    ledger=Webhook(
        url="https://monitoring.example.org/api/alertmanager/alerts",
        credentials_file="/run/secrets/ingest_token",
    ),
)
