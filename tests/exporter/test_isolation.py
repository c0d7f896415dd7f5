"""In networks of their own, with a real Prometheus and the default config's alerts and times:

an exporter whose cable is pulled says that it is cut off, and that alone pages; services that are
down behind a network that works page for themselves.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from namespaces import SCRAPED, Cabled, cabled, ip

from demo.api import Api
from model.load import load
from programs import Prometheus, child
from rules.compile import compile_files

ROOT = Path(__file__).resolve().parents[2]
PORT = 3017
HOSTS = [f"10.79.0.{number}" for number in range(1, 7)]
IN_TIME = 60.0

CONFIG = """
from pathlib import Path
from model import *
from model.load import load

base = load(Path({config!r}))
CONFIG = base.model_copy(update={{
    "services": (
        *(
            Service(name="service-" + host.replace(".", "-"), url="http://" + host + ":8000")
            for host in {hosts!r}
        ),
        Service(name="monitoring-service", url="http://127.0.0.1:{port}", path="/status"),
    ),
    "postgres": (), "redis": (), "sql": (), "external": (),
    "alerts": tuple(
        # In the default config that one takes a minute.
        alert.model_copy(update={{"for_": min(alert.for_, seconds(10))}})
        for alert in base.alerts
        if alert.name in {alerts!r}
    ),
    "ledger": None,
    "watched_by": base.watched_by.model_copy(update={{"exporters": ("{exporter}",)}}),
}})
"""
ALERTS = ("ServiceDown", "TargetNotProbed", "ExporterDown", "ExporterIsolated", "Watchdog")


class Firing:
    """What has been firing, as Prometheus tells."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def now(self) -> dict[str, int]:
        """How many alerts of each name fire."""
        query = 'count by (alertname) (ALERTS{alertstate="firing",alertname!="Watchdog"})'
        found = await self._api.instant(query)
        return {one["metric"]["alertname"]: int(float(one["value"][1])) for one in found}

    async def until(self, holds: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Wait until what fires is as it should be; every alert that fired on the way there."""
        deadline, seen = time.monotonic() + IN_TIME, dict[str, int]()
        while True:
            firing = await self.now()
            seen |= {name: max(count, seen.get(name, 0)) for name, count in firing.items()}
            if holds(firing):
                return seen
            assert time.monotonic() < deadline, f"not in {IN_TIME:g} s: {firing}"
            await asyncio.sleep(0.5)


async def healthy(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


@asynccontextmanager
async def services() -> AsyncIterator[None]:
    """A service on every host."""
    application = web.Application()
    application.router.add_get("/health", healthy)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    for host in HOSTS:
        ip("address", "add", f"{host}/32", "dev", "lo")
        await web.TCPSite(runner, host, 8000).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def watched(directory: Path, network: Cabled) -> AsyncIterator[tuple[Firing, Api]]:
    """An exporter in its network and a Prometheus in ours, with every target up."""
    exporter = f"{SCRAPED}:{PORT}"
    config = directory / "config.py"
    given = {"config": str(ROOT / "config.py"), "hosts": HOSTS, "port": PORT, "alerts": ALERTS}
    config.write_text(CONFIG.format(exporter=exporter, **given))
    for path, text in compile_files(load(config)).items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    process = child(
        network.command(sys.executable, "-m", "exporter", "serve"),
        cwd=ROOT,
        env={**os.environ, "MONITORING_CONFIG": str(config), "PORT": str(PORT)},
        log=directory / "exporter.log",
    )
    try:
        with Prometheus(directory / "data", directory / "rules/generated/prometheus.yml") as server:
            async with aiohttp.ClientSession() as session:
                api = Api(session, f"http://{exporter}", server.url, "")
                await _until_up(api, len(HOSTS) + 1)
                yield Firing(api), api
    finally:
        process.terminate()
        process.wait(60)


async def _until_up(api: Api, count: int) -> None:
    deadline = time.monotonic() + IN_TIME
    while not await api.instant(f"count(probe_success == 1) == {count}"):
        assert time.monotonic() < deadline, "not every target came up"
        await asyncio.sleep(0.5)


async def health(_api: Api) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{SCRAPED}:{PORT}/health") as answer,
    ):
        return dict(json.loads(await answer.text()))


@pytest.fixture
def network(tmp_path: Path) -> Any:
    with cabled(tmp_path) as made:
        yield made


async def test_a_pulled_cable_is_one_page_and_dead_services_are_one_each(
    tmp_path: Path, network: Cabled
) -> None:
    async with services(), watched(tmp_path, network) as (firing, api):
        network.unplug()
        seen = await firing.until(lambda now: now.get("ExporterIsolated") == 1)
        assert seen == {"ExporterIsolated": 1}
        # What is unknown is said to be unknown, and the exporter itself is known to be up.
        body = await health(api)
        assert body["isolated"]["message"].startswith("this exporter is cut off")
        assert {one["status"] for one in body["services"][:-1]} == {"unknown"}
        assert body["services"][-1]["status"] == "healthy"
        # Long enough for TargetNotProbed to fire too.
        await asyncio.sleep(10)
        assert await firing.now() == {"ExporterIsolated": 1}

        network.plug()
        await _until_up(api, len(HOSTS) + 1)
        assert (await firing.now()).keys() <= {"ExporterIsolated"}

        # The network works, but none of the services does.
        for host in HOSTS:
            ip("address", "del", f"{host}/32", "dev", "lo")
        await firing.until(lambda now: now == {"ServiceDown": len(HOSTS)})
        [up] = await api.instant("min_over_time(monitoring_connectivity_up[20s])")
        assert up["value"][1] == "1"
