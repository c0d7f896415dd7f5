"""GET /health, /status, /-/healthy and /-/ready."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from exporter.maintenance import Open
from exporter.probers.result import Health
from exporter.watch import TargetSnapshot
from exporter.web.errors import now
from exporter.web.keys import SERVICE
from exporter.web.slices import sliced
from exporter.web.states import awake, details, isolation, state
from model.json_target import JsonTarget
from model.redis import Redis
from model.targets import Postgres, Service, TcpService


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
    verdict = overall(awake(ours, resting), awake(dependencies, resting))
    body = {
        "status": verdict.value,
        "uptime": round(time.time() - service.started_at, 3),
        "timestamp": now(),
        **isolation(service.connectivity.isolated_since),
        **({"shard": str(shard)} if shard.count > 1 else {}),
        "services": await sliced(partial(_service, resting), services),
        "dependencies": {shot.target.name: state(shot, resting) for shot in dependencies},
        # What others run is shown, but does not make the platform ill.
        "external": {
            shot.target.name: {**state(shot, resting), "details": details(shot)}
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
    return {"service": shot.target.name, **state(shot, resting), "details": details(shot)}


async def _status(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "timestamp": now()})


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="OK\n")


async def _ready(_request: web.Request) -> web.Response:
    return web.Response(text="OK\n")
