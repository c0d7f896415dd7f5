"""What services have to expose themselves, and lack."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from model.declared import report
from model.jobs import SERVICES_JOB
from model.metric import Collapse, Metric
from model.names import UP
from model.promql import Aggregate, Always, Expr, Match, Named, Or, Unless, select
from model.targets import Service

_BY = ("service",)


def missing_metrics(services: Iterable[Service]) -> Expr:
    """One result for each service and metric that it is to expose, and of which it has no series.

    Labels are `service` and `metric`. A scrape that fails brings no series either. Services that
    Prometheus does not know have no result: that is for alerts about discovery.
    """
    exposing: dict[Metric, list[str]] = {}
    for service in services:
        for metric in service.exposes:
            exposing.setdefault(metric, []).append(service.name)
    if not exposing:
        report("missing_metrics: no service says what it exposes")
        return Always()
    return reduce(Or, (_missing(metric, names) for metric, names in exposing.items()))


def _missing(metric: Metric, names: list[str]) -> Expr:
    scraped = select(UP, job=SERVICES_JOB).where(Match.REGEX, service="|".join(names))
    expected = Aggregate(Collapse.MAX, scraped, _BY)
    present = Aggregate(metric.collapse, select(metric), _BY)
    return Named(Unless(expected, present, _BY), "metric", metric.name)
