"""Who asks: a person by a token with a role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import web

from exporter.ledger.actor import Actor, Via
from exporter.web.client_address import client_address
from exporter.web.keys import REQUEST_ID, SERVICE
from exporter.web.revoked import REVOKED, is_revoked

Role = Literal["viewer", "responder", "admin", "ingest"]

# What people may be; each may do all that the ones before it may.
PEOPLE: Final[tuple[Role, ...]] = ("viewer", "responder", "admin")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whoever shows a valid token: its subject and its role."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody that we know, and why: no token, or one that is refused."""

    why: str
    refused: bool = False


_CALLER: Final = web.RequestKey("caller", object)


def caller(request: web.Request) -> Identity | Anonymous:
    """Who asks. The token is verified once for each request."""
    known = request.get(_CALLER)
    if isinstance(known, (Identity, Anonymous)):
        return known
    found = _identified(request)
    request[_CALLER] = found
    return found


def known_name(request: web.Request) -> str | None:
    """The name of whoever asks, where somebody has looked at it already."""
    known = request.get(_CALLER)
    return known.name if isinstance(known, Identity) else None


def require(request: web.Request, role: Role) -> Identity:
    """Let a person pass who has the role, or one that may do more.

    Raises HTTPUnauthorized or HTTPForbidden.
    """
    who = caller(request)
    if isinstance(who, Anonymous):
        raise _unauthorized(who.why, refused=who.refused)
    allow(who, role)
    return who


def allow(who: Identity, role: Role) -> None:
    """Let somebody pass whom we know. Raises HTTPForbidden."""
    if who.role not in PEOPLE:
        raise web.HTTPForbidden(text=f'the role "{who.role}" is not a person\'s: it may do nothing')
    if PEOPLE.index(who.role) < PEOPLE.index(role):
        raise web.HTTPForbidden(
            text=f'this needs the role "{role}", and the token\'s is "{who.role}"'
        )


def actor(
    request: web.Request, identity: Identity, via: Via = "api", on_behalf_of: str | None = None
) -> Actor:
    """Who does something, for the audit trail. Naming oneself is on nobody's behalf."""
    return Actor(
        name=identity.name,
        via=via,
        on_behalf_of=on_behalf_of if on_behalf_of != identity.name else None,
        address=client_address(request),
        request_id=request.get(REQUEST_ID),
    )


def _identified(request: web.Request) -> Identity | Anonymous:
    token = _bearer(request)
    if isinstance(token, Anonymous):
        return token
    settings = request.app[SERVICE].settings
    if settings.jwt_secret is None:
        return Anonymous("JWT_SECRET is not set, so that no token can be valid", refused=True)
    # PyJWT costs memory that a pure prober need not spend.
    from exporter.web.tokens import TokenRefusedError, identity_of, verified

    try:
        claims = verified(token, settings, settings.jwt_audience)
        who = identity_of(claims)
    except TokenRefusedError as error:
        return Anonymous(str(error), refused=True)
    return Anonymous(REVOKED, refused=True) if is_revoked(request, claims) else who


def _bearer(request: web.Request) -> str | Anonymous:
    given = request.headers.getall("Authorization", [])
    if not given:
        return Anonymous("a token is required: send Authorization: Bearer <token>")
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token.strip().isascii():
        return Anonymous("send one Authorization header: Bearer <token>", refused=True)
    return token.strip()


def _unauthorized(why: str, *, refused: bool = False) -> web.HTTPUnauthorized:
    # RFC 6750, 3.1: whoever has sent no token is told no error.
    challenge = 'Bearer error="invalid_token"' if refused else "Bearer"
    return web.HTTPUnauthorized(text=why, headers={"WWW-Authenticate": challenge})
