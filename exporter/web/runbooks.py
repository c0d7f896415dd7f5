"""GET /runbooks/<alert>: where every notification's runbook link leads.

The pages are those of docs/alerts, as HTML for browsers; `<alert>.md`, or a client that asks for
Markdown, gets the same text.
"""

from __future__ import annotations

from aiohttp import web

from exporter.web.keys import SERVICE
from exporter.web.page_headers import PAGE_HEADERS
from model.runbook import (
    INDEX,
    Page,
    UnknownAlertError,
    html,
    index,
    markdown,
    runbook,
)

# Names in a path are cut to this, so that an error repeats no more of it.
_LONGEST = 100
_SUFFIX = ".md"
_MARKDOWN, _PLAIN, _HTML = "text/markdown", "text/plain", "text/html"
_HEADERS = {**PAGE_HEADERS, "Vary": "Accept"}


def routes() -> list[web.RouteDef]:
    """The routes of this file."""
    return [web.get("/runbooks", _index), web.get("/runbooks/{alert}", _runbook)]


async def _index(request: web.Request) -> web.Response:
    """All alerts, the worst first, and what is watched."""
    page = index(request.app[SERVICE].loaded.platform)
    return _response(page, _asked_for(request))


async def _runbook(request: web.Request) -> web.Response:
    """One alert's page."""
    platform = request.app[SERVICE].loaded.platform
    name = request.match_info["alert"][:_LONGEST]
    # A browser would download text/markdown instead of showing it.
    wanted = _PLAIN if name.endswith(_SUFFIX) else _asked_for(request)
    name = name.removesuffix(_SUFFIX)
    try:
        # Links within the text lead to the index by the name of its file.
        page = index(platform) if name == INDEX else runbook(name, platform)
    except UnknownAlertError as error:
        raise web.HTTPNotFound(text=str(error)) from None
    return _response(page, wanted)


def _response(page: Page, wanted: str) -> web.Response:
    text = html(page) if wanted == _HTML else markdown(page)
    return web.Response(text=text, content_type=wanted, charset="utf-8", headers=_HEADERS)


def _asked_for(request: web.Request) -> str:
    """The type that the client prefers, HTML if it does not say (RFC 9110, 12.5.1)."""
    weights = _weights(request.headers.get("Accept", ""))
    anything = weights.get("*/*", weights.get("text/*", 0.0))
    preferred, best = _HTML, weights.get(_HTML, anything)
    for kind in (_MARKDOWN, _PLAIN):
        if weights.get(kind, 0.0) > best:
            preferred, best = kind, weights[kind]
    return preferred


def _weights(accept: str) -> dict[str, float]:
    found = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            found[kind] = float(weight)
        except ValueError:
            found[kind] = 0.0
    return found
