"""What the handlers find in the application."""

from __future__ import annotations

from aiohttp import web

from exporter.service import Service

SERVICE = web.AppKey("service", Service)
# Names a request in logs, in the answer and in the audit trail.
REQUEST_ID = web.RequestKey("request_id", str)
