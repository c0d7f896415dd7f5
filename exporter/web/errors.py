"""Every error in the documented shape: `{error, code, statusCode, timestamp, path}`."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.ledger.errors import StoreUnavailableError
from exporter.web.keys import SERVICE

_CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "NOT_FOUND",
    413: "VALIDATION_ERROR",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMIT_EXCEEDED",
    503: "SERVICE_UNAVAILABLE",
}

# The store is looked at again every few seconds.
_STORE_RETRY_SECONDS = 5

log = structlog.get_logger("exporter.web")


def iso(unix: float) -> str:
    """A time in unix seconds, as ISO 8601 in UTC."""
    text = datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def now() -> str:
    """The time, as ISO 8601 in UTC."""
    return iso(time.time())


def error_response(
    request: web.Request, status: int, text: str, headers: dict[str, str] | None = None
) -> web.Response:
    """An error in the documented shape."""
    code = _CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "VALIDATION_ERROR")
    body = {
        "error": text,
        "code": code,
        "statusCode": status,
        "timestamp": now(),
        "path": request.path,
    }
    return web.json_response(body, status=status, headers=headers)


@web.middleware
async def errors_in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal and every failure in the documented shape."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {
            name: value
            for name, value in error.headers.items()
            if name in ("Allow", "WWW-Authenticate", "Retry-After")
        }
        return error_response(request, error.status, error.text or error.reason, kept)
    except StoreUnavailableError as error:
        retry = {"Retry-After": str(_STORE_RETRY_SECONDS)}
        return error_response(request, 503, str(error), retry)
    except Exception:
        request.app[SERVICE].telemetry.errors.labels("web").inc()
        log.exception("a request has failed", method=request.method, path=request.path)
        return error_response(request, 500, "an error inside the exporter; its log says more")
