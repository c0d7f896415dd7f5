"""What the API answers about what is watched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from exporter.web.api.alert_models import Figures as AlertFigures
from exporter.web.api.alert_models import NamedFigures, Summary
from exporter.web.api.shapes import Query, Shape, Timestamp

TimeRange = Literal["1h", "6h", "24h", "7d", "30d"]
State = Literal["healthy", "degraded", "unhealthy", "unknown"]


class OverviewQuery(Query):
    """Over how long a time, until now, alerts are counted."""

    time_range: TimeRange = "24h"


class Maintenance(Shape):
    """A window that is open: its alerts do not fire."""

    until: Timestamp
    reason: str


class Details(Shape):
    """When it was probed, since when it is as it is, and what is wrong."""

    last_checked: Timestamp | None = None
    since: Timestamp | None = None
    reason: str | None = None
    message: str | None = None


class TargetState(Shape):
    """What is known of something that is watched. `latency` is in milliseconds."""

    status: State
    latency: float | None
    maintenance: Maintenance | None = None
    details: Details


class Latencies(Shape):
    """Of probes that succeeded, in milliseconds; null if none did."""

    p50: float | None
    p95: float | None
    p99: float | None


class WindowFigures(Shape):
    """Of all replicas and shards over a time until now. `availability` is from 0 to 1."""

    probes: int
    successes: int
    degraded: int
    availability: float | None
    latency: Latencies


class ServiceState(TargetState):
    """What is known of a service.

    `figures` are by window: 24h, 7d and 30d; null without a ledger, or while its store is away.
    """

    service: str
    kind: str
    figures: dict[str, WindowFigures] | None


class StateCounts(Shape):
    """How many are how."""

    total: int
    healthy: int
    degraded: int
    unhealthy: int
    unknown: int


class ServicesAnswer(Shape):
    """All services that this exporter watches."""

    services: list[ServiceState]
    summary: StateCounts
    timestamp: Timestamp


class ServiceAnswer(ServiceState):
    """One target of the config, with its address, which holds no credentials."""

    url: str
    timestamp: Timestamp


class AlertsInRange(Shape):
    """Open alerts as they are now, and how those were responded to that began in the range."""

    active: int
    acknowledged: int
    open: Summary
    range: AlertFigures
    most_frequent: list[NamedFigures] = Field(max_length=10)


class OverviewAnswer(Shape):
    """All at a glance. `alerts` is null where no ledger is kept."""

    status: State
    time_range: TimeRange
    since: Timestamp = Field(alias="from")
    until: Timestamp = Field(alias="to")
    uptime: float
    services: StateCounts
    dependencies: dict[str, TargetState]
    external: dict[str, TargetState]
    alerts: AlertsInRange | None


class WorkerState(Shape):
    """A worker, of all replicas together. `interval` is in milliseconds.

    `status`: waiting for its first run, running, idle, failing (its last run has failed),
    interrupted (the replica that ran it is gone), or resting (READ_ONLY is set here). `replica` is
    who ran it last.
    """

    name: str
    status: Literal["waiting", "running", "idle", "failing", "interrupted", "resting"]
    last_run: Timestamp | None
    next_run: Timestamp
    interval: int
    success_count: int
    error_count: int
    last_error: str | None
    replica: str | None


class WorkersAnswer(Shape):
    """What is done again and again."""

    workers: list[WorkerState]
