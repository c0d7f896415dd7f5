"""The aiohttp application: one file per group of routes."""

from __future__ import annotations

from aiohttp import web

from exporter.service import Service
from exporter.web import (
    discovery,
    groups,
    health,
    lifecycle,
    metrics,
    pagerduty,
    runbooks,
    slack,
    webhook,
)
from exporter.web.api.application import add_api
from exporter.web.console.application import add_console
from exporter.web.errors import errors_in_shape
from exporter.web.keys import SERVICE
from exporter.web.rate_limit import rate_limit
from exporter.web.read_only import read_only
from exporter.web.request_id import request_id

# A webhook of Alertmanager with hundreds of alerts fits; what is larger is an attack.
_LARGEST_BODY = 4 * 1024 * 1024

_GROUPS = (metrics, health, discovery, lifecycle, runbooks, webhook, groups, slack, pagerduty)


def make_app(service: Service) -> web.Application:
    """The application that serves a running exporter."""
    app = web.Application(
        # The first is the outermost: what it adds is on every answer, errors among them.
        middlewares=[
            request_id,
            rate_limit(service.settings.rate_limit_per_minute),
            errors_in_shape,
            read_only,
        ],
        client_max_size=_LARGEST_BODY,
    )
    app[SERVICE] = service
    for group in _GROUPS:
        app.add_routes(group.routes())
    add_api(app, service.settings)
    add_console(app)
    return app
