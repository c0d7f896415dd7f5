"""One alert for each building block of `model/promql/`, which promtool is to confirm."""

from typing import Any

from model import (
    BURN_WINDOWS,
    Age,
    Alert,
    And,
    Count,
    Email,
    Events,
    Match,
    Or,
    Platform,
    Postgres,
    Ratio,
    Recording,
    Redis,
    Service,
    Severity,
    Slack,
    Slo,
    SqlMetrics,
    SqlValue,
    Unless,
    Uptime,
    Usual,
    avg_over_time,
    changes,
    collapsed,
    delta,
    deriv,
    hours,
    increase,
    max_by,
    metrics,
    min_by,
    minutes,
    observed,
    predict_linear,
    quantile,
    quantile_over_time,
    rate,
    recorded,
    select,
    sum_by,
)
from model.promql import Expr

PAYMENTS = SqlMetrics(
    name="payments",
    query="SELECT status, count(*) AS payments FROM payments GROUP BY status",
    key_labels=("status",),
    postgres="db",
    values=(SqlValue(column="payments", metric_name="shop_payments", help="Payments."),),
)
REFUNDS = SqlMetrics(
    name="refunds",
    query="SELECT count(*) AS refunds FROM refunds",
    postgres="db",
    values=(SqlValue(column="refunds", metric_name="shop_refunds", help="Refunds."),),
)
payments = PAYMENTS.metric("shop_payments")
refunds = REFUNDS.metric("shop_refunds")
requests = select(metrics.HTTP_REQUESTS)
failed = requests.where(Match.REGEX, status_code="5..")

REQUESTS = Recording(
    name="service:http_requests:rate1h",
    group="traffic",
    expr=sum_by(rate(requests, hours(1)), "service"),
)
DOUBLE = Recording(
    name="service:http_requests:double1h", group="traffic", expr=recorded(REQUESTS) * 2
)
# Neither is moved by what was other for a moment.
ROUND_TRIP = Recording(
    name="target:round_trip:p95",
    group="shapes",
    expr=quantile("0.95", metrics.PG_ROUND_TRIP, minutes(5)),
)
SERVERS = Recording(
    name="all:probe_success:count",
    group="shapes",
    expr=Count(observed(metrics.PROBE_SUCCESS, by=("target",), kind="postgres")),
)
AVAILABILITY = Slo(
    name="requests",
    group="slo",
    objective="0.999",
    sli=Events(bad=failed, total=requests, by=("service",), at_least=100),
)
UPTIME = Slo(
    name="uptime",
    group="slo",
    objective="0.99",
    sli=Uptime(select(metrics.PROBE_SUCCESS, kind="http")),
)


def alert(name: str, group: str, expr: Expr, **more: Any) -> Alert:
    about = {"target": "{{ $labels.target }}", "service": "{{ $labels.service }}"}
    known = [about[label] for label in about if label in expr.labels]
    settings: dict[str, Any] = {
        "for_": minutes(1),
        "severity": "error",
        "service": known[0] if known else "shop",
        "summary": f"{name} for {known[0]}" if known else name,
        "description": "It is {{ $value | humanize }}.",
    }
    return Alert(name=name, expr=expr, group=group, **{**settings, **more})


