"""Where a redirect may lead (RFC 9110, 15.4)."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit, urlunsplit

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.origin import Origin, origin_of
from exporter.probers.http.request import Request, build
from exporter.probers.result import Reason
from model.targets import HttpTarget

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})
LOCATION = b"location"


class Redirects:
    """A service's rules about redirects: how many, and to which origins.

    Following one to another scheme, host or port would report on something that nobody asked
    about, and let a target make us ask whom it likes; so that has to be allowed by name.
    """

    __slots__ = ("_allowed", "_body", "_follow", "_headers", "_keep_alive", "_limit", "_statuses")

    def __init__(self, service: HttpTarget) -> None:
        self._follow = service.follow_redirects
        self._limit = service.max_redirects
        self._allowed = frozenset(origin_of(url) for url in service.allowed_redirects)
        # A redirect that is expected is an answer, and not followed.
        self._statuses = frozenset(service.statuses)
        self._headers = service.headers
        self._body = service.body.encode() if service.body is not None else None
        self._keep_alive = service.keep_alive

    def next(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        request: Request,
        followed: int,
        home: Origin,
    ) -> Request | None:
        """The request that an answer redirects to, None if it does not.

        `followed` is how many were followed before, `home` the origin that the service's own
        headers are meant for. Raises ProbeFailure if it must not be followed.
        """
        if not self._follow or status not in _REDIRECTS or status in self._statuses:
            return None
        location = next((value for name, value in headers if name == LOCATION), None)
        if location is None:
            return None
        if followed >= self._limit:
            raise ProbeFailure(Reason.REDIRECTS, f"more than {self._limit} redirects")
        origin, target = _resolved(location, request)
        if origin not in (request.origin, home) and origin not in self._allowed:
            raise ProbeFailure(Reason.REDIRECTS, f"redirected to {origin}, which is not allowed")
        method, body = request.method, self._body
        if status not in _KEEP_METHOD and method != "HEAD":
            method, body = "GET", None
        return build(
            origin,
            method,
            target,
            # They may hold keys and cookies, which are nobody else's business.
            self._headers if origin == home else {},
            body,
            keep_alive=self._keep_alive,
        )


def _resolved(location: bytes, request: Request) -> tuple[Origin, str]:
    try:
        url = urljoin(f"{request.origin}{request.base}", location.decode("utf-8").strip())
        parts = urlsplit(url)
        return origin_of(url), urlunsplit(("", "", parts.path or "/", parts.query, ""))
    except ValueError:
        raise ProbeFailure(
            Reason.REDIRECTS, "redirected to what is no http:// or https:// URL"
        ) from None
