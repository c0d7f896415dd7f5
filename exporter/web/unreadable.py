"""Requests that cannot be read, as one line of the log: anybody can send them, at any pace."""

from __future__ import annotations

import logging
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

log = structlog.get_logger("exporter.web")


class ServerLog(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp's server logs by: it would print a traceback for each request that is none."""

    def __init__(self) -> None:
        super().__init__(server_logger, {})

    def exception(self, msg: object, *args: object, **more: Any) -> None:
        """Log an error that the server has met; what a client does wrong is none of ours."""
        error = more.get("exc_info")
        if isinstance(error, HttpProcessingError):
            # Its own words repeat the request, which may hold a secret.
            address, why = args[0] if args else None, type(error).__name__
            log.warning("a request could not be read", address=address, why=why)
            return
        super().exception(msg, *args, **more)
