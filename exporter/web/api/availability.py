"""The services' figures over days, where a ledger keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from exporter.ledger.errors import StoreUnavailableError
from exporter.service import Service
from exporter.web.api.monitoring_models import Latencies, WindowFigures
from exporter.web.slices import sliced

if TYPE_CHECKING:
    from exporter.ledger.service_figures import Figures, ServiceFigures

# What is known of services now does not wait for long for what they were.
_PATIENCE: Final = 2.0

Shown = Mapping[str, dict[str, WindowFigures]]


class Availability:
    """Asks the ledger; knows nothing where there is none, or while its store is away."""

    def __init__(self) -> None:
        self._figures: ServiceFigures | None = None

    async def of(self, service: Service, targets: Collection[str]) -> Shown:
        """The figures by target and window; empty if they cannot be had."""
        if service.ledger is None:
            return {}
        if self._figures is None:
            from exporter.ledger.service_figures import ServiceFigures

            self._figures = ServiceFigures(service.ledger.store)
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._figures.of(targets, datetime.now(UTC))
        except (TimeoutError, StoreUnavailableError):
            return {}
        return dict(await sliced(_shown, found.items()))


AVAILABILITY: Final = web.AppKey("availability", Availability)


def _shown(
    target: tuple[str, Mapping[str, Figures]],
) -> tuple[str, dict[str, WindowFigures]]:
    name, windows = target
    return name, {window: _window(figures) for window, figures in windows.items()}


def _window(figures: Figures) -> WindowFigures:
    return WindowFigures(
        probes=figures.probes,
        successes=figures.successes,
        degraded=figures.degraded,
        availability=None if figures.availability is None else round(figures.availability, 6),
        latency=Latencies(
            p50=_milliseconds(figures.p50),
            p95=_milliseconds(figures.p95),
            p99=_milliseconds(figures.p99),
        ),
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
