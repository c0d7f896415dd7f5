"""Stand-ins for Alertmanager and Prometheus that say what a test wants, by their own APIs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Samples = tuple[float, ...]


class StandInAlertmanager:
    """Has the alerts that it is given, and has been up since `started_at`."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, object]] = []
        self.started_at = datetime.now(UTC) - timedelta(days=1)
        self.answers = True
        self.asked: Mapping[str, str] = {}

    def has(self, of: Mapping[str, str], since: datetime, state: str = "active") -> None:
        """Give it an alert."""
        self.alerts.append(
            {
                "labels": dict(of),
                "annotations": {"summary": "listed"},
                "startsAt": since.isoformat(),
                "endsAt": (datetime.now(UTC) + timedelta(minutes=4)).isoformat(),
                "generatorURL": "",
                "status": {"state": state, "silencedBy": [], "inhibitedBy": []},
            }
        )

    def routes(self) -> Iterable[web.RouteDef]:
        """Its API."""

        async def status(_request: web.Request) -> web.Response:
            if not self.answers:
                raise web.HTTPServiceUnavailable
            return web.json_response({"uptime": self.started_at.isoformat()})

        async def alerts(request: web.Request) -> web.Response:
            self.asked = dict(request.query)
            return web.json_response(self.alerts)

        return [web.get("/api/v2/status", status), web.get("/api/v2/alerts", alerts)]


class StandInPrometheus:
    """Remembers the samples of ALERTS that it is given, and has been up since `started_at`."""

    def __init__(self) -> None:
        self.samples: list[tuple[Mapping[str, str], Samples]] = []
        self.started_at = datetime.now(UTC) - timedelta(days=30)
        self.answers = True
        self.config = "global: {}\n"
        # Since when alerts are active, in unix seconds; None: since the start of each run.
        self.active_at: int | None = None

    def remembers(
        self, of: Mapping[str, str], since: datetime, until: datetime, step: float = 5
    ) -> datetime:
        """Give it a run of an alert; answers the time of its last sample."""
        times = [since.timestamp()]
        while times[-1] + step <= until.timestamp():
            times.append(times[-1] + step)
        self.samples.append((of, tuple(times)))
        return datetime.fromtimestamp(times[-1], UTC)

    def active_since(self, run: Samples) -> int:
        """What ALERTS_FOR_STATE says during a run."""
        return int(run[0]) if self.active_at is None else self.active_at

    def routes(self) -> Iterable[web.RouteDef]:
        """Its API."""

        async def info(_request: web.Request) -> web.Response:
            if not self.answers:
                raise web.HTTPServiceUnavailable
            return web.json_response({"data": {"startTime": self.started_at.isoformat()}})

        async def config(_request: web.Request) -> web.Response:
            return web.json_response({"data": {"yaml": self.config}})

        async def query(request: web.Request) -> web.Response:
            end = float(request.query["time"])
            selector, _, length = request.query["query"].rstrip("]s").rpartition("[")
            name, _, _ = selector.partition("{")
            own = {"__name__": name, **({"alertstate": "firing"} if name == "ALERTS" else {})}
            begin = end - float(length)
            result: list[dict[str, Any]] = [
                {
                    "metric": {**of, **own},
                    "values": [
                        [at, "1" if name == "ALERTS" else str(self.active_since(times))]
                        for at in times
                        if begin <= at <= end
                    ],
                }
                for of, times in self.samples
            ]
            found = [one for one in result if one["values"]]
            return web.json_response({"status": "success", "data": {"result": found}})

        return [
            web.get("/api/v1/status/runtimeinfo", info),
            web.get("/api/v1/status/config", config),
            web.get("/api/v1/query", query),
        ]


@asynccontextmanager
async def listening(standin: StandInAlertmanager | StandInPrometheus) -> AsyncIterator[str]:
    """The host:port that it listens on."""
    app = web.Application()
    app.add_routes(standin.routes())
    async with TestServer(app) as server:
        yield f"{server.host}:{server.port}"
