"""POST /api/slack/interactive: a click on the button under a message in Slack.

Whoever clicks is acknowledged as the contact that the config knows by this Slack user. Slack wants
its answer within three seconds, so that the message itself is rewritten afterwards.
"""

from __future__ import annotations

import asyncio
import time
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
    from exporter.chat.chat import Chat
    from exporter.chat.slack_click import Click
    from exporter.ledger.ledger import Ledger
    from model.people import Contact

# Within Slack's three seconds, with a little for the way.
_DEADLINE = 2.0

log = structlog.get_logger("exporter.web")


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [web.post("/api/slack/interactive", _interactive)]


async def _interactive(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    ledger, secret = ledger_and_secret(request, "slack_signing_secret")
    # They bring what an exporter without a ledger need not hold.
    from exporter.chat import slack_message
    from exporter.chat.payload import PayloadError
    from exporter.chat.signatures import verify_slack
    from exporter.chat.slack_click import read_click

    signature = request.headers.get("X-Slack-Signature", "")
    timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
    body = await read_signed(
        request, lambda raw: verify_slack(secret, timestamp, signature, raw, time.time())
    )
    assert service.chat is not None
    try:
        click = read_click(body)
    except PayloadError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    if not service.chat.slack.allowed(click.response_url):
        raise web.HTTPBadRequest(text="response_url is not Slack's")
    contact = _known(service, click)
    if contact is None:
        log.warning("a stranger has clicked in Slack", slack_user=click.user)
        text = f"The monitoring service does not know you ({click.user}): nothing is acknowledged."
        service.chat.answer(click.response_url, slack_message.only_you(text))
        return web.Response()
    actor = Actor(contact.identity, "slack", None, client_address(request), request[REQUEST_ID])
    acknowledging = service.chat.background.start(
        _acknowledge(ledger, service.chat, click, actor, signature)
    )
    # A store that takes longer is waited for all the same, and then tells by the message.
    await asyncio.wait({acknowledging}, timeout=_DEADLINE)
    if acknowledging.done() and not acknowledging.result():
        raise web.HTTPUnauthorized(text="this request has come before")
    return web.Response()


def _known(service: Service, click: Click) -> Contact | None:
    contacts = service.loaded.platform.contacts
    return next((one for one in contacts if one.slack_user == click.user), None)


async def _acknowledge(
    ledger: Ledger, chat: Chat, click: Click, actor: Actor, signature: str
) -> bool:
    """Acknowledge, and tell in Slack what has become of it; False for a repeated request."""
    from exporter.chat import slack_message
    from exporter.ledger import actions, deliveries

    now = datetime.now(UTC)
    try:
        async with ledger.store.begin() as connection:
            if not await deliveries.is_first(connection, "slack", signature, now):
                return False
            done = await actions.acknowledge_within(connection, click.fingerprints, actor, now)
    except StoreUnavailableError as error:
        log.warning("a click in Slack could not be kept", why=str(error))
        text = "Not acknowledged: the ledger's store is not available. Please try again soon."
        chat.answer(click.response_url, slack_message.only_you(text))
        return True
    ledger.touch()
    chat.answer(click.response_url, slack_message.rewritten(click.message, done))
    if not any(one.first for one in done):
        chat.answer(click.response_url, slack_message.only_you(slack_message.told(done)))
    return True
