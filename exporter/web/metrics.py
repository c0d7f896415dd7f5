"""GET /metrics and GET /probe."""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import replace

from aiohttp import web

from exporter.conversation import blackbox
from exporter.conversation.connection import RecordingNetwork
from exporter.conversation.recorder import Recorder, recorded_by
from exporter.exposition import CONTENT_TYPE, join, probe_page
from exporter.service import Service
from exporter.web.access import require_loopback, require_scraper
from exporter.web.identity import require
from exporter.web.keys import SERVICE
from model.declared import suggestion
from model.names import MAINTENANCE, PROBES, TARGET_INFO, Scope, catalogue

_OF_TARGETS = (
    *(
        metric
        for metric in catalogue().values()
        if metric.scope is Scope.OBSERVED and metric not in (TARGET_INFO, MAINTENANCE)
    ),
    PROBES,
)
# A scrape must not give up before the probe does: what Prometheus waits, less this.
_SCRAPE_TIMEOUT_OFFSET = 0.5
_SCRAPE_TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
# On-demand probes come on top of the background's; more than this at once is abuse.
_MOST_ON_DEMAND = 20
# Below this size compressing costs more than sending.
_WORTH_COMPRESSING = 4096


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    on_demand = asyncio.Semaphore(_MOST_ON_DEMAND)

    async def probe(request: web.Request) -> web.Response:
        _require_prober(request)
        if on_demand.locked():
            raise web.HTTPServiceUnavailable(
                text="too many probes on demand are under way", headers={"Retry-After": "1"}
            )
        async with on_demand:
            return await _probe(request)

    return [web.get("/metrics", _metrics), web.get("/probe", probe)]


def _is_debug(request: web.Request) -> bool:
    return request.query.get("debug") == "true"


def _require_prober(request: web.Request) -> None:
    """A scraper may probe; a conversation is for an admin, or for whoever is on this machine."""
    shows_token = request.headers.get("Authorization", "").lower().startswith("bearer ")
    if _is_debug(request) and shows_token:
        require(request, "admin")
        return
    require_scraper(request, request.app[SERVICE].settings)
    if _is_debug(request):
        require_loopback(request)


def exposition(service: Service) -> bytes:
    """Everything that /metrics says."""
    return b"".join(
        (
            service.loaded.info,
            service.loaded.calendar.text(time.time()),
            *join((*_OF_TARGETS, *service.loaded.platform.sql_metrics), service.runner.fragments()),
            service.telemetry.text(),
        )
    )


async def _metrics(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    require_scraper(request, service.settings)
    body = exposition(service)
    headers = {"Content-Type": CONTENT_TYPE, "Vary": "Accept-Encoding"}
    if len(body) >= _WORTH_COMPRESSING and _takes_gzip(request):
        # zlib lets go of the interpreter: in a thread it does not hold the event loop.
        body = await asyncio.to_thread(_gzip, body)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def _takes_gzip(request: web.Request) -> bool:
    for offer in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, weight = offer.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=31)
    return compressor.compress(body) + compressor.flush()


async def _probe(request: web.Request) -> web.Response:
    """One probe as blackbox_exporter answers it; `debug=true` tells its whole conversation."""
    service = request.app[SERVICE]
    name = request.query.get("target", "")
    target = service.loaded.target(name)
    if target is None:
        known = [target.name for target in service.loaded.platform.targets]
        raise web.HTTPNotFound(
            text=f'there is no target "{name[:63]}"{suggestion(name[:63], known)}; '
            "targets are given by name, never by URL"
        )
    debug = _is_debug(request)
    timeout = _deadline(request, target.timeout.total_seconds())
    recorder = Recorder()
    prober = service.loaded.make_prober(target, RecordingNetwork(service.network, recorder))
    with recorded_by(recorder if debug else None):
        try:
            result = await service.runner.probe(prober, timeout)
        finally:
            await prober.close()
    more = blackbox.samples(target, recorder, timeout)
    page = probe_page(replace(result, samples=(*result.samples, *more)))
    if debug:
        # Loads what tells every protocol, which a service that is never asked need not hold.
        from exporter.conversation.text import Probed, tell

        probed = Probed(target, service.loaded.urls[name], timeout, result, page.decode())
        return web.Response(text=tell(probed, recorder), headers={"Cache-Control": "no-store"})
    return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})


def _deadline(request: web.Request, own: float) -> float:
    given = request.headers.get(_SCRAPE_TIMEOUT_HEADER)
    if given is None:
        return own
    try:
        scrape = float(given)
    except ValueError:
        scrape = 0.0
    if not 0 < scrape < 1e6:
        raise web.HTTPBadRequest(text=f"{_SCRAPE_TIMEOUT_HEADER} must be a number of seconds")
    return min(own, max(scrape - _SCRAPE_TIMEOUT_OFFSET, 0.05))
