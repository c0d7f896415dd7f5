"""GET /static/<file>: the console's style, script and icon, from this package and nowhere else."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

_DIRECTORY: Final = Path(__file__).resolve().parent / "static"
_TYPES: Final = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_HEADERS: Final = {
    # Its address changes with what it holds.
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def address(name: str) -> str:
    """Where a file is served, under an address that changes with what it holds."""
    return f"/static/{name}?{hashlib.sha256(_content(name)).hexdigest()[:12]}"


async def serve(request: web.Request) -> web.Response:
    """One of the files. Raises HTTPNotFound."""
    name = request.match_info["name"]
    if name not in _TYPES:
        raise web.HTTPNotFound(text="there is no such file")
    return web.Response(
        body=_content(name), content_type=_TYPES[name], charset="utf-8", headers=_HEADERS
    )


@cache
def _content(name: str) -> bytes:
    return (_DIRECTORY / name).read_bytes()
