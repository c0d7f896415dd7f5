"""Whether what a token says was revoked: logged out of, or taken back from its person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from exporter.web.keys import SERVICE

REVOKED: Final = "the token was revoked: get a new one"


def is_revoked(request: web.Request, claims: Mapping[str, Any]) -> bool:
    """Of verified claims, as the ledger knows. Without a ledger, nothing can be revoked."""
    ledger = request.app[SERVICE].ledger
    if ledger is None:
        return False
    session_id = claims.get("jti")
    return ledger.revocations.refuses(
        str(claims["sub"]),
        float(claims["iat"]),
        session_id if isinstance(session_id, str) else None,
    )
