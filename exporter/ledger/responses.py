"""How people respond to alerts, by name, as /metrics tells it: read anew once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from exporter.instruments import Registry
from exporter.ledger.archives import everywhere
from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.statistics import Figures, by_name
from exporter.ledger.store import Store
from exporter.ledger.tables import alerts
from model import names
from model.metric import Metric
from model.names_response import RESPONSE_WINDOWS
from model.platform import Platform

# People look at days. What it costs is a look at each alert of 30 days.
_EVERY_SECONDS = 60.0
_RETRY_SECONDS = 2.0

_ASKED: Mapping[Metric, Callable[[Figures], float | None]] = MappingProxyType(
    {
        names.ALERT_LEDGER_FIRED: lambda figures: figures.count,
        names.ALERT_LEDGER_MEAN_ACKNOWLEDGE: lambda figures: figures.mtta,
        names.ALERT_LEDGER_MEAN_RESOLVE: lambda figures: figures.mttr,
        names.ALERT_LEDGER_MEAN_DELIVERY: lambda figures: figures.mean_delivery,
        names.ALERT_LEDGER_FALSE_POSITIVES: lambda figures: figures.false_positives,
        names.ALERT_LEDGER_LATE_RESPONSES: lambda figures: figures.breaches,
    }
)


class Responses:
    """The metrics of how people respond. What a store that is down would tell is not told."""

    def __init__(self, store: Store, registry: Registry, platform: Callable[[], Platform]) -> None:
        self._store = store
        self._platform = platform
        self._families = {metric: registry.family(metric) for metric in _ASKED}

    async def run(self) -> None:
        """Keep them fresh, until cancelled."""
        while True:
            try:
                await self.refresh(datetime.now(UTC))
            except StoreUnavailableError:  # said in the log by who keeps the store open
                self.lose()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await asyncio.sleep(_EVERY_SECONDS)

    async def refresh(self, now: datetime) -> None:
        """Read and tell all of them. Raises StoreUnavailableError."""
        keep = self._platform().workers.keep_alerts
        found: dict[str, list[Figures]] = {}
        async with self._store.read() as connection:
            for window, length in RESPONSE_WINDOWS.items():
                # What is archived ended so long ago that a shorter window does not see it.
                rows = alerts if length <= keep else await everywhere(connection, alerts)
                found[window] = await by_name(connection, rows, now - length, now)
        self.lose()
        for window, figures in found.items():
            for one in figures:
                self._tell(window, one)

    def lose(self) -> None:
        """Tell none of them."""
        for family in self._families.values():
            family.clear()

    def _tell(self, window: str, figures: Figures) -> None:
        for metric, asked in _ASKED.items():
            number = asked(figures)
            if number is not None:
                self._families[metric].labels(window, figures.name).set(number)
