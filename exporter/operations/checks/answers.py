"""What Prometheus and Alertmanager answer to a check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from exporter.ledger.http_body import NoAnswerError, get


async def ask(
    session: aiohttp.ClientSession, url: str, params: Mapping[str, str] | None = None
) -> Any:
    """The document that is answered. Raises NoAnswerError."""
    try:
        return json.loads(await get(session, url, params))
    except (ValueError, RecursionError):
        raise NoAnswerError("it answers no JSON") from None
