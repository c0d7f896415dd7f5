"""The ledger of a running exporter: its store, kept open, and what /metrics says of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import get_args

import aiohttp
import structlog

from exporter.instruments import Registry
from exporter.ledger import state
from exporter.ledger.batches import Batches
from exporter.ledger.claim import Claim
from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.incoming import Incoming
from exporter.ledger.ingest import CHANGES, Outcome, Source, ingest
from exporter.ledger.options import store_options
from exporter.ledger.responses import Responses
from exporter.ledger.revocations import Revocations
from exporter.ledger.service_figures import ServiceFigures
from exporter.ledger.store import Store
from exporter.settings import Settings
from model import names
from model.platform import Platform

# How often the store is written and read to see that it can be, and what is open is read anew:
# what other replicas acknowledge is seen by a scrape of this one that much later.
_REFRESH_SECONDS = 2.0

# Of the alerts of one delivery, so many are named in the log.
_MOST_TOLD = 10

log = structlog.get_logger("exporter.ledger")


class Ledger:
    """Opens the store as soon as it can be had, and knows what is open in it.

    `platform` answers the config in use: severities and their response times come from it.
    """

    def __init__(
        self, settings: Settings, registry: Registry, platform: Callable[[], Platform]
    ) -> None:
        self.replica = settings.replica
        self.platform = platform
        self.store = Store(store_options(settings))
        self.figures = ServiceFigures(self.store)
        self.revocations = Revocations(self.store, read_only=settings.read_only)
        self.started_at = datetime.now(UTC)
        self._claim = Claim(self.store, self.replica, self.started_at)
        self._read_only = settings.read_only
        self._changed = asyncio.Event()
        self._deliveries = Batches(self._take)
        self._session: aiohttp.ClientSession | None = None
        self._up = registry.value(names.ALERT_LEDGER_STORE_UP)
        self._told = state.Told(registry)
        self._responses = Responses(self.store, registry, platform)
        self._messages = registry.family(names.ALERT_LEDGER_MESSAGES)
        for source in get_args(Source):
            for change in CHANGES:
                self._messages.labels(source, change)
        registry.value(names.DB_POOL_MAX).set_function(lambda: self.store.pool.largest)
        registry.value(names.DB_POOL_AVAILABLE).set_function(lambda: self.store.pool.available)
        registry.value(names.DB_POOL_WAITING).set_function(lambda: self.store.pool.waiting)

    def touch(self) -> None:
        """What is open has changed: read it again now, not at the next turn."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the store open and what is told of it fresh, until cancelled.

        Raises SecondReplicaError.
        """
        tasks = [asyncio.create_task(one) for one in (self._keep_fresh(), self._responses.run())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            # Whoever closes the store next must find it at rest: a connection that is closed under
            # what waits for it never answers.
            await asyncio.wait(tasks)

    async def _keep_fresh(self) -> None:
        opened = False
        trouble = ""
        while True:
            try:
                if not opened:
                    await self.store.open()
                    opened = True
                await self.revocations.refresh(datetime.now(UTC))
                await self._refresh()
                trouble = ""
            except StoreUnavailableError as error:
                self._up.set(0)
                self._told.lose()
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("the ledger's store is not available", why=trouble)
            with suppress(TimeoutError):
                async with asyncio.timeout(_REFRESH_SECONDS):
                    await self._changed.wait()
            self._changed.clear()

    async def close(self) -> None:
        """Let go of the store, and of what was asked of others."""
        if self._session is not None:
            await self._session.close()
        await self.store.close()

    async def deliver(self, incoming: Sequence[Incoming]) -> None:
        """Commit what Alertmanager delivers, together with what it delivers meanwhile.

        Raises StoreUnavailableError.
        """
        await self._deliveries.add(incoming)

    async def _take(self, incoming: Sequence[Incoming]) -> None:
        await self.ingest(incoming, "webhook", datetime.now(UTC))

    async def ingest(self, incoming: Sequence[Incoming], source: Source, now: datetime) -> Outcome:
        """Merge what is told of alerts into the ledger. Raises StoreUnavailableError."""
        if not incoming:
            return Outcome({})
        outcome = await ingest(self.store, incoming, source, now, self.platform())
        for change, number in outcome.changes.items():
            self._messages.labels(source, change).inc(number)
        if outcome.changed:
            self.touch()
            _tell(incoming, outcome, source)
        return outcome

    def count(self, closed: Mapping[Source, int]) -> None:
        """Count what has ended by what was asked, not told."""
        for source, number in closed.items():
            self._messages.labels(source, "closed").inc(number)
        if closed:
            self.touch()

    @property
    def session(self) -> aiohttp.ClientSession:
        """For what the ledger asks of others; made when it is first wanted, on the event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        return self._session

    async def _refresh(self) -> None:
        if not self._read_only:
            await self._claim.renew()
        self._told.tell(await state.read(self.store, datetime.now(UTC)), self.platform())
        # What is only read learns of no new alert and of no acknowledgement: rules fail open.
        self._up.set(0 if self._read_only else 1)


def _tell(incoming: Sequence[Incoming], outcome: Outcome, source: Source) -> None:
    """One line a delivery, however many alerts a storm has."""
    log.info(
        "alert notification taken",
        source=source,
        alerts=[
            f"{one.name} {one.service} {'firing' if one.ends_at is None else 'resolved'}"
            for one in incoming[:_MOST_TOLD]
        ],
        number=len(incoming),
        changes={change: number for change, number in outcome.changes.items() if number},
    )