ALERTS = (
    # --- ratios
    alert(
        "RatioOfGauges",
        "ratios",
        Ratio(observed(refunds, by=()), sum_by(observed(payments)), at_least=20) > "0.1",
        description="{{ $value | humanizePercentage }} are refunded.",
    ),
    alert(
        "ShareByStatus",
        "ratios",
        Ratio(observed(payments, by=(), status="failed"), sum_by(observed(payments)), at_least=20)
        > "0.2",
    ),
    alert(
        "ShareOfRequests",
        "ratios",
        Ratio(
            sum_by(increase(failed, minutes(5)), "service"),
            sum_by(increase(requests, minutes(5)), "service"),
            at_least=50,
        )
        > "0.05",
    ),
    alert(
        "ShareOfRates",
        "ratios",
        Ratio(
            sum_by(rate(failed, minutes(5)), "service"),
            sum_by(rate(requests, minutes(5)), "service"),
            at_least="0.5",
        )
        >= "0.05",
    ),
    alert(
        "ShareOfSuccesses",
        "ratios",
        Ratio(
            sum_by(increase(requests, minutes(5)), "service")
            - sum_by(increase(failed, minutes(5)), "service"),
            sum_by(increase(requests, minutes(5)), "service"),
            at_least=50,
        )
        < "0.95",
    ),
    alert(
        "PerRoute",
        "ratios",
        Ratio(
            sum_by(increase(failed, minutes(5)), "service", "route"),
            sum_by(increase(requests, minutes(5)), "service"),
            at_least=50,
            on=("service",),
        )
        > "0.05",
    ),
    alert(
        "HitRatioLow",
        "ratios",
        Ratio(
            collapsed(increase(select(metrics.REDIS_KEYSPACE_HITS), minutes(10))),
            collapsed(increase(select(metrics.REDIS_KEYSPACE_HITS), minutes(10)))
            + collapsed(increase(select(metrics.REDIS_KEYSPACE_MISSES), minutes(10))),
            at_least=1000,
        )
        < "0.8",
    ),
    alert(
        "MemoryOfLimit",
        "ratios",
        Ratio(
            observed(metrics.REDIS_MEMORY_USED),
            observed(metrics.REDIS_MEMORY_MAX),
            at_least=1,
        )
        > "0.9",
    ),
    # --- arithmetic and ages
    alert(
        "Difference",
        "arithmetic",
        observed(metrics.PG_UP) - observed(metrics.PG_REPLICATION_LAG) > 3,
    ),
    alert("Scaled", "arithmetic", 1 - observed(metrics.REDIS_UP) * 2 > "0.5"),
    alert("TooOld", "arithmetic", Age(observed(metrics.SQL_LAST_SUCCESS)) > hours(6)),
    # --- sets
    alert(
        "Both",
        "sets",
        And(
            observed(metrics.REDIS_CONNECTED_CLIENTS) > 100,
            observed(metrics.REDIS_BLOCKED_CLIENTS) > 0,
            on=("target",),
        ),
    ),
    alert(
        "Either",
        "sets",
        Or(
            observed(metrics.REDIS_CONNECTED_CLIENTS) > 100,
            observed(metrics.REDIS_BLOCKED_CLIENTS) > 5,
        ),
    ),
    alert(
        "ButNot",
        "sets",
        Unless(
            observed(metrics.REDIS_CONNECTED_CLIENTS) > 100,
            observed(metrics.REDIS_BLOCKED_CLIENTS) > 5,
            on=("target",),
        ),
    ),
    # --- over time
    alert(
        "Rises",
        "over-time",
        collapsed(increase(select(metrics.REDIS_EVICTED_KEYS), minutes(10))) > 10,
    ),
    alert("Fast", "over-time", sum_by(rate(requests, minutes(5)), "service") > 100),
    alert("Slow", "over-time", sum_by(rate(requests, minutes(5)), "service") < 1),
    alert(
        "Grows",
        "over-time",
        collapsed(delta(select(metrics.REDIS_CONNECTED_CLIENTS), minutes(10))) > 50,
    ),
    alert(
        "Shrinks",
        "over-time",
        collapsed(deriv(select(metrics.REDIS_CONNECTED_CLIENTS), minutes(10))) < -2,
    ),
    alert("Flaps", "over-time", collapsed(changes(select(metrics.REDIS_UP), minutes(10))) > 3),
    alert(
        "WillBeFull",
        "over-time",
        collapsed(predict_linear(select(metrics.REDIS_MEMORY_USED), minutes(30), ahead=hours(4)))
        > 10**9,
    ),
    alert(
        "Mostly",
        "over-time",
        collapsed(avg_over_time(select(metrics.REDIS_UP), minutes(10))) < "0.9",
    ),
    alert(
        "OftenHigh",
        "over-time",
        collapsed(quantile_over_time("0.9", select(metrics.REDIS_CONNECTED_CLIENTS), minutes(10)))
        > 90,
    ),
    alert("Greatest", "over-time", max_by(observed(payments)) > 90),
    alert("Least", "over-time", min_by(observed(payments)) < 3),
    # --- recorded and earlier
    alert("RecordedHere", "traffic", recorded(DOUBLE) > 50),
    alert("RecordedElsewhere", "history", recorded(DOUBLE, service="web") > 50),
    alert(
        "UnlikeOtherDays",
        "traffic",
        Ratio(recorded(REQUESTS), Usual(recorded(REQUESTS)), at_least=5) > 3,
        for_=minutes(15),
    ),
    alert(
        "UnlikeLastWeeks",
        "history",
        Ratio(
            observed(refunds, by=()),
            Usual(observed(refunds, by=()), at=(hours(2), hours(4)), at_least=1, method="avg"),
            at_least=5,
        )
        < "0.5",
        for_=minutes(10),
    ),
    # --- one name
    *(
        alert("DataLossRisk", "loss", observed(metric) < "0.5", labels={"cause": cause})
        for cause, metric in (("redis", metrics.REDIS_UP), ("postgres", metrics.PG_UP))
    ),
    *(
        alert("TooMany", "loss", observed(metrics.REDIS_CONNECTED_CLIENTS) > most, severity=name)
        for name, most in (("error", 100), ("critical", 200))
    ),
    # --- objectives
    *(
        alert(
            "ErrorBudgetBurn",
            "slo",
            slo.burns(window),
            labels={**slo.labels(window), "objective": slo.name},
        )
        for slo in (AVAILABILITY, UPTIME)
        for window in BURN_WINDOWS
    ),
)

CONFIG = Platform(
    name="shop",
    services=(Service(name="web", port=80), Service(name="api", port=81)),
    postgres=(Postgres(name="db", url="postgresql://db/shop"),),
    redis=(Redis(name="cache", url="redis://cache"),),
    sql=(PAYMENTS, REFUNDS),
    severities=(
        Severity(name="critical", response_time=minutes(5), channels=("email",)),
        Severity(name="error", response_time=minutes(15), channels=("slack",)),
    ),
    channels=(
        Email(to=("ops@example.org",), sender="m@example.org", smarthost="smtp.example.org:587"),
        Slack(webhook_url_file="/run/secrets/slack", channel="#ops"),
    ),
    contacts=(),
    alerts=ALERTS,
    recordings=(AVAILABILITY.budget_left(), ROUND_TRIP, SERVERS),
    base_url="https://monitoring.example.org",
    dead_mans_switch="https://switch.example.org/shop",
)
