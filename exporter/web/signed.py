"""Requests that others sign: Slack's and PagerDuty's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from exporter.web.keys import SERVICE

if TYPE_CHECKING:
    from exporter.ledger.ledger import Ledger

# The largest messages of either have some 100 kB. Parsing more would hold the event loop.
_LARGEST_BODY = 512 * 1024


def ledger_and_secret(
    request: web.Request, setting: Literal["slack_signing_secret", "pagerduty_webhook_secret"]
) -> tuple[Ledger, str]:
    """The ledger, and what the sender signs with. Raises HTTPServiceUnavailable without either."""
    service = request.app[SERVICE]
    secret = getattr(service.settings, setting)
    if service.ledger is None:
        raise web.HTTPServiceUnavailable(text="this exporter keeps no ledger (LEDGER, config.py)")
    if secret is None:
        name = setting.upper()
        raise web.HTTPServiceUnavailable(
            text=f"{name} is not set, so that no signature can be verified: set {name} or "
            f"{name}_FILE"
        )
    return service.ledger, secret.get_secret_value()


async def read_signed(request: web.Request, verify: Callable[[bytes], None]) -> bytes:
    """The body as it arrived, once `verify` has not raised SignatureError for it.

    Raises HTTPUnauthorized, and HTTPRequestEntityTooLarge for more than anybody sends.
    """
    from exporter.chat.signatures import SignatureError

    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise web.HTTPRequestEntityTooLarge(_LARGEST_BODY, len(body))
    try:
        verify(bytes(body))
    except SignatureError as error:
        raise web.HTTPUnauthorized(text=str(error)) from None
    return bytes(body)
