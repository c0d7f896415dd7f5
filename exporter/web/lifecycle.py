"""POST /-/reload, for whoever is on this machine; and where Alertmanager delivers Watchdog."""

from __future__ import annotations

import time

from aiohttp import web

from exporter.settings import SettingsError
from exporter.web.access import require_loopback, require_scraper
from exporter.web.errors import error_response
from exporter.web.keys import SERVICE
from model.declared import ConfigError


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [
        web.post("/-/reload", _reload),
        web.post("/api/alertmanager/watchdog", _watchdog),
    ]


async def _reload(request: web.Request) -> web.Response:
    require_loopback(request)
    try:
        await request.app[SERVICE].reload()
    except (ConfigError, SettingsError) as error:
        return error_response(request, 422, f"the old config stays in use:\n{error}")
    return web.Response(text="reloaded\n")


async def _watchdog(request: web.Request) -> web.Response:
    """Note that Prometheus, Alertmanager and the way from there to here work."""
    service = request.app[SERVICE]
    require_scraper(request, service.settings)
    service.telemetry.watchdog_received.set(time.time())
    return web.Response(status=204)
