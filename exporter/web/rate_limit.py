"""How often the API may be asked: a token bucket for each person, else for each address."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from exporter.web.client_address import client_address
from exporter.web.errors import error_response
from exporter.web.identity import Identity, caller

# Alertmanager, Prometheus and load balancers ask by other paths, and are never refused.
_LIMITED: Final = ("/api/alerts", "/api/v1/", "/api/openapi.json", "/api/docs")
# Beyond so many the one that has been idle for longest is forgotten, so that it starts afresh.
_MOST_BUCKETS: Final = 10_000
_MINUTE: Final = 60.0
# Whoever has one IPv6 address has all of such a network.
_IPV6_PREFIX: Final = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass; times in seconds."""

    allowed: bool
    remaining: int
    # Until the next request may pass; until all of the limit may be used again.
    retry_after: float
    full_after: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """A bucket a caller: `limit` requests at once, and as many again over each minute."""

    def __init__(self, limit: int, most: int = _MOST_BUCKETS) -> None:
        self.limit = limit
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: str, now: float) -> Verdict:
        """Count a request of somebody at a time in seconds that never goes back."""
        rate = self.limit / _MINUTE
        bucket = self._buckets.setdefault(who, _Bucket(float(self.limit), now))
        self._buckets.move_to_end(who)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        bucket.tokens = min(float(self.limit), bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        return Verdict(
            allowed=allowed,
            remaining=int(bucket.tokens),
            retry_after=max(0.0, (1 - bucket.tokens) / rate),
            full_after=(self.limit - bucket.tokens) / rate,
        )


def rate_limit(limit: int) -> Middleware:
    """The middleware that allows each caller so many requests a minute."""
    buckets = Buckets(limit)

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(_LIMITED):
            return await handler(request)
        verdict = buckets.take(_who(request), time.monotonic())
        if verdict.allowed:
            response = await handler(request)
        else:
            wait = math.ceil(verdict.retry_after)
            response = error_response(
                request,
                429,
                f"more than {limit} requests a minute: ask again in {wait} s",
                {"Retry-After": str(wait)},
            )
        response.headers.update(
            {
                "X-RateLimit-Limit": str(limit),
                "X-RateLimit-Remaining": str(verdict.remaining),
                "X-RateLimit-Reset": str(math.ceil(time.time() + verdict.full_after)),
            }
        )
        return response

    return limited


def _who(request: web.Request) -> str:
    who = caller(request)
    # Guesses at tokens are counted by where they come from.
    return f"person {who.name}" if isinstance(who, Identity) else f"address {network_of(request)}"


def network_of(request: web.Request) -> str:
    """Where a request comes from: an address, of IPv6 the network that its owner has."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address or ""
    return str(ipaddress.ip_network((address.partition("%")[0], _IPV6_PREFIX), strict=False))
