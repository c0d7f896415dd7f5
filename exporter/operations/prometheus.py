"""A figure that Prometheus works out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import aiohttp

from exporter.ledger.http_body import NoAnswerError
from exporter.operations.checks.answers import ask


async def value_at(session: aiohttp.ClientSession, address: str, query: str) -> float | None:
    """What a query of one series answers at host:port; None where it answers nothing usable."""
    try:
        said = await ask(session, f"http://{address}/api/v1/query", {"query": query})
        found = said["data"]["result"]
        value = float(found[0]["value"][1]) if found else math.nan
    except (NoAnswerError, KeyError, TypeError, ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None


async def value_of(
    session: aiohttp.ClientSession, addresses: Sequence[str], query: str
) -> float | None:
    """The same, of the first of several that knows it."""
    for address in addresses:
        if (value := await value_at(session, address, query)) is not None:
            return value
    return None
