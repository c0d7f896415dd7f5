"""What every page of the console shares: a session, a template, and refusals that people can read.

A page is asked for as a whole or, by the header X-Part, as the part of it that changes by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from aiohttp import web

from exporter.ledger.errors import StoreUnavailableError
from exporter.service import Service
from exporter.web.console import session as sessions
from exporter.web.console.drawing import DRAWING
from exporter.web.console.session import Session
from exporter.web.identity import Role, allow
from exporter.web.keys import SERVICE

if TYPE_CHECKING:
    from exporter.ledger.ledger import Ledger

T = TypeVar("T")

# How long a page waits for a ledger that does not answer, in seconds: services are shown without.
PATIENCE: Final = 3.0
PART: Final = "X-Part"
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        # Without any, forms would not tell where they are sent from.
        "Referrer-Policy": "same-origin",
        "Vary": f"{PART}, Cookie",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
# What a page says after something was done, by the word that its address has for it.
SAID: Final[Mapping[str, str]] = MappingProxyType(
    {
        "acknowledged": "Acknowledged: you have it.",
        "second": "Somebody was first: see who has it.",
        "noted": "Your note is kept.",
        "resolved": "Resolved by hand.",
        "false-positive": "Marked as a false positive.",
        "true-positive": "No longer marked as a false positive.",
        "logged-out": "You are logged out.",
    }
)
_TITLES: Final = {403: "You may not do this", 404: "There is no such page", 503: "Not now"}


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks at a page or does something on it."""

    request: web.Request
    session: Session
    now: datetime

    @property
    def service(self) -> Service:
        """The running exporter."""
        return self.request.app[SERVICE]

    @property
    def ledger(self) -> Ledger:
        """The ledger. Raises HTTPServiceUnavailable where there is none."""
        ledger = self.service.ledger
        if ledger is None:
            raise web.HTTPServiceUnavailable(text=NO_LEDGER)
        return ledger


