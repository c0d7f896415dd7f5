"""POST /api/alertmanager/webhook: where Alertmanager delivers every alert to the ledger.

Committed, then answered: 200 means that it is kept. Whatever Alertmanager should send again is
503; 4xx is only for what can never be read, since Alertmanager does not repeat that. No number of
requests is too many.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from aiohttp import web

from exporter.ledger.errors import StoreUnavailableError
from exporter.web.access import require_ingest
from exporter.web.keys import SERVICE

log = structlog.get_logger("exporter.web")


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [web.post("/api/alertmanager/webhook", _webhook)]


async def _webhook(request: web.Request) -> web.Response:
    ledger = request.app[SERVICE].ledger
    if ledger is None:
        # Another replica may keep one: Alertmanager tries again, and reaches it.
        raise web.HTTPServiceUnavailable(text="this exporter keeps no ledger (LEDGER, config.py)")
    require_ingest(request)
    # It brings pydantic's models, which an exporter without a ledger need not hold.
    from exporter.ledger.incoming import read_webhook
    from exporter.ledger.json_slices import UnreadableBodyError

    body = await request.read()
    try:
        received = await read_webhook(body, datetime.now(UTC))
    except UnreadableBodyError as error:
        log.warning("a webhook cannot be read", why=str(error), bytes=len(body))
        raise web.HTTPBadRequest(text=str(error)) from None
    if received.unreadable:
        log.warning("entries of a webhook are no alerts", number=received.unreadable)
    try:
        await ledger.deliver(received.incoming)
    except StoreUnavailableError as error:
        raise web.HTTPServiceUnavailable(text=str(error), headers={"Retry-After": "1"}) from None
    return web.json_response(
        {"received": len(received.incoming), "unreadable": received.unreadable}
    )
