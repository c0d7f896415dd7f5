"""GET /health, /status, /-/healthy and /-/ready."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from exporter.maintenance import Open
from exporter.probers.result import Health
from exporter.watch import TargetSnapshot
from exporter.web.errors import iso, now
from exporter.web.keys import SERVICE
from exporter.web.slices import sliced
from model.json_target import JsonTarget
from model.redis import Redis
from model.targets import Postgres, Service, TcpService

_UNKNOWN = "unknown"
_CUT_OFF = "this exporter is cut off from its own network"


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [
        web.get("/health", _health),
        web.get("/status", _status),
        web.get("/-/healthy", _healthy),
        web.get("/-/ready", _ready),
    ]


async def _health(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    snapshots = service.runner.snapshots()
    services = [shot for shot in snapshots if isinstance(shot.target, (Service, TcpService))]
    dependencies = [shot for shot in snapshots if isinstance(shot.target, (Postgres, Redis))]
    external = [shot for shot in snapshots if isinstance(shot.target, JsonTarget)]
    own, shard = service.loaded.platform.own_service, service.settings.shard
    resting = service.loaded.calendar.open(time.time())
    ours = [shot for shot in services if shot.target.name != own]
    verdict = overall(_awake(ours, resting), _awake(dependencies, resting))
    body = {
        "status": verdict.value,
        "uptime": round(time.time() - service.started_at, 3),
        "timestamp": now(),
        **_isolation(service.connectivity.isolated_since),
        **({"shard": str(shard)} if shard.count > 1 else {}),
        "services": await sliced(partial(_service, resting), services),
        "dependencies": {shot.target.name: _state(shot, resting) for shot in dependencies},
        # What others run is shown, but does not make the platform ill.
        "external": {
            shot.target.name: {**_state(shot, resting), "details": _details(shot)}
            for shot in external
        },
    }
    return web.json_response(body, status=503 if verdict is Health.UNHEALTHY else 200)


def overall(services: Sequence[TargetSnapshot], dependencies: Sequence[TargetSnapshot]) -> Health:
    """One verdict for the platform.

    Unhealthy when a database or most services are down; degraded when anything is not known to
    be healthy; healthy otherwise.
    """
    down = [shot for shot in services if _is(shot, Health.UNHEALTHY)]
    if any(_is(shot, Health.UNHEALTHY) for shot in dependencies) or 2 * len(down) > len(services):
        return Health.UNHEALTHY
    if all(_is(shot, Health.HEALTHY) for shot in (*services, *dependencies)):
        return Health.HEALTHY
    return Health.DEGRADED


def _is(shot: TargetSnapshot, health: Health) -> bool:
    return shot.result is not None and shot.result.health is health


def _service(resting: Mapping[str, Open], shot: TargetSnapshot) -> dict[str, Any]:
    return {"service": shot.target.name, **_state(shot, resting), "details": _details(shot)}


def _isolation(since: float | None) -> dict[str, Any]:
    if since is None:
        return {}
    return {"isolated": {"since": iso(since), "message": _CUT_OFF}}


def _awake(shots: Iterable[TargetSnapshot], resting: Mapping[str, Open]) -> list[TargetSnapshot]:
    """Those that are not in maintenance: what is broken on purpose makes nobody ill."""
    return [shot for shot in shots if shot.target.name not in resting]


def _state(shot: TargetSnapshot, resting: Mapping[str, Open]) -> dict[str, Any]:
    state: dict[str, Any] = {"status": _UNKNOWN, "latency": None}
    if shot.result is not None:
        state["status"] = shot.result.health.value
        state["latency"] = round(shot.result.duration * 1000, 3)
    if window := resting.get(shot.target.name):
        state["maintenance"] = {"until": iso(window.until), "reason": window.reason}
    return state


def _details(shot: TargetSnapshot) -> dict[str, Any]:
    if shot.result is None or shot.since is None:
        return {"message": _CUT_OFF if shot.withheld else "no result that is recent enough"}
    details = {"lastChecked": iso(shot.result.ended_at), "since": iso(shot.since)}
    if shot.result.reason is not None:
        details["reason"] = shot.result.reason.value
    if shot.result.detail:
        details["message"] = shot.result.detail
    return details


async def _status(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "timestamp": now()})


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="OK\n")


async def _ready(_request: web.Request) -> web.Response:
    return web.Response(text="OK\n")
