"""Adds the console to the application."""

from __future__ import annotations

from aiohttp import web

from exporter.web.console import (
    alert_list,
    alert_page,
    assets,
    board,
    deeds,
    history,
    login,
    on_call,
    workers,
)
from exporter.web.console.board import STRIPS, StripsInUse
from exporter.web.console.drawing import DRAWING, Drawing
from exporter.web.rate_limit import Buckets


def add_console(app: web.Application) -> None:
    """Add every page, and what people do on them."""
    app[DRAWING] = Drawing()
    app[STRIPS] = StripsInUse()
    app[login.LOGINS] = Buckets(login.LOGINS_A_MINUTE)
    app.add_routes(
        [
            web.get("/", board.show),
            web.get("/alerts", alert_list.show),
            web.get("/alerts/{id}", alert_page.show),
            web.post("/alerts/{id}/acknowledge", deeds.acknowledge),
            web.post("/alerts/{id}/notes", deeds.add_note),
            web.post("/alerts/{id}/resolve", deeds.resolve),
            web.post("/alerts/{id}/false-positive", deeds.mark_false_positive),
            web.get("/history", history.show),
            web.get("/on-call", on_call.show),
            web.get("/workers", workers.show),
            web.get("/login", login.show),
            web.post("/login", login.log_in),
            web.post("/logout", login.log_out),
            web.get("/static/{name}", assets.serve),
        ]
    )
