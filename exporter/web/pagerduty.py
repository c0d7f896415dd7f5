"""POST /api/pagerduty/webhook: what people do to incidents in PagerDuty (webhooks v3).

Whatever is not kept is answered by 503, and PagerDuty sends it again; it wants its answer within
five seconds.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from exporter.ledger.actor import Actor
from exporter.ledger.errors import StoreUnavailableError
from exporter.service import Service
from exporter.web.client_address import client_address
from exporter.web.keys import REQUEST_ID, SERVICE
from exporter.web.signed import ledger_and_secret, read_signed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from exporter.chat.pagerduty_event import IncidentEvent

# Within PagerDuty's five seconds: for a connection and a transaction, and for the transaction.
_DEADLINE = 4.0
_TRANSACTION_DEADLINE = 2.0

log = structlog.get_logger("exporter.web")


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [web.post("/api/pagerduty/webhook", _webhook)]


async def _webhook(request: web.Request) -> web.Response:
    ledger, secret = ledger_and_secret(request, "pagerduty_webhook_secret")
    # They bring what an exporter without a ledger need not hold.
    from exporter.chat.pagerduty_event import read_event
    from exporter.chat.payload import PayloadError
    from exporter.chat.signatures import verify_pagerduty
    from exporter.ledger import deliveries

    signatures = ",".join(request.headers.getall("X-PagerDuty-Signature", []))
    body = await read_signed(request, lambda raw: verify_pagerduty(secret, signatures, raw))
    try:
        event = read_event(body)
    except PayloadError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    actor = Actor(
        _name(request.app[SERVICE], event),
        "pagerduty",
        None,
        client_address(request),
        request[REQUEST_ID],
    )
    now = datetime.now(UTC)
    changed = 0
    try:
        async with (
            asyncio.timeout(_DEADLINE),
            ledger.store.begin(_TRANSACTION_DEADLINE) as connection,
        ):
            first = await deliveries.is_first(connection, "pagerduty", event.event_id, now)
            if first:
                changed = await _take(connection, event, actor, now)
    except TimeoutError:
        raise StoreUnavailableError("the ledger's store is busy") from None
    if changed:
        ledger.touch()
    return web.json_response({"repeated": not first, "alerts": changed})


def _name(service: Service, event: IncidentEvent) -> str:
    """What the ledger calls whoever did it."""
    if event.agent is None:
        return "pagerduty"
    contacts = service.loaded.platform.contacts
    known = (one.identity for one in contacts if one.pagerduty_user == event.agent)
    return next(known, f"pagerduty:{event.agent}")


async def _take(
    connection: AsyncConnection, event: IncidentEvent, actor: Actor, now: datetime
) -> int:
    """Do what the event says; answers how many alerts it is about."""
    from exporter.ledger import actions, groups, notes

    key = event.dedup_key
    if event.incident_id is not None:
        if key is not None:
            await groups.remember_incident(connection, event.incident_id, key, now)
        else:
            key = await groups.key_of_incident(connection, event.incident_id)
    # What an integration does is an echo, of Alertmanager's message or of ours.
    if key is None or event.kind == "other" or not event.by_person:
        return 0
    fingerprints = await groups.fingerprints_of(connection, key)
    if not fingerprints:
        log.warning("PagerDuty tells of an incident whose alerts are not known", dedup_key=key)
    if event.kind == "acknowledged":
        done = await actions.acknowledge_within(
            connection, fingerprints, actor, now, done_at=event.occurred_at
        )
        return len(done)
    # The alert itself decides when it ends.
    text = "Resolved in PagerDuty." if event.kind == "resolved" else event.note
    text = notes.storable(text).strip()[: notes.NOTE_CHARACTERS]
    if not text:
        return 0
    return await actions.note_within(connection, fingerprints, actor, now, text)
