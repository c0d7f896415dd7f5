"""Who may do what: an allow-list of addresses, basic auth, loopback only, Alertmanager's token."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import time
from ipaddress import IPv4Address, IPv6Address

from aiohttp import web

from exporter.settings import Settings
from exporter.web.keys import SERVICE

# A proxy on this machine connects from loopback on a stranger's behalf, and says so by these.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def peer(request: web.Request) -> IPv4Address | IPv6Address | None:
    """The address that is connected to us. Headers that claim another one are not believed."""
    address = request.transport.get_extra_info("peername") if request.transport else None
    if not address:
        return None
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def require_scraper(request: web.Request, settings: Settings) -> None:
    """Let Prometheus pass: an allowed address and, where it is set, the right basic auth.

    Raises HTTPForbidden or HTTPUnauthorized.
    """
    address = peer(request)
    if address is None or not any(address in net for net in settings.prometheus_allowed_ips):
        raise web.HTTPForbidden(
            text=f"{address} is not in PROMETHEUS_ALLOWED_IPS",
        )
    expected = settings.metrics_basic_auth
    if expected is not None and not _matches(request, expected.get_secret_value()):
        raise web.HTTPUnauthorized(
            text="basic auth is required", headers={"WWW-Authenticate": 'Basic realm="metrics"'}
        )


def require_loopback(request: web.Request) -> None:
    """Let only a directly connected client on this machine pass. Raises HTTPForbidden."""
    address = peer(request)
    forwarded = any(header in request.headers for header in _FORWARDED)
    if address is None or not address.is_loopback or forwarded:
        raise web.HTTPForbidden(text="only a client on this machine may do this")


def require_ingest(request: web.Request) -> None:
    """Let only who shows INGEST_TOKEN as a bearer token pass: Alertmanager. A person's does not.

    Raises HTTPUnauthorized.
    """
    expected = request.app[SERVICE].settings.ingest_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if (
        expected is None
        or scheme.lower() != "bearer"
        or not hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), expected.get_secret_value().encode()
        )
    ):
        request.app[SERVICE].telemetry.ingest_refused.set(time.time())
        raise web.HTTPUnauthorized(
            text="the bearer token is not INGEST_TOKEN",
            headers={"WWW-Authenticate": 'Bearer realm="ingest"'},
        )


def _matches(request: web.Request, expected: str) -> bool:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, expected.encode())
