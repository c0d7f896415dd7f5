"""Tells PagerDuty of what was acknowledged elsewhere, so that it calls nobody for it any more.

What has to be told is read from the store: whoever acknowledges need not know of it, and it goes
out as soon as both the acknowledgement and the incident's key are known, in whichever order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import structlog

from exporter.chat.background import Background
from exporter.instruments import Value
from exporter.ledger import deliveries
from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.groups import Acknowledged, acknowledged_elsewhere
from exporter.ledger.store import Store
from model.people import PagerDuty
from model.platform import Platform

_INTERVAL = 2.0
# What was acknowledged longer ago is old news.
_LATELY = timedelta(hours=1)
_TIMEOUT = aiohttp.ClientTimeout(total=10)
# With pauses of 1, 2, 4 … s, at most 60: for two minutes.
_TRIES = 8
_LONGEST_PAUSE = 60.0
_AT_ONCE = 10

log = structlog.get_logger("exporter.chat")


class PagerDutyAcknowledger:
    """Sends acknowledgements by the Events API v2, each from one replica.

    `pause` is how long it waits before it tries a second time, in seconds.
    """

    def __init__(
        self,
        store: Store,
        routing_key: str,
        platform: Callable[[], Platform],
        errors: Value,
        background: Background,
        pause: float = 1.0,
    ) -> None:
        self._store = store
        self._routing_key = routing_key
        self._platform = platform
        self._errors = errors
        self._background = background
        self._pause = pause
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Look for what is to be told, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailableError as error:
                # The ledger says so aloud, and this is about acknowledgements that wait in it.
                log.debug("PagerDuty is told later", why=str(error))
            await asyncio.sleep(_INTERVAL)

    async def look(self) -> None:
        """Begin to tell what is to be told. Raises StoreUnavailableError."""
        now = datetime.now(UTC)
        async with self._store.read() as connection:
            found = await acknowledged_elsewhere(connection, now - _LATELY)
        for incident in found:
            # By the routing key of somebody's own service, which is Alertmanager's alone.
            if self._url(incident.receiver) is None:
                continue
            async with self._store.begin() as connection:
                ours = await deliveries.is_first(
                    connection, "pagerduty-out", incident.event_id, now
                )
            if ours:
                self._background.start(self._tell(incident))

    async def _tell(self, incident: Acknowledged) -> None:
        try:
            async with self._turns:
                why = await self._send(incident)
        except asyncio.CancelledError:
            # The process ends: another one tells it.
            async with self._store.begin() as connection:
                await deliveries.forget(connection, "pagerduty-out", incident.event_id)
            raise
        if why is None:
            log.info("PagerDuty was told of an acknowledgement", dedup_key=incident.dedup_key)
            return
        self._errors.inc()
        log.error(
            "PagerDuty was not told of an acknowledgement, and may go on calling",
            dedup_key=incident.dedup_key,
            why=why,
        )

    async def _send(self, incident: Acknowledged) -> str | None:
        """None once it is accepted, else why it is not."""
        event = {
            "routing_key": self._routing_key,
            "event_action": "acknowledge",
            "dedup_key": incident.dedup_key,
        }
        url = self._url(incident.receiver)
        if url is None:
            return "the config has no such channel any more"
        pause, why = self._pause, ""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            for attempt in range(_TRIES):
                if attempt:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                try:
                    async with session.post(url, json=event, allow_redirects=False) as answer:
                        if answer.status == 202:
                            return None
                        why = f"answered {answer.status}"
                        if answer.status != 429 and answer.status < 500:
                            return why
                except (aiohttp.ClientError, TimeoutError) as error:
                    why = type(error).__name__
        return f"{why}, {_TRIES} times"

    def _url(self, receiver: str) -> str | None:
        """Where the channel of a receiver is; None if its name holds no channel's."""
        named = receiver.split("+")
        return next(
            (
                one.url
                for one in self._platform().channels
                if isinstance(one, PagerDuty) and one.name in named
            ),
            None,
        )
