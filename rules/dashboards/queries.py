"""What the dashboards ask Prometheus: built from the catalogue, replicas collapsed.

`$service` and `$__rate_interval` are Grafana's; everything else is PromQL as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from model import names
from model.alerts import Alert
from model.durations import hours, prometheus
from model.names import Collapse, Metric
from model.platform import Platform
from model.promql import (
    Aggregate,
    Count,
    Expr,
    Match,
    OrZero,
    Selector,
    Threshold,
    TimeUntil,
    observed,
    rate,
    select,
)
from model.targets import Service
from rules.dashboards.choices import SERVICES

# Most replicas agree: an average over them of 0 and 1, compared with this.
MAJORITY = "0.5"
SLOWEST = 10

# What the state timeline's numbers mean.
DOWN, DEGRADED, UP, UNKNOWN = 0, 1, 2, 3

# What tells one alert from another, as people are shown it.
ALERT = ("alertname", "service", "severity")


def services_down() -> str:
    """How many services are down; no result at all where nothing is probed."""
    return f"sum({observed(names.PROBE_SUCCESS, kind=Service.kind)} < bool {MAJORITY})"


def services_degraded() -> str:
    """How many services call themselves degraded; no result at all where nothing is probed."""
    return f"sum({observed(names.TARGET_DEGRADED, kind=Service.kind)} > bool {MAJORITY})"


def targets_unknown(platform: Platform) -> str:
    """How many of the config's targets have no fresh result."""
    seen = OrZero(Count(observed(names.PROBE_SUCCESS, by=("target",))))
    return f"{len(platform.targets)} - {seen}"


def alerts_firing(severity: str) -> str:
    """How many alerts of a severity are firing."""
    firing = select(names.ALERTS, alertstate="firing", severity=severity)
    return str(OrZero(Aggregate(Collapse.SUM, firing)))


def alerts_since() -> str:
    """Since when each alert that people are told of is firing, in milliseconds of unix time."""
    began = select(names.ALERTS_FOR_STATE).where(Match.NOT_EQUAL, severity="")
    firing = select(names.ALERTS, alertstate="firing")
    earliest = Aggregate(names.ALERTS_FOR_STATE.collapse, began, ALERT)
    return f"{earliest} * 1000 and on ({', '.join(ALERT)}) {firing}"


def mostly(expr: Expr) -> str:
    """1 for each result of which most replicas say 1, 0 for the others."""
    return f"{expr} >= bool {MAJORITY}"


def top(count: int, expr: Expr) -> str:
    """The greatest results at each moment."""
    return f"topk({count}, {expr})"


def service_states() -> str:
    """Each chosen service's state, as one of DOWN, DEGRADED, UP and UNKNOWN."""
    return _states(Service.kind, SERVICES.narrow)


def states_of(kind: str) -> str:
    """The state of each target of a kind, as service_states gives it."""
    return _states(kind, lambda expr: expr)


def _states(kind: str, narrow: Callable[[Expr], Expr]) -> str:
    """The first part that has a result for a target decides.

    A target is unknown when the exporter said in the last hour that it is to be probed, and there
    is no fresh result.
    """
    success = narrow(observed(names.PROBE_SUCCESS, kind=kind))
    degraded = narrow(observed(names.TARGET_DEGRADED, kind=kind))
    known = narrow(observed(names.TARGET_INFO, by=("target",), over=hours(1), kind=kind))
    return "\n  or ".join(
        (
            f"({success} < {MAJORITY}) * 0 + {DOWN}",
            f"({degraded} > {MAJORITY}) * 0 + {DEGRADED}",
            f"{success} * 0 + {UP}",
            f"{known} * 0 + {UNKNOWN}",
        )
    )


def slowest_probes() -> str:
    """How long probes of those services took that were slowest over the time range shown."""
    duration = cast("Aggregate", SERVICES.narrow(observed(names.PROBE_DURATION, kind=Service.kind)))
    # One ranking for the whole range: topk alone ranks at each step, and draws dozens of lines.
    averaged = f"avg by (target) (avg_over_time({duration.inner}[$__range] @ end()))"
    return f"{duration} and topk({SLOWEST}, {averaged})"


def most_failing() -> str:
    """The share of the time shown in which the services failed that failed most."""
    success = cast("Aggregate", SERVICES.narrow(observed(names.PROBE_SUCCESS, kind=Service.kind)))
    failed = f"1 - avg by (target) (avg_over_time({success.inner}[$__range]))"
    return f"topk({SLOWEST}, {failed} > 0)"


def failure_reasons() -> str:
    """1 for each reason why a chosen target's last probe failed."""
    return str(_of_chosen(names.PROBE_FAILURE_REASON, ("target", "reason")))


def services_are_scraped(platform: Platform) -> str:
    """How often Prometheus reads the services' own metrics, as Grafana writes a time."""
    return prometheus(platform.watched_by.services_scrape_interval)


def result_age() -> str:
    """Seconds since each chosen target's last result."""
    return f"time() - {_of_chosen(names.PROBE_LAST_RESULT, ('target',))}"


def round_trip_p95() -> str:
    """The 95th percentile of Postgres' round trip, for a config that has no alert on it."""
    summed = per_second(names.PG_ROUND_TRIP, ("target", "le"))
    return f"histogram_quantile(0.95, {summed})"


def certificate_left() -> str:
    """Seconds until each certificate expires, for a config that has no alert on it."""
    return str(SERVICES.narrow(TimeUntil(observed(names.PROBE_SSL_EARLIEST_CERT_EXPIRY))))


def per_second(metric: Metric, by: tuple[str, ...]) -> str:
    """A counter's rate, summed over replicas."""
    selector = select(metric)
    # The length is Grafana's to choose, and the model's lengths are fixed: the model only checks
    # that the metric has a rate.
    rate(selector, hours(1))
    return f"sum by ({', '.join(by)}) (rate({selector}[$__rate_interval]))"


def worst(metric: Metric) -> str:
    """A gauge of the process, as the worst replica has it."""
    return str(observed(metric, by=()))


def watches(alert: Alert, metric: Metric) -> bool:
    """Whether the alert compares this metric with a number."""
    inside = (part for part in alert.expr.walk() if isinstance(part, Selector))
    return isinstance(alert.expr, Threshold) and any(part.metric is metric for part in inside)


def _of_chosen(metric: Metric, by: tuple[str, ...]) -> Aggregate:
    """A metric of the chosen services, or of all targets of every kind if none was chosen."""
    chosen = select(metric).where(Match.REGEX, target=SERVICES.variable)
    return Aggregate(metric.collapse, chosen, by)
