"""What the dashboards ask Prometheus: built from the catalogue, replicas collapsed.

`$service` and `$__rate_interval` are Grafana's; everything else is PromQL as it stands.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, cast

from model import names
from model.alerts import Alert
from model.durations import hours
from model.names import Collapse, Metric, MetricType
from model.platform import Platform
from model.promql import (
    Aggregate,
    Count,
    Expr,
    HistogramQuantile,
    Match,
    OrZero,
    OverRange,
    Selector,
    Threshold,
    TimeUntil,
    observed,
    rate,
    select,
)
from model.targets import Service

# The template variable that narrows a panel to the services that were chosen.
CHOSEN = "$service"
# Most replicas agree: an average over them of 0 and 1, compared with this.
MAJORITY = "0.5"
SLOWEST = 10

# What the state timeline's numbers mean.
DOWN, DEGRADED, UP, UNKNOWN = 0, 1, 2, 3

_ALERT = ("alertname", "service", "severity")


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
    earliest = Aggregate(names.ALERTS_FOR_STATE.collapse, began, _ALERT)
    return f"{earliest} * 1000 and on ({', '.join(_ALERT)}) {firing}"


def is_up(metric: Metric) -> str:
    """1 for each target that is up by its own metric, 0 for each that is not."""
    return f"{observed(metric)} >= bool {MAJORITY}"


def service_states() -> str:
    """Each chosen service's state, as one of DOWN, DEGRADED, UP and UNKNOWN.

    The first part that has a result for a service decides. A service is unknown when the exporter
    said in the last hour that it is to be probed, and there is no fresh result.
    """
    success = _chosen(observed(names.PROBE_SUCCESS, kind=Service.kind))
    degraded = _chosen(observed(names.TARGET_DEGRADED, kind=Service.kind))
    known = _chosen(observed(names.TARGET_INFO, by=("target",), over=hours(1), kind=Service.kind))
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
    duration = cast("Aggregate", _chosen(observed(names.PROBE_DURATION, kind=Service.kind)))
    # One ranking for the whole range: topk alone ranks at each step, and draws dozens of lines.
    averaged = f"avg by (target) (avg_over_time({duration.inner}[$__range] @ end()))"
    return f"{duration} and topk({SLOWEST}, {averaged})"


def failure_reasons() -> str:
    """1 for each reason why a chosen target's last probe failed."""
    return str(_of_chosen(names.PROBE_FAILURE_REASON, ("target", "reason")))


def result_age() -> str:
    """Seconds since each chosen target's last result."""
    return f"time() - {_of_chosen(names.PROBE_LAST_RESULT, ('target',))}"


def round_trip_p95() -> str:
    """The 95th percentile of Postgres' round trip, for a config that has no alert on it."""
    summed = per_second(names.PG_ROUND_TRIP, ("target", "le"))
    return f"histogram_quantile(0.95, {summed})"


def certificate_left() -> str:
    """Seconds until each certificate expires, for a config that has no alert on it."""
    return str(_chosen(TimeUntil(observed(names.PROBE_SSL_EARLIEST_CERT_EXPIRY))))


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


def compared(alert: Alert) -> Threshold | None:
    """The alert's comparison with a number; None if it has none.

    Ranges of time stay as the alert has them: with another one, the line that is drawn would not
    be the one that the alert compares. One line per target is narrowed to the chosen services; a
    figure about several targets would be another figure then, and stays.
    """
    if not isinstance(alert.expr, Threshold):
        return None
    return cast("Threshold", _chosen(alert.expr)) if "target" in alert.expr.labels else alert.expr


def watches(alert: Alert, metric: Metric) -> bool:
    """Whether the alert compares this metric with a number."""
    inside = (part for part in alert.expr.walk() if isinstance(part, Selector))
    return isinstance(alert.expr, Threshold) and any(part.metric is metric for part in inside)


def unit(expr: Expr) -> str:
    """Grafana's unit for the results of an expression."""
    match expr:
        case TimeUntil():
            return "dtdurations"
        case Aggregate() | HistogramQuantile() | OrZero() | Threshold():
            return unit(expr.inner)
        case OverRange(function="rate"):
            # Buckets are counted per second, but a quantile of them is in the bounds' unit.
            is_histogram = expr.inner.metric.type is MetricType.HISTOGRAM
            return unit(expr.inner) if is_histogram else "cps"
        case OverRange():
            return unit(expr.inner)
        case Selector(metric=metric):
            return _metric_unit(metric)
        case _:
            return "short"


def _metric_unit(metric: Metric) -> str:
    if metric.name.endswith("_seconds") and not metric.name.endswith("_timestamp_seconds"):
        return "s"
    return "bytes" if metric.name.endswith("_bytes") else "short"


def _of_chosen(metric: Metric, by: tuple[str, ...]) -> Aggregate:
    """A metric of the chosen services, or of all targets of every kind if none was chosen."""
    return Aggregate(metric.collapse, select(metric).where(Match.REGEX, target=CHOSEN), by)


def _chosen(expr: Expr) -> Expr:
    """The expression with everything that is about services narrowed to the chosen ones."""
    if isinstance(expr, Selector):
        return expr.where(Match.REGEX, target=CHOSEN) if _is_about_services(expr) else expr
    inside = {field.name: getattr(expr, field.name) for field in fields(cast("Any", expr))}
    changed = {name: _chosen(part) for name, part in inside.items() if isinstance(part, Expr)}
    return cast("Expr", replace(cast("Any", expr), **changed))


def _is_about_services(selector: Selector) -> bool:
    """Whether it selects services only: a Postgres is not among the variable's names."""
    labels = selector.metric.labels
    if "kind" in labels:
        return selector.fixed.get("kind") == Service.kind
    return "target" in labels and selector.metric.name.startswith("probe_")
