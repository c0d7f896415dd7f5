"""Answers to Slack, by the address that each request brings along, and to no other place."""

from __future__ import annotations

import asyncio

import aiohttp
import structlog

from exporter.chat.slack_message import Message
from exporter.instruments import Value

# Whoever forges a request must not have us call an address of his.
ORIGIN = "https://hooks.slack.com/"
_TIMEOUT = aiohttp.ClientTimeout(total=5)
# Slack takes five answers to a request.
_TRIES = 2
_PAUSE = 1.0

log = structlog.get_logger("exporter.chat")


class SlackReplies:
    """Posts answers. `origin` is what an address has to begin with, its host's / included."""

    def __init__(self, errors: Value, origin: str = ORIGIN) -> None:
        self.origin = origin
        self._errors = errors

    def allowed(self, response_url: str) -> bool:
        """Whether the address is Slack's."""
        # What a URL parser makes of a backslash, a space or a control is no matter this way.
        plain = response_url.isascii() and response_url.isprintable()
        return plain and response_url.startswith(self.origin) and not set(response_url) & set("\\ ")

    async def post(self, response_url: str, message: Message) -> None:
        """Post an answer; one that Slack does not take is logged and counted."""
        why = ""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            for attempt in range(_TRIES):
                if attempt:
                    await asyncio.sleep(_PAUSE)
                try:
                    async with session.post(
                        response_url, json=message, allow_redirects=False
                    ) as answer:
                        if answer.status == 200:
                            return
                        why = f"answered {answer.status}"
                except (aiohttp.ClientError, TimeoutError) as error:
                    why = type(error).__name__
        self._errors.inc()
        # The address is as good as a password for half an hour.
        log.warning("an answer to Slack was not taken", why=why)