NO_LEDGER: Final = (
    "This exporter keeps no ledger of alerts: the config names none, or LEDGER is off."
)


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it is given. `live` is the template of the part that changes by itself.

    `here` is which entry of the menu it belongs to.
    """

    template: str
    title: str
    context: Mapping[str, Any] = field(default_factory=dict)
    live: str | None = None
    here: str = ""
    status: int = 200


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page(show: Callable[[Visit], Awaitable[Page]]) -> Handler:
    """A handler that shows a page to whoever is logged in, and has others log in first."""

    @wraps(show)
    async def handle(request: web.Request) -> web.StreamResponse:
        session = sessions.current(request)
        if session is None:
            return _log_in_first(request)
        try:
            shown = await show(Visit(request, session, datetime.now(UTC)))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            shown = refusal(error.status, error.text or error.reason)
        except StoreUnavailableError as error:
            shown = refusal(503, f"The ledger does not answer: {error}")
        return await drawn(request, shown, session)

    return handle


def deed(do: Callable[[Visit, Mapping[str, str]], Awaitable[web.StreamResponse]]) -> Handler:
    """A handler that does what a form of our own pages asks, for whoever may do it."""

    @wraps(do)
    async def handle(request: web.Request) -> web.StreamResponse:
        session = sessions.current(request)
        if session is None:
            return _log_in_first(request)
        try:
            sessions.require_own_page(request)
            form = await read_form(request)
            sessions.require_csrf(session, form.get("csrf", ""))
            return await do(Visit(request, session, datetime.now(UTC)), form)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            status, text = error.status, error.text or error.reason
        except StoreUnavailableError as error:
            status, text = 503, f"The ledger does not answer, so nothing was done: {error}"
        if PART in request.headers:
            return told(text, status)
        return await drawn(request, refusal(status, text), session)

    return handle


def may(visit: Visit, role: Role) -> None:
    """Let somebody pass who has the role and may write now.

    Raises HTTPForbidden or HTTPServiceUnavailable.
    """
    allow(visit.session.identity, role)
    if visit.service.settings.read_only:
        raise web.HTTPServiceUnavailable(
            text="READ_ONLY is set: nothing is written until it is unset"
        )


def done(visit: Visit, form: Mapping[str, str], said: str) -> web.StreamResponse:
    """What is answered when something was done: a word for the script, the page for others."""
    if PART in visit.request.headers:
        return told(SAID[said], 200)
    path, _, anchor = sessions.local_path(form.get("back")).partition("#")
    before = path.partition("said=")[0].rstrip("?&")
    joined = f"{before}{'&' if '?' in before else '?'}said={said}"
    raise web.HTTPSeeOther(f"{joined}#{anchor}" if anchor else joined)


def told(text: str, status: int) -> web.Response:
    """A sentence for the script, which shows it as text."""
    return web.json_response({"message": text}, status=status, headers=HEADERS)


def refusal(status: int, text: str) -> Page:
    """The page that says why not."""
    title = _TITLES.get(status, "This cannot be done")
    return Page("error.html", title, {"text": text}, status=status)


async def drawn(request: web.Request, shown: Page, session: Session | None) -> web.Response:
    """The answer: the whole page, or its live part alone."""
    service = request.app[SERVICE]
    platform = service.loaded.platform
    part = request.headers.get(PART) == "live" and shown.live is not None
    context = {
        "title": shown.title,
        "here": shown.here,
        "live": shown.live,
        "status": shown.status,
        "platform": platform.name,
        "grafana_url": platform.grafana_url,
        "session": session,
        "read_only": service.settings.read_only,
        "may_act": session is not None
        and session.may("responder")
        and not service.settings.read_only,
        "has_ledger": service.ledger is not None,
        "path": request.rel_url.raw_path_qs if request.method == "GET" else "/",
        "said": SAID.get(request.query.get("said", "")),
        "now": datetime.now(UTC),
        **shown.context,
    }
    template = shown.live if part and shown.live is not None else shown.template
    text = await request.app[DRAWING].draw(template, context)
    return web.Response(
        text=text, content_type="text/html", charset="utf-8", status=shown.status, headers=HEADERS
    )


async def read_form(request: web.Request) -> Mapping[str, str]:
    """The fields of a form. Raises HTTPUnsupportedMediaType, HTTPRequestEntityTooLarge and
    HTTPBadRequest.
    """
    from urllib.parse import parse_qsl

    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="this is no form of the console")
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > _LARGEST_FORM:
            raise web.HTTPRequestEntityTooLarge(
                _LARGEST_FORM, len(raw), text=f"a form has {_LARGEST_FORM} bytes at most"
            )
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="replace", max_num_fields=20
        )
    except ValueError:
        raise web.HTTPBadRequest(text="this is no form of the console") from None
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


# A note has 10,000 characters at most, each of which may be sent as %F0%9F%98%80.
_LARGEST_FORM: Final = 160 * 1024


async def patiently(asked: Coroutine[Any, Any, T]) -> T:
    """What the ledger answers, if it does so soon.

    Raises StoreUnavailableError. What has not answered goes on until its own deadline: to cancel it
    would be to wait for a server that hangs.
    """
    task = asyncio.ensure_future(asked)
    answered, _ = await asyncio.wait([task], timeout=PATIENCE)
    if not answered:
        task.add_done_callback(_look_at)
        raise StoreUnavailableError(f"the ledger's store has not answered in {PATIENCE:g} s")
    return task.result()


def _look_at(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # it was told as not answering, which is what it is about


def _log_in_first(request: web.Request) -> web.StreamResponse:
    if PART in request.headers:
        return told("You are logged out: log in again.", 401)
    path = request.rel_url.raw_path_qs if request.method == "GET" else "/"
    raise web.HTTPSeeOther("/login" if path == "/" else f"/login?next={quote(path, safe='')}")
