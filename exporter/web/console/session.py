"""Who looks at the console: a token shown once, and then a cookie that ends no later than it.

The cookie is signed as tokens are, for an audience of its own: the API does not take it for a
token, and a token does not serve as a cookie. Every replica knows it. Logging out takes it away
from the browser, and has all replicas refuse it where there is a ledger to tell them.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from exporter.settings import Settings
from exporter.web.identity import PEOPLE, Identity, Role
from exporter.web.keys import SERVICE
from exporter.web.revoked import REVOKED, is_revoked

LONGEST: Final = timedelta(hours=12)
_CSRF: Final = b"csrf of the console's session "
_LOCAL: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")
_SAME: Final = ("same-origin", "none")


class SessionRefusedError(Exception):
    """A token or a cookie that begins or continues no session; says why."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody at a browser. `csrf` is in every form of its pages, and nowhere else."""

    identity: Identity
    session_id: str
    ends_at: datetime
    csrf: str

    def may(self, role: Role) -> bool:
        """Whether it may do what a role may."""
        return PEOPLE.index(self.identity.role) >= PEOPLE.index(role)


def begin(request: web.Request, token: str, now: datetime) -> tuple[Session, str]:
    """A session for whoever shows a token, and the cookie's value. Raises SessionRefusedError."""
    from exporter.web.tokens import TokenRefusedError, identity_of, signed, verified

    settings = request.app[SERVICE].settings
    if settings.jwt_secret is None:
        raise SessionRefusedError("JWT_SECRET is not set, so that no token can be valid")
    try:
        claims = verified(token, settings, settings.jwt_audience)
        who = identity_of(claims)
    except TokenRefusedError as error:
        raise SessionRefusedError(str(error)) from None
    if who.role not in PEOPLE:
        raise SessionRefusedError(f'the role "{who.role}" is not a person\'s')
    if is_revoked(request, claims):
        raise SessionRefusedError(REVOKED)
    until = min(float(claims["exp"]), (now + LONGEST).timestamp())
    if until <= now.timestamp():
        raise SessionRefusedError("the token has expired: get a new one")
    session_id = secrets.token_urlsafe(24)
    value = signed(
        {
            "sub": who.name,
            "role": who.role,
            "iss": settings.jwt_issuer,
            "aud": _audience(settings),
            "iat": int(now.timestamp()),
            "exp": int(until),
            "jti": session_id,
        },
        settings,
    )
    ends_at = datetime.fromtimestamp(int(until), UTC)
    return Session(who, session_id, ends_at, _csrf(session_id, settings)), value


def current(request: web.Request) -> Session | None:
    """The session of a request; None if it has none that is valid."""
    from exporter.web.tokens import TokenRefusedError, identity_of, verified

    settings = request.app[SERVICE].settings
    value = request.cookies.get(_cookie_name(request))
    if value is None or settings.jwt_secret is None:
        return None
    try:
        claims = verified(value, settings, _audience(settings), timedelta(0))
        who = identity_of(claims)
    except TokenRefusedError:
        return None
    session_id = claims.get("jti")
    if not isinstance(session_id, str) or who.role not in PEOPLE or is_revoked(request, claims):
        return None
    ends_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
    return Session(who, session_id, ends_at, _csrf(session_id, settings))


def keep(request: web.Request, response: web.Response, session: Session, value: str) -> None:
    """Give the browser its cookie."""
    seconds = int((session.ends_at - datetime.now(UTC)).total_seconds())
    response.set_cookie(
        _cookie_name(request),
        value,
        max_age=max(seconds, 1),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="Strict",
    )


def forget(request: web.Request, response: web.Response) -> None:
    """Take the cookie away from the browser."""
    response.del_cookie(
        _cookie_name(request),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="Strict",
    )


def require_csrf(session: Session, given: str) -> None:
    """Let only our own pages' forms pass. Raises HTTPForbidden."""
    if not hmac.compare_digest(given.encode("utf-8", "replace"), session.csrf.encode()):
        raise web.HTTPForbidden(
            text="this form is not of your session: load the page again and send it once more"
        )


def require_own_page(request: web.Request) -> None:
    """Let only what was sent from our own pages pass, as browsers tell it. Raises HTTPForbidden.

    What says nothing of where it was sent from is no browser.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in _SAME:
        raise web.HTTPForbidden(text="this was sent from another site")
    origin = request.headers.get("Origin")
    if site is None and origin is not None:
        base_url = request.app[SERVICE].loaded.platform.base_url
        if urlsplit(origin).netloc not in (request.host, urlsplit(base_url).netloc):
            raise web.HTTPForbidden(text="this was sent from another site")


def local_path(text: str | None) -> str:
    """A path of ours to go on to; `/` for whatever may lead elsewhere."""
    return text if text and _LOCAL.fullmatch(text) else "/"


def _audience(settings: Settings) -> str:
    return f"{settings.jwt_audience}/console"


def _csrf(session_id: str, settings: Settings) -> str:
    assert settings.jwt_secret is not None  # a session is signed with it
    key = settings.jwt_secret.get_secret_value().encode()
    return hmac.new(key, _CSRF + session_id.encode(), "sha256").hexdigest()


def _is_secure(request: web.Request) -> bool:
    return request.app[SERVICE].loaded.platform.base_url.startswith("https://")


def _cookie_name(request: web.Request) -> str:
    # Browsers keep a cookie of such a name only if it is ours alone and travels by https.
    return "__Host-monitoring" if _is_secure(request) else "monitoring"
