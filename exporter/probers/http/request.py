"""A service's request, made once: where it goes and its bytes."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from exporter.probers.http.connection import Address

_PORTS = {"http": 80, "https": 443}
# What may stand in a request's target as it is (RFC 3986): everything else is percent-encoded.
_SAFE = "/?:@!$&'()*+,;=-._~%[]"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request goes: scheme, host without brackets, port (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def literal(self) -> Address | None:
        """The address, if the host is one and needs no resolving."""
        try:
            ip = ipaddress.ip_address(self.host)
        except ValueError:
            return None
        if ip.version == 4:
            return socket.AF_INET, (str(ip), self.port)
        return socket.AF_INET6, (str(ip), self.port, 0, 0)


def origin_of(url: str) -> Origin:
    """The origin of a URL that has been validated."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    return Origin(parts.scheme, host, parts.port or _PORTS[parts.scheme])


def request_bytes(origin: Origin, path: str) -> bytes:
    """The bytes of a GET."""
    return (
        f"GET {quote(path, safe=_SAFE)} HTTP/1.1\r\n"
        f"Host: {origin.authority}\r\n"
        "User-Agent: tickettoken-monitoring\r\n"
        "Accept: application/json, */*;q=0.5\r\n"
        "Accept-Encoding: gzip, deflate\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")
