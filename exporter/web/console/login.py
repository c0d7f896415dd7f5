"""GET and POST /login, POST /logout."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import structlog
from aiohttp import web

from exporter.web.client_address import client_address
from exporter.web.console import session as sessions
from exporter.web.console.page import HEADERS, Page, Visit, deed, drawn, read_form, refusal
from exporter.web.console.session import SessionRefusedError
from exporter.web.keys import SERVICE
from exporter.web.rate_limit import Buckets, network_of

# From one address, and for everybody behind it. A token cannot be guessed; this keeps whoever tries
# from filling the log, and the processor.
LOGINS_A_MINUTE: Final = 20
LOGINS: Final = web.AppKey("logins", Buckets)

log = structlog.get_logger("exporter.console")


async def show(request: web.Request) -> web.StreamResponse:
    """The page to log in at."""
    onward = sessions.local_path(request.query.get("next"))
    if sessions.current(request) is not None:
        raise web.HTTPSeeOther(onward)
    return await drawn(request, _page(request, onward), None)


async def log_in(request: web.Request) -> web.StreamResponse:
    """Begin a session for whoever shows a token."""
    try:
        sessions.require_own_page(request)
        form = await read_form(request)
    except web.HTTPException as error:
        return await drawn(request, refusal(error.status, error.text or error.reason), None)
    onward = sessions.local_path(form.get("next"))
    verdict = request.app[LOGINS].take(network_of(request), time.monotonic())
    if not verdict.allowed:
        return await _too_often(request, onward, math.ceil(verdict.retry_after))
    now = datetime.now(UTC)
    try:
        session, value = sessions.begin(request, form.get("token", "").strip(), now)
    except SessionRefusedError as error:
        log.warning("a login was refused", why=str(error), address=client_address(request))
        return await drawn(request, _page(request, onward, str(error)), None)
    log.info("logged in", actor=session.identity.name, address=client_address(request))
    response = web.Response(status=303, headers={**HEADERS, "Location": onward})
    sessions.keep(request, response, session, value)
    return response


@deed
async def log_out(visit: Visit, form: Mapping[str, str]) -> web.StreamResponse:
    """End the session."""
    del form
    session, ledger = visit.session, visit.service.ledger
    if ledger is not None:
        ledger.revocations.end_session(session.session_id, session.ends_at)
        ledger.touch()
    log.info("logged out", actor=session.identity.name)
    response = web.Response(status=303, headers={**HEADERS, "Location": "/login?said=logged-out"})
    sessions.forget(visit.request, response)
    return response


async def _too_often(request: web.Request, onward: str, wait: int) -> web.StreamResponse:
    said = f"more than {LOGINS_A_MINUTE} logins a minute come from your address; wait {wait} s"
    response = await drawn(request, _page(request, onward, said, 429), None)
    response.headers["Retry-After"] = str(wait)
    return response


def _page(request: web.Request, onward: str, refused: str = "", status: int = 401) -> Page:
    possible = request.app[SERVICE].settings.jwt_secret is not None
    return Page(
        "login.html",
        "Log in",
        {"onward": onward, "refused": refused, "possible": possible},
        status=status if refused else 200,
    )
