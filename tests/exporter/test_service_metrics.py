"""The services' own metrics in a real Prometheus: found, scraped, and missed where they lack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
from serving import Fleet, serving

from demo.api import Api
from demo.platform import Platform as SimulatedPlatform
from model import names
from model.durations import seconds
from model.load import load
from model.platform import Platform
from programs import Prometheus
from rules import alerts, scrape

ROOT = Path(__file__).resolve().parents[2]
ALERT = "ServiceMetricsMissing"
DEADLINE = 60.0


def quickened(platform: Platform, exporter: str) -> Platform:
    """The config as it is, but for its clocks and for where the exporter is."""
    watched = platform.watched_by.model_copy(
        update={
            "exporters": (exporter,),
            "alertmanagers": (),
            "evaluation_interval": seconds(1),
            "services_scrape_interval": seconds(1),
        }
    )
    (missing,) = (alert for alert in platform.alerts if alert.name == ALERT)
    short = missing.model_copy(update={"for_": timedelta(0)})
    return platform.model_copy(update={"watched_by": watched, "alerts": (short,)})


@asynccontextmanager
async def watching(directory: Path) -> AsyncIterator[tuple[SimulatedPlatform, Api]]:
    """The simulated services, and a Prometheus that finds them through the exporter."""
    config = load(ROOT / "config.py")
    simulated = SimulatedPlatform([one.name for one in config.services])
    async with simulated, aiohttp.ClientSession() as session:
        urls = {one.variable: simulated.services[one.name].url for one in config.services}
        text = (ROOT / "config.py").read_text()
        async with serving(directory, Fleet(), urls, text) as served:
            platform = quickened(config, f"127.0.0.1:{served.client.port}")
            files = {**alerts.build(platform), **scrape.build(platform)}
            for path, content in files.items():
                (directory / Path(path).name).write_text(content)
            with Prometheus(directory / "prometheus", directory / "prometheus.yml") as prometheus:
                yield simulated, Api(session, "", prometheus.url, "")


async def until(api: Api, query: str, holds: Callable[[set[tuple[str, str]]], bool]) -> None:
    """Ask until the results' (service, metric) are as they should be."""
    end = time.monotonic() + DEADLINE
    while True:
        found = {
            (one["metric"].get("service", ""), one["metric"].get("metric", ""))
            for one in await api.instant(query)
        }
        if holds(found):
            return
        assert time.monotonic() < end, f"{query}: {sorted(found)}"
        await asyncio.sleep(0.2)


async def test_a_service_that_lacks_a_metric_is_reported_and_the_others_are_not(
    tmp_path: Path,
) -> None:
    firing = f'ALERTS{{alertname="{ALERT}",alertstate="firing"}}'
    rates = f"sum by (service) (rate({names.HTTP_REQUESTS.name}[5s]))"
    async with watching(tmp_path) as (simulated, api):
        for metric, count in (
            (names.HTTP_REQUESTS, 20),
            (names.QUEUE_SIZE, 2),
            (names.NOTIFICATION_QUEUE_DEPTH, 1),
            (names.MINTS, 1),
            (names.MINTS_FAILED, 1),
        ):
            expected = f"count(count by (service) ({metric.name})) == {count}"
            await until(api, expected, bool)
        await until(api, firing, lambda found: not found)

        simulated.services["venue-service"].lose(names.HTTP_REQUESTS)
        # One that exposes it as well, but need not: nobody's alert is about it.
        simulated.services["file-service"].lose(names.HTTP_REQUESTS)
        await simulated.services["queue-service"].crash()
        wanted = {
            ("venue-service", "http_requests_total"),
            ("queue-service", "queue_size"),
        }
        await until(api, firing, wanted.__eq__)
        # It has no rate of errors, instead of one that is zero.
        await until(api, rates, lambda found: ("venue-service", "") not in found)
        await until(api, rates, lambda found: ("auth-service", "") in found)

        for service in ("venue-service", "queue-service"):
            await simulated.services[service].repair()
        await until(api, firing, lambda found: not found)
