"""The aiohttp application: one file per group of routes."""

from __future__ import annotations

from aiohttp import web

from exporter.service import Service
from exporter.web import discovery, health, lifecycle, metrics, runbooks, webhook
from exporter.web.errors import errors_in_shape
from exporter.web.keys import SERVICE

# A webhook of Alertmanager with hundreds of alerts fits; what is larger is an attack.
_LARGEST_BODY = 4 * 1024 * 1024

_GROUPS = (metrics, health, discovery, lifecycle, runbooks, webhook)


def make_app(service: Service) -> web.Application:
    """The application that serves a running exporter."""
    app = web.Application(middlewares=[errors_in_shape], client_max_size=_LARGEST_BODY)
    app[SERVICE] = service
    for group in _GROUPS:
        app.add_routes(group.routes())
    return app
