"""GET /api/sd/services: where Prometheus finds the services' own metrics."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from exporter.web.access import require_scraper
from exporter.web.keys import SERVICE
from exporter.web.slices import sliced
from model.targets import Service


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [web.get("/api/sd/services", _services)]


async def _services(request: web.Request) -> web.Response:
    """Prometheus' HTTP service discovery: one group a service, with the URL that we probe too."""
    service = request.app[SERVICE]
    require_scraper(request, service.settings)
    loaded = service.loaded
    scraped = [
        target
        for target in loaded.platform.services
        if target.metrics_path is not None and target.name != loaded.platform.own_service
    ]
    groups = await sliced(lambda target: discovered(target, loaded.urls[target.name]), scraped)
    return web.json_response(groups)


def discovered(target: Service, url: str) -> dict[str, object]:
    """One group of Prometheus' HTTP service discovery; credentials in the URL are left out."""
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return {
        "targets": [f"{host}:{parts.port or default}"],
        "labels": {
            "service": target.name,
            "__scheme__": parts.scheme,
            # A service behind a gateway has its path in the URL, as when it is probed.
            "__metrics_path__": f"{parts.path.rstrip('/')}{target.metrics_path}",
        },
    }
