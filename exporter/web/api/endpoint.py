"""An endpoint: who may ask, what is read, what is answered. Routes and OpenAPI are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.service import Service
from exporter.web.access import require_loopback
from exporter.web.api.reading import read_body, read_query
from exporter.web.api.shapes import Shape
from exporter.web.identity import Identity, Role, require
from exporter.web.keys import SERVICE
from exporter.web.slices import sliced

if TYPE_CHECKING:
    from exporter.ledger.ledger import Ledger

Q = TypeVar("Q", bound=Shape)
B = TypeVar("B", bound=Shape)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """A request that may be answered. `identity` is None for a client on this machine."""

    request: web.Request
    identity: Identity | None
    query: Q
    body: B

    @property
    def service(self) -> Service:
        """The running exporter."""
        return self.request.app[SERVICE]

    @property
    def ledger(self) -> Ledger:
        """The ledger. Raises HTTPServiceUnavailable where there is none."""
        ledger = self.service.ledger
        if ledger is None:
            raise web.HTTPServiceUnavailable(
                text="there is no ledger here: the config names none, or LEDGER is off"
            )
        return ledger

    def part(self, name: str) -> str:
        """A part of the path that the endpoint leaves open."""
        return self.request.match_info[name]


@dataclass(frozen=True)
class Endpoint(Generic[Q, B]):
    """One method of one path. `{…}` in the path is a part that the caller chooses.

    `on_this_machine` lets a directly connected client on this machine ask without a token.
    """

    method: Literal["GET", "POST"]
    path: str
    role: Role
    summary: str
    handler: Callable[[Call[Q, B]], Awaitable[Shape]]
    answer: type[Shape]
    query: type[Q]
    body: type[B]
    on_this_machine: bool = False

    def route(self) -> web.RouteDef:
        """Its route."""
        return web.route(self.method, self.path, _handler(self))


def _handler(endpoint: Endpoint[Any, Any]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        identity = _admitted(endpoint, request)
        problems: list[str] = []
        query = read_query(request, endpoint.query, problems)
        reads_body = endpoint.method == "POST"
        body = await read_body(request, endpoint.body, problems) if reads_body else None
        if problems:
            raise web.HTTPBadRequest(text="; ".join(problems))
        answer = await endpoint.handler(Call(request, identity, query, body))
        return web.Response(
            body=await written(answer),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return handle


def _admitted(endpoint: Endpoint[Any, Any], request: web.Request) -> Identity | None:
    if endpoint.on_this_machine and "Authorization" not in request.headers:
        try:
            require_loopback(request)
        except web.HTTPForbidden:
            return require(request, endpoint.role)
        return None
    return require(request, endpoint.role)


async def written(answer: Shape) -> bytes:
    """The answer as JSON; its lists in slices, so that a long one does not hold the event loop."""
    lists = {
        name: value
        for name in type(answer).model_fields
        if isinstance(value := getattr(answer, name), list) and value
        if isinstance(value[0], Shape)
    }
    rest = answer.model_dump_json(by_alias=True, exclude=set(lists))
    members = [rest[1:-1]] if rest != "{}" else []
    for name, items in lists.items():
        texts = await sliced(lambda item: item.model_dump_json(by_alias=True), items)
        members.append(f'"{type(answer).model_fields[name].alias or name}":[{",".join(texts)}]')
    return f"{{{','.join(members)}}}".encode()
