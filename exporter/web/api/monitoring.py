"""What is watched: services, one of them, and all at a glance."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from aiohttp import web

from exporter.maintenance import Open
from exporter.watch import TargetSnapshot
from exporter.web.api.alert_models import Figures
from exporter.web.api.alerts import counted_by_severity, figures_of, named_figures, period
from exporter.web.api.availability import AVAILABILITY, Shown
from exporter.web.api.endpoint import Call
from exporter.web.api.monitoring_models import (
    AlertsInRange,
    OverviewAnswer,
    OverviewQuery,
    ServiceAnswer,
    ServicesAnswer,
    ServiceState,
    StateCounts,
    TargetState,
    WorkersAnswer,
    WorkerState,
)
from exporter.web.api.shapes import Nothing, stamp, stamp_or_none
from exporter.web.errors import now
from exporter.web.health import overall
from exporter.web.slices import sliced
from exporter.web.states import UNKNOWN, awake, details, state
from model.declared import suggestion
from model.json_target import JsonTarget
from model.redis import Redis
from model.targets import Postgres, Service, TcpService

if TYPE_CHECKING:
    from exporter.ledger.ledger import Ledger

_MOST_FREQUENT: Final = 10


async def list_services(call: Call[Nothing, Nothing]) -> ServicesAnswer:
    """Every service that this exporter watches."""
    resting = call.service.loaded.calendar.open(time.time())
    shots = [
        shot
        for shot in call.service.runner.snapshots()
        if isinstance(shot.target, (Service, TcpService))
    ]
    figures = await _figures(call)
    return ServicesAnswer(
        services=await sliced(partial(_service, resting, figures), shots),
        summary=_counts(shots),
        timestamp=now(),
    )


async def show_service(call: Call[Nothing, Nothing]) -> ServiceAnswer:
    """One target by its name, a database too. Raises HTTPNotFound."""
    name = call.part("name")
    shots = {shot.target.name: shot for shot in call.service.runner.snapshots()}
    if name not in shots:
        near = suggestion(name[:63], shots)
        raise web.HTTPNotFound(text=f'there is no service "{name[:63]}"{near}')
    resting = call.service.loaded.calendar.open(time.time())
    figures = await _figures(call)
    return ServiceAnswer(
        **_service(resting, figures, shots[name]).model_dump(),
        url=_address(call.service.loaded.urls[name]),
        timestamp=now(),
    )


async def list_workers(call: Call[Nothing, Nothing]) -> WorkersAnswer:
    """When each worker ran, and when it will. Without a ledger there are none."""
    workers = call.service.workers
    states = [] if workers is None else await workers.states()
    return WorkersAnswer(
        workers=[
            WorkerState(
                name=worker.name,
                status=worker.status,
                last_run=stamp_or_none(worker.last_run),
                next_run=stamp(worker.next_run),
                interval=round(worker.interval.total_seconds() * 1000),
                success_count=worker.success_count,
                error_count=worker.error_count,
                last_error=worker.last_error,
                replica=worker.replica,
            )
            for worker in states
        ]
    )


async def overview(call: Call[OverviewQuery, Nothing]) -> OverviewAnswer:
    """What a dashboard begins with."""
    service = call.service
    resting = service.loaded.calendar.open(time.time())
    shots = service.runner.snapshots()
    services = [shot for shot in shots if isinstance(shot.target, (Service, TcpService))]
    dependencies = [shot for shot in shots if isinstance(shot.target, (Postgres, Redis))]
    external = [shot for shot in shots if isinstance(shot.target, JsonTarget)]
    own = service.loaded.platform.own_service
    ours = [shot for shot in services if shot.target.name != own]
    until = datetime.now(UTC)
    since = until - period(call.query.time_range)
    return OverviewAnswer(
        status=overall(awake(ours, resting), awake(dependencies, resting)).value,
        time_range=call.query.time_range,
        since=stamp(since),
        until=stamp(until),
        uptime=round(time.time() - service.started_at, 3),
        services=_counts(services),
        dependencies={shot.target.name: _state(resting, shot) for shot in dependencies},
        external={shot.target.name: _state(resting, shot) for shot in external},
        alerts=None if service.ledger is None else await _alerts(service.ledger, since, until),
    )


async def _alerts(ledger: Ledger, since: datetime, until: datetime) -> AlertsInRange:
    from exporter.ledger import listing
    from exporter.ledger.archives import everywhere
    from exporter.ledger.statistics import by_name, total
    from exporter.ledger.tables import ACKNOWLEDGED, ACTIVE, alerts

    async with ledger.store.read() as connection:
        counted = await listing.counts(connection, (ACTIVE, ACKNOWLEDGED), listing.Filters())
        found = await by_name(connection, await everywhere(connection, alerts), since, until)
    by_status: Counter[str] = Counter()
    for (status, _), count in counted.items():
        by_status[status] += count
    return AlertsInRange(
        active=by_status[ACTIVE],
        acknowledged=by_status[ACKNOWLEDGED],
        open=counted_by_severity(counted),
        range=Figures(**figures_of(total(found))),
        most_frequent=[named_figures(one) for one in found[:_MOST_FREQUENT]],
    )


async def _figures(call: Call[Any, Any]) -> Shown:
    # Of all targets, whichever are shown: they are asked for once, and kept for a while.
    names = [shot.target.name for shot in call.service.runner.snapshots()]
    return await call.request.app[AVAILABILITY].of(call.service, names)


def _address(url: str) -> str:
    """A URL without what may be secret in it: user, password and parameters."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _service(resting: Mapping[str, Open], figures: Shown, shot: TargetSnapshot) -> ServiceState:
    return ServiceState(
        service=shot.target.name,
        kind=shot.target.kind,
        figures=figures.get(shot.target.name),
        **_told(resting, shot),
    )


def _state(resting: Mapping[str, Open], shot: TargetSnapshot) -> TargetState:
    return TargetState(**_told(resting, shot))


def _told(resting: Mapping[str, Open], shot: TargetSnapshot) -> dict[str, Any]:
    return {**state(shot, resting), "details": details(shot)}


def _counts(shots: Sequence[TargetSnapshot]) -> StateCounts:
    found = Counter(shot.result.health.value if shot.result else UNKNOWN for shot in shots)
    return StateCounts(
        total=len(shots),
        healthy=found["healthy"],
        degraded=found["degraded"],
        unhealthy=found["unhealthy"],
        unknown=found[UNKNOWN],
    )
