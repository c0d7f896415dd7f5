"""Adds the API to the application."""

from __future__ import annotations

from importlib import import_module

from aiohttp import web

from exporter.settings import Settings
from exporter.web.api import pages
from exporter.web.api.alerts import RULES
from exporter.web.api.availability import AVAILABILITY, Availability
from exporter.web.api.endpoints import ENDPOINTS
from exporter.web.api.rules import RulesInUse


def add_api(app: web.Application, settings: Settings) -> None:
    """Add every endpoint, and the pages that describe them."""
    # What signs tokens costs memory that a pure prober need not spend, and time that the first
    # request with a token should not.
    if settings.jwt_secret is not None:
        import_module("exporter.web.tokens")
    app[RULES] = RulesInUse()
    app[AVAILABILITY] = Availability()
    app.add_routes(endpoint.route() for endpoint in ENDPOINTS)
    pages.add(app)
