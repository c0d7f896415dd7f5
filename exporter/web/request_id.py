"""Each request has a name, in its answer and in all that is logged of it; the API's are logged."""

from __future__ import annotations

import re
import time
import uuid
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.web.client_address import client_address
from exporter.web.identity import known_name
from exporter.web.keys import REQUEST_ID

_HEADER: Final = "X-Request-ID"
# Whatever else a client sends has no place in a log.
_ACCEPTED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOGGED: Final = "/api/"
# A path in the log is cut to this.
_LONGEST: Final = 200

log = structlog.get_logger("exporter.access")


@web.middleware
async def request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the client's name of the request, or make one; log requests to the API at their end."""
    given = request.headers.get(_HEADER, "")
    named = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
    request[REQUEST_ID] = named
    with structlog.contextvars.bound_contextvars(request_id=named):
        if not request.path.startswith(_LOGGED):
            return _marked(await handler(request), named)
        # A client that has gone when its answer is ready has no address any more.
        address = client_address(request)
        started = time.perf_counter()
        response = await handler(request)
        log.info(
            "request",
            method=request.method,
            # As it was sent: encoded, and without what stands behind the question mark.
            path=request.rel_url.raw_path[:_LONGEST],
            status=response.status,
            seconds=round(time.perf_counter() - started, 6),
            actor=known_name(request),
            address=address,
        )
        return _marked(response, named)


def _marked(response: web.StreamResponse, named: str) -> web.StreamResponse:
    if not response.prepared:
        response.headers[_HEADER] = named
    return response
