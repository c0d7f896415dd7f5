"""GET and POST /login, POST /logout."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from aiohttp import web

from exporter.web.client_address import client_address
from exporter.web.console import session as sessions
from exporter.web.console.page import HEADERS, Page, Visit, deed, drawn, read_form, refusal
from exporter.web.console.session import SessionRefusedError
from exporter.web.keys import SERVICE

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
    settings, now = request.app[SERVICE].settings, datetime.now(UTC)
    try:
        session, value = sessions.begin(form.get("token", "").strip(), settings, now)
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
    log.info("logged out", actor=visit.session.identity.name)
    response = web.Response(status=303, headers={**HEADERS, "Location": "/login?said=logged-out"})
    sessions.forget(visit.request, response)
    return response


def _page(request: web.Request, onward: str, refused: str = "") -> Page:
    possible = request.app[SERVICE].settings.jwt_secret is not None
    return Page(
        "login.html",
        "Log in",
        {"onward": onward, "refused": refused, "possible": possible},
        status=401 if refused else 200,
    )
