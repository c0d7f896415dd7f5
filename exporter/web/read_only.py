"""READ_ONLY=1: nothing is written, whoever asks; everything can be read."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.web.keys import SERVICE

_READS: Final = ("GET", "HEAD", "OPTIONS")
_WRITTEN: Final = "/api/"
# It is noted in memory alone, and tells that alerting works.
_WATCHDOG: Final = "/api/alertmanager/watchdog"
_RETRY_AFTER_SECONDS: Final = 60


@web.middleware
async def read_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse every write while READ_ONLY is set. Raises HTTPServiceUnavailable.

    Alertmanager's webhook is refused too: it repeats what is answered by 503, and the ledger asks
    for what is open as soon as it may write again.
    """
    writes = request.method not in _READS and request.path.startswith(_WRITTEN)
    if writes and request.path != _WATCHDOG and request.app[SERVICE].settings.read_only:
        raise web.HTTPServiceUnavailable(
            text="READ_ONLY is set: nothing is written until it is unset",
            headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
        )
    return await handler(request)
