"""Tells PagerDuty of what was acknowledged elsewhere, so that it calls nobody for it any more.

What has to be told is read from the store: whoever acknowledges need not know of it, and it goes
out as soon as both the acknowledgement and the incident's key are known, in whichever order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
import structlog

from exporter.chat.background import Background
from exporter.chat.routing_keys import keyed
from exporter.instruments import Value
from exporter.ledger import deliveries
from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.groups import Acknowledged, acknowledged_elsewhere
from exporter.ledger.store import Store
from model.people import PagerDuty
from model.platform import Platform

_SOURCE: Final = "pagerduty-out"

_INTERVAL = 2.0
# What was acknowledged longer ago is old news.
_LATELY = timedelta(hours=1)
_TIMEOUT = aiohttp.ClientTimeout(total=10)
# With pauses of 1, 2, 4 … s, at most 60: for two minutes.
_TRIES = 8
_LONGEST_PAUSE = 60.0
_AT_ONCE = 10
# Longer than all tries may take. Whoever dies meanwhile has told nobody: another one tells then.
# What is told twice is one acknowledgement, since an incident is named by its key.
_CLAIMED = timedelta(minutes=5)

log = structlog.get_logger("exporter.chat")


class PagerDutyAcknowledger:
    """Sends acknowledgements by the Events API v2, each from one replica.

    `keys` are the routing keys, as `read_keys` gives them. `pause` is how long it waits before it
    tries a second time, in seconds.
    """

    def __init__(
        self,
        store: Store,
        keys: Mapping[str, str],
        platform: Callable[[], Platform],
        errors: Value,
        background: Background,
        pause: float = 1.0,
    ) -> None:
        self._store = store
        self._keys = keys
        self._platform = platform
        self._errors = errors
        self._background = background
        self._pause = pause
        self._turns = asyncio.Semaphore(_AT_ONCE)
        # By their event ids: what waits for its turn here has no claim yet.
        self._under_way: set[str] = set()

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
            found = await acknowledged_elsewhere(connection, now - _LATELY, now)
        for incident in found:
            # What has no key is somebody's own service, which is Alertmanager's alone.
            if incident.event_id not in self._under_way and self._channels(incident.receiver):
                self._under_way.add(incident.event_id)
                self._background.start(self._tell(incident))

    async def _tell(self, incident: Acknowledged) -> None:
        try:
            async with self._turns:
                if await self._claimed(incident):
                    await self._tell_claimed(incident)
        except StoreUnavailableError as error:
            # Found again at the next look, or when the claim has run out.
            log.debug("PagerDuty is told later", why=str(error))
        finally:
            self._under_way.discard(incident.event_id)

    async def _claimed(self, incident: Acknowledged) -> bool:
        now = datetime.now(UTC)
        async with self._store.begin() as connection:
            return await deliveries.claim(
                connection, _SOURCE, incident.event_id, now, now + _CLAIMED
            )

    async def _tell_claimed(self, incident: Acknowledged) -> None:
        try:
            refusals = await self._send(incident)
        except asyncio.CancelledError:
            # The process ends: another one tells it.
            async with self._store.begin() as connection:
                await deliveries.forget(connection, _SOURCE, incident.event_id)
            raise
        async with self._store.begin() as connection:
            await deliveries.settle(connection, _SOURCE, incident.event_id)
        for channel, why in refusals.items():
            self._errors.inc()
            log.error(
                "PagerDuty was not told of an acknowledgement, and may go on calling",
                channel=channel,
                dedup_key=incident.dedup_key,
                why=why,
            )
        if not refusals:
            log.info("PagerDuty was told of an acknowledgement", dedup_key=incident.dedup_key)

    async def _send(self, incident: Acknowledged) -> dict[str, str]:
        """Tell every channel of the incident's receiver; why one was not told, by its name.

        Each has opened an incident of its own, all of the same key.
        """
        refusals = {}
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            channels = self._channels(incident.receiver)
            answers = await asyncio.gather(
                *(self._send_to(session, one.url, key, incident) for one, key in channels)
            )
        for (channel, _), why in zip(channels, answers, strict=True):
            if why is not None:
                refusals[channel.name] = why
        return refusals

    async def _send_to(
        self, session: aiohttp.ClientSession, url: str, key: str, incident: Acknowledged
    ) -> str | None:
        """None once it is accepted, else why it is not."""
        event = {
            "routing_key": key,
            "event_action": "acknowledge",
            "dedup_key": incident.dedup_key,
        }
        pause, why = self._pause, ""
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

    def _channels(self, receiver: str) -> list[tuple[PagerDuty, str]]:
        """The PagerDuty channels of a receiver whose keys are known, each with its key."""
        named = receiver.split("+")
        return [one for one in keyed(self._keys, self._platform()) if one[0].name in named]
