"""What the exporter, Prometheus and Alertmanager say, by their own APIs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Point:
    """One raw sample: when, in unix seconds, and its value."""

    at: float
    value: float


class Api:
    """Reads the three APIs."""

    def __init__(
        self, session: aiohttp.ClientSession, exporter: str, prometheus: str, alertmanager: str
    ) -> None:
        self._session = session
        self._exporter = exporter
        self._prometheus = prometheus
        self._alertmanager = alertmanager

    async def instant(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query, now or at a unix time."""
        url = f"{self._prometheus}/api/v1/query"
        params = {"query": query} | ({} if at is None else {"time": f"{at:.3f}"})
        async with self._session.get(url, params=params) as response:
            response.raise_for_status()
            result: list[dict[str, Any]] = (await response.json())["data"]["result"]
            return result

    async def until(self, query: str, deadline: float = 60.0) -> None:
        """Wait until an instant query has a result. TimeoutError names one that has none."""
        end = time.monotonic() + deadline
        while not await self.instant(query):
            if time.monotonic() > end:
                raise TimeoutError(f"Prometheus has no {query} after {deadline:g} s")
            await asyncio.sleep(_POLL_SECONDS)

    async def raw(self, selector: str, since: float, length: str = "10m") -> list[Point]:
        """The raw samples of the series that a selector names, from a unix time on, in order."""
        found = await self.instant(f"{selector}[{length}]")
        points = [Point(float(at), float(value)) for one in found for at, value in one["values"]]
        return sorted((p for p in points if p.at >= since), key=lambda point: point.at)

    async def health(self) -> dict[str, Any]:
        """What the exporter's /health says."""
        async with self._session.get(f"{self._exporter}/health") as response:
            health: dict[str, Any] = await response.json()
            return health

    async def service_health(self, service: str) -> dict[str, Any]:
        """What the exporter's /health says of a service."""
        services = (await self.health())["services"]
        found: dict[str, Any] = next(one for one in services if one["service"] == service)
        return found

    async def alertmanager_alerts(self, alertname: str, service: str) -> list[dict[str, Any]]:
        """The alerts that Alertmanager holds, by name and service."""
        filters = [("filter", f'alertname="{alertname}"'), ("filter", f'service="{service}"')]
        url = f"{self._alertmanager}/api/v2/alerts"
        async with self._session.get(url, params=filters) as response:
            response.raise_for_status()
            alerts: list[dict[str, Any]] = await response.json()
            return alerts

    async def open_alerts(self, token: str) -> list[dict[str, Any]]:
        """The alerts that the ledger has open."""
        url = f"{self._exporter}/api/alerts?status=active"
        async with self._session.get(url, headers=_bearer(token)) as response:
            response.raise_for_status()
            active: list[dict[str, Any]] = (await response.json())["active"]
            return active

    async def acknowledge(self, token: str, alert_id: str, notes: str) -> None:
        """Acknowledge an alert."""
        url = f"{self._exporter}/api/alerts/acknowledge/{alert_id}"
        body = {"notes": notes}
        async with self._session.post(url, json=body, headers=_bearer(token)) as response:
            response.raise_for_status()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def unix(iso: str) -> float:
    """An ISO 8601 time in unix seconds."""
    return datetime.fromisoformat(iso).timestamp()
