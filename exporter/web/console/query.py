"""Reads what stands behind the question mark of a page's address."""

from __future__ import annotations

from typing import Final, TypeVar

from aiohttp import web

from exporter.web.api.reading import read_query
from exporter.web.api.shapes import Query

# Not the page's own: what was done before it was shown.
_SAID: Final = "said"

Q = TypeVar("Q", bound=Query)


def read(request: web.Request, model: type[Q]) -> Q:
    """The parameters. Raises HTTPBadRequest with all that is wrong."""
    problems: list[str] = []
    said = {name: text for name, text in request.query.items() if name == _SAID}
    bare = request.clone(rel_url=request.rel_url.without_query_params(*said)) if said else request
    query = read_query(bare, model, problems)
    if query is None or problems:
        raise web.HTTPBadRequest(text="; ".join(problems))
    return query
