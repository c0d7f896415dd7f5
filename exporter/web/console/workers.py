"""GET /workers: what the ledger's workers did last, and when they run next."""

from __future__ import annotations

from exporter.web.console.page import Page, Visit, page, patiently


@page
async def show(visit: Visit) -> Page:
    """The page."""
    workers = visit.service.workers
    states = [] if workers is None else await patiently(workers.states())
    return Page(
        "workers.html",
        "Workers",
        {"workers": states},
        live="workers_live.html",
        here="/workers",
    )
