"""POST /api/alertmanager/groups: by which groups Alertmanager has opened incidents in PagerDuty."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from exporter.web.access import require_ingest
from exporter.web.keys import SERVICE


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [web.post("/api/alertmanager/groups", _groups)]


async def _groups(request: web.Request) -> web.Response:
    """Keep the group's key for each of its alerts; what becomes of them is told elsewhere."""
    ledger = request.app[SERVICE].ledger
    if ledger is None:
        # Another replica may keep one: Alertmanager tries again, and reaches it.
        raise web.HTTPServiceUnavailable(text="this exporter keeps no ledger (LEDGER, config.py)")
    require_ingest(request)
    from exporter.ledger.groups import remember_groups
    from exporter.ledger.incoming import read_webhook
    from exporter.ledger.json_slices import UnreadableBodyError

    now = datetime.now(UTC)
    try:
        received = await read_webhook(await request.read(), now)
    except UnreadableBodyError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    async with ledger.store.begin() as connection:
        kept = await remember_groups(connection, received.incoming, now)
    return web.json_response({"alerts": kept})
