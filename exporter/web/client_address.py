"""Where a request comes from: the peer's address, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aiohttp import web

from exporter.settings import Address, Network
from exporter.web.access import peer
from exporter.web.keys import SERVICE


def client_address(request: web.Request) -> str | None:
    """The address as text; None if the client has gone meanwhile."""
    found = _forwarded(request, request.app[SERVICE].settings.trusted_proxies)
    return str(found) if found is not None else None


def _forwarded(request: web.Request, trusted: Iterable[Network]) -> Address | None:
    """Walk from us towards the client, as long as whoever speaks is a proxy of ours.

    Each proxy adds the address that it was called from at the right; what stands left of the first
    stranger is that stranger's own word.
    """
    networks = tuple(trusted)
    address = peer(request)
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    while hops and address is not None and any(address in network for network in networks):
        before = _parsed(hops.pop())
        if before is None:
            break
        address = before
    return address


def _parsed(hop: str) -> Address | None:
    """The address of an entry, which may have a port; None if it is none."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip
