"""The ledger behind a real Alertmanager and a real Prometheus: nothing that happens is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from served_ledger import TOKEN, WEBHOOK, ledger_of, rows, served, with_ledger
from serving import Served
from sqlalchemy import Row
from stores import new_database, sqlite

from exporter.ledger import alertmanager as asking
from exporter.ledger.fingerprint import fingerprint
from exporter.ledger.reconcile import reconcile
from exporter.ledger.store import StoreOptions
from programs import Alertmanager, Postgres, Prometheus

pytestmark = pytest.mark.timeout(240)

DEADLINE = 90.0
NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


class Lamp:
    """A metric that an alert is about."""

    def __init__(self) -> None:
        self.on = False

    async def metrics(self, _request: web.Request) -> web.Response:
        """Its exposition."""
        return web.Response(text=f"lamp {int(self.on)}\n")


@dataclass
class Scene:
    """The lamp, who watches it, and whom that tells."""

    directory: Path
    lamp: Lamp
    prometheus: Prometheus
    alertmanager: Alertmanager
    session: aiohttp.ClientSession

    def deliver_to(self, made: Served | None) -> None:
        """Let Alertmanager deliver to an exporter, or to nobody."""
        config: dict[str, Any] = NOBODY
        if made is not None:
            url = str(made.client.make_url(WEBHOOK))
            token = {"authorization": {"credentials": TOKEN}}
            webhook = {"url": url, "send_resolved": True, "max_alerts": 0, "http_config": token}
            times = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "4h"}
            config = {
                "route": {"receiver": "ledger", "group_by": ["..."], **times},
                "receivers": [{"name": "ledger", "webhook_configs": [webhook]}],
            }
        self.alertmanager.config.write_text(yaml.safe_dump(config))
        self.alertmanager.reload()

    async def listed(self) -> list[dict[str, Any]]:
        """What Alertmanager has."""
        async with self.session.get(f"{self.alertmanager.url}/api/v2/alerts") as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def firing(self) -> bool:
        """Whether Prometheus says that the alert fires."""
        asked = {"query": 'ALERTS{alertstate="firing"}'}
        async with self.session.get(f"{self.prometheus.url}/api/v1/query", params=asked) as answer:
            return bool((await answer.json())["data"]["result"])

    @asynccontextmanager
    async def exporter(self, options: StoreOptions) -> AsyncIterator[Served]:
        """An exporter with a ledger, to which Alertmanager delivers."""
        address = self.alertmanager.url.removeprefix("http://")
        other = self.prometheus.url.removeprefix("http://")
        watched = (
            f'watched_by=Prometheus(alertmanagers=("{address}",), prometheus=("{other}",), '
            "evaluation_interval=seconds(1), scrape_interval=seconds(1)),"
        )
        async with served(self.directory / "exporter", options, text=with_ledger(watched)) as made:
            self.deliver_to(made)
            yield made
        self.deliver_to(None)


RULES = {
    "groups": [
        {
            "name": "lamps",
            "rules": [
                {
                    "alert": "LampOn",
                    "expr": "lamp == 1",
                    "labels": {"severity": "critical", "service": "lamp"},
                    "annotations": {"summary": "it is {{ $value }}"},
                }
            ],
        }
    ]
}


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    lamp = Lamp()
    app = web.Application()
    app.router.add_get("/metrics", lamp.metrics)
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(NOBODY))
    (tmp_path / "lamps.rules.yml").write_text(yaml.safe_dump(RULES))
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        with Alertmanager(tmp_path / "alertmanager", tmp_path / "alertmanager.yml") as alerting:
            config = {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["lamps.rules.yml"],
                "alerting": {"alertmanagers": [target(alerting.url.removeprefix("http://"))]},
                "scrape_configs": [{"job_name": "lamp", **target(f"{server.host}:{server.port}")}],
            }
            (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
            with Prometheus(tmp_path / "prometheus", tmp_path / "prometheus.yml") as prometheus:
                yield Scene(tmp_path, lamp, prometheus, alerting, session)


def target(address: str) -> dict[str, Any]:
    return {"static_configs": [{"targets": [address]}]}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + DEADLINE
    while not await holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


async def the_episode(made: Served, status: str) -> Row[Any]:
    """Wait until the ledger's only episode has this status."""
    found: list[Row[Any]] = []

    async def has_it() -> bool:
        found[:] = await rows(ledger_of(made).store)
        return bool(found) and found[0].status == status

    await until(has_it)
    (row,) = found
    return row


