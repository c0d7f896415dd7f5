"""A request's bytes, made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from exporter.probers.http.origin import Origin
from exporter.version import VERSION
from model.targets import HttpTarget

# What may stand in a request's target as it is (RFC 3986, 2.2 and 2.3): the rest is encoded.
_SAFE = "/?:@!$&'()*+,;=-._~%[]"

_DEFAULTS = {
    "User-Agent": f"tickettoken-monitoring/{VERSION}",
    "Accept": "application/json, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request but for its Authorization: bytes before and after that header.

    `base` is its URL's path, which a relative redirect starts from.
    """

    origin: Origin
    method: str
    base: str
    head: bytes
    tail: bytes

    def payload(self, authorization: bytes = b"") -> bytes:
        """The bytes to send; `authorization` is a header's line with its end."""
        return b"%b%b%b" % (self.head, authorization, self.tail)


def request_of(service: HttpTarget, url: str, origin: Origin) -> Request:
    """The request that a service is probed by."""
    parts = urlsplit(url)
    target = parts.path.rstrip("/") + service.path
    if parts.query:
        target += ("&" if "?" in target else "?") + parts.query
    return build(
        origin,
        service.method,
        target,
        service.headers,
        service.body.encode() if service.body is not None else None,
        keep_alive=service.keep_alive,
    )


def build(
    origin: Origin,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    keep_alive: bool = False,
) -> Request:
    """A request; `headers` go before the usual ones of the same names."""
    target = quote(target.partition("#")[0], safe=_SAFE) or "/"
    given = {name.lower() for name in headers}
    usual = {
        "Host": origin.authority,
        **_DEFAULTS,
        "Connection": "keep-alive" if keep_alive else "close",
    }
    if body is not None:
        usual["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in usual.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    return Request(origin, method, target, head, b"\r\n" + (body or b""))
