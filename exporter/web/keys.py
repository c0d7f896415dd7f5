"""What the handlers find in the application."""

from __future__ import annotations

from aiohttp import web

from exporter.service import Service

SERVICE = web.AppKey("service", Service)