async def test_the_life_of_an_alert_is_as_alertmanager_and_prometheus_know_it(
    scene: Scene, options: StoreOptions
) -> None:
    async with scene.exporter(options) as made:
        scene.lamp.on = True
        row = await the_episode(made, "active")
        (alert,) = await scene.listed()
        assert (row.fingerprint, row.labels) == (alert["fingerprint"], alert["labels"])
        assert fingerprint(row.labels) == alert["fingerprint"]
        assert row.starts_at == datetime.fromisoformat(alert["startsAt"])
        assert row.annotations == {"summary": "it is 1"}
        scene.lamp.on = False
        row = await the_episode(made, "resolved")
        assert row.ends_at > row.starts_at
        assert row.resolution == "alertmanager"


async def test_an_alert_that_fired_and_resolved_while_we_were_away_is_reconstructed(
    scene: Scene, options: StoreOptions
) -> None:
    async with scene.exporter(options) as made:
        await until(lambda: reconciled(made))
    scene.lamp.on = True
    await until(scene.firing)
    # So that the start is one that Alertmanager was told, too.
    (alert,) = await told(scene)
    scene.lamp.on = False

    async def over() -> bool:
        return not await scene.firing() and not await scene.listed()

    await until(over)
    await asyncio.sleep(4)  # three evaluations: no gap of one could be meant
    async with scene.exporter(options) as made:
        row = await the_episode(made, "resolved")
    assert (row.source, row.resolution) == ("prometheus", "prometheus")
    assert row.fingerprint == alert["fingerprint"]
    assert row.starts_at == datetime.fromisoformat(alert["startsAt"])
    assert row.starts_at < row.ends_at < datetime.now(UTC)


async def told(scene: Scene) -> list[dict[str, Any]]:
    async def has_one() -> bool:
        return bool(await scene.listed())

    await until(has_one)
    return await scene.listed()


async def reconciled(made: Served) -> bool:
    async with made.client.get("/metrics") as answer:
        return "\nalert_ledger_reconciled_timestamp_seconds " in await answer.text()


async def test_a_resolve_that_alertmanager_lost_in_a_crash_is_found(
    scene: Scene, options: StoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_KNOWS_AFTER", timedelta(0))
    async with scene.exporter(options) as made:
        scene.lamp.on = True
        await the_episode(made, "active")
        scene.alertmanager.kill()
        scene.lamp.on = False

        async def over() -> bool:
            return not await scene.firing()

        await until(over)
        await asyncio.sleep(4)
        scene.alertmanager.start()
        await asyncio.to_thread(scene.alertmanager.wait_ready)
        await reconcile(ledger_of(made), datetime.now(UTC))
        row = await the_episode(made, "resolved")
        assert row.starts_at < row.ends_at


async def test_a_store_that_was_down_is_caught_up_by_alertmanagers_own_retry(
    scene: Scene,
) -> None:
    with Postgres() as server:
        async with scene.exporter(StoreOptions(url=new_database(server))) as made:
            server.stop()
            scene.lamp.on = True
            await until(scene.firing)
            await asyncio.sleep(2)  # Alertmanager has been refused meanwhile
            server.start()
            await asyncio.to_thread(server.wait_ready)
            row = await the_episode(made, "active")
            assert row.source in ("webhook", "alertmanager")


async def test_a_restart_of_prometheus_and_of_the_exporter_leaves_one_episode(
    scene: Scene, tmp_path: Path
) -> None:
    async with scene.exporter(sqlite(tmp_path)) as made:
        scene.lamp.on = True
        first = await the_episode(made, "active")
        scene.prometheus.stop()
        scene.prometheus.start()
        await asyncio.to_thread(scene.prometheus.wait_ready)
        await until(scene.firing)
    async with scene.exporter(sqlite(tmp_path)) as made:
        await reconcile(ledger_of(made), datetime.now(UTC))
        row = await the_episode(made, "active")
        assert (row.id, row.starts_at) == (first.id, first.starts_at)
        scene.lamp.on = False
        row = await the_episode(made, "resolved")
        assert row.starts_at == first.starts_at
