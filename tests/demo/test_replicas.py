"""Several exporters in front of a real Prometheus and Alertmanager: replicas, then shards."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest
import pytest_asyncio
from hurried import ROOT, services

from demo.api import Api
from demo.platform import Platform as SimulatedPlatform
from demo.sinks import Receipt, Sinks, Status
from demo.stack import write_rules
from exporter.shard import Shard
from programs import Alertmanager, Prometheus, child, free_port
from programs.server import ANSWER_SECONDS, Server, request

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
]

REPLICAS, SHARDS = 3, 2
# All takes a few seconds; this is for a machine that does much else.
DEADLINE = 60.0
OWN, JOB = "monitoring-service", 'job="monitoring-service"'


class Exporter(Server):
    """One exporter of several, on a port that Prometheus knew before it was started."""

    name: ClassVar[str] = "exporter"

    def __init__(self, directory: Path, config: Path, port: int, shard: Shard) -> None:
        super().__init__(directory)
        self._port = port
        self._config = config
        self._shard = shard

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "exporter", "serve", "--shard", str(self._shard)]

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "MONITORING_CONFIG": str(self._config),
            "HOST": self.host,
            "PORT": str(self.port),
        }
        return child(self._command(), cwd=ROOT, env=environment, log=self.log)

    def _answers(self) -> bool:
        try:
            status, _ = request(f"{self.url}/status", timeout=ANSWER_SECONDS)
        except OSError:
            return False
        return status == 200


@dataclass(frozen=True)
class Scene:
    """What the exporters watch, and who watches them."""

    directory: Path
    config: Path
    ports: tuple[int, ...]
    simulated: SimulatedPlatform
    sinks: Sinks
    api: Api

    @property
    def targets(self) -> set[str]:
        return set(self.simulated.services)

    @contextmanager
    def exporters(self, *shards: Shard) -> Iterator[list[Exporter]]:
        """Ready inside, and all gone after, also if one of them was never ready."""
        made = [
            Exporter(self.directory / f"exporter-{port}", self.config, port, shard)
            for port, shard in zip(self.ports, shards, strict=False)
        ]
        with ExitStack() as running:
            for exporter in made:
                running.callback(exporter.kill)
                exporter.start()
            for exporter in made:
                exporter.wait_ready()
            yield made

    async def number(self, query: str) -> float:
        found = await self.api.instant(query)
        return float(found[0]["value"][1]) if found else 0.0

    async def firing(self, alertname: str) -> list[str]:
        """The services about which Prometheus has an alert firing, one of each alert."""
        query = f'ALERTS{{alertname="{alertname}",alertstate="firing"}}'
        return sorted(one["metric"]["service"] for one in await self.api.instant(query))

    async def ever_fired(self, alertname: str) -> set[str]:
        """The services about which an alert has fired so far."""
        query = f'ALERTS{{alertname="{alertname}",alertstate="firing"}}'
        found = await self.api.instant(f"max_over_time({query}[10m])")
        return {one["metric"]["service"] for one in found}

    async def paged(self, service: str, status: Status) -> None:
        """Wait until PagerDuty has heard of it."""
        await self.sinks.wait_for(
            lambda receipt: receipt.status == status and receipt in self.pages(service), DEADLINE
        )

    def pages(self, service: str) -> list[Receipt]:
        """What PagerDuty was sent about a service."""
        return [
            receipt
            for receipt in self.sinks.receipts
            if receipt.channel == "pagerduty" and service in receipt.alerts
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    directory = tmp_path_factory.mktemp("replicas")
    config, compiled = directory / "config.py", directory / "compiled"
    ports = tuple(free_port() for _ in range(REPLICAS))
    async with AsyncExitStack() as running:
        simulated = await running.enter_async_context(SimulatedPlatform(services()))
        sinks = await running.enter_async_context(Sinks())
        prometheus, alertmanager = _servers(directory, compiled)
        for server in (prometheus, alertmanager):
            running.callback(server.close)
            server.start()
        for server in (prometheus, alertmanager):
            server.wait_ready()
        servers = (prometheus, alertmanager)
        _write(config, _addresses(directory, ports, simulated, sinks, servers))
        await asyncio.to_thread(write_rules, config, compiled)
        alertmanager.reload()
        prometheus.reload()
        session = await running.enter_async_context(aiohttp.ClientSession())
        api = Api(session, f"http://127.0.0.1:{ports[0]}", prometheus.url, alertmanager.url)
        yield Scene(directory, config, ports, simulated, sinks, api)


def _servers(directory: Path, compiled: Path) -> tuple[Prometheus, Alertmanager]:
    """Their configs are placeholders until all addresses are known."""
    prometheus_yml = compiled / "rules/generated/prometheus.yml"
    alertmanager_yml = compiled / "alertmanager/alertmanager.yml"
    for path, text in (
        (prometheus_yml, "global: {}\n"),
        (alertmanager_yml, "route: {receiver: none}\nreceivers: [{name: none}]\n"),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return (
        Prometheus(directory / "prometheus", prometheus_yml),
        Alertmanager(directory / "alertmanager", alertmanager_yml),
    )


def _addresses(
    directory: Path,
    ports: tuple[int, ...],
    simulated: SimulatedPlatform,
    sinks: Sinks,
    servers: tuple[Prometheus, Alertmanager],
) -> dict[str, object]:
    slack, pagerduty = directory / "slack", directory / "pagerduty"
    slack.write_text(sinks.slack_url, encoding="utf-8")
    pagerduty.write_text("0123456789abcdef" * 2, encoding="utf-8")
    prometheus, alertmanager = (server.url.removeprefix("http://") for server in servers)
    return {
        "targets": simulated.urls(),
        "exporters": [f"127.0.0.1:{port}" for port in ports],
        "prometheus": prometheus,
        "alertmanager": alertmanager,
        "smarthost": sinks.smtp_address,
        "slack_webhook_url_file": str(slack),
        "pagerduty_url": sinks.pagerduty_url,
        "pagerduty_routing_key_file": str(pagerduty),
    }


def _write(config: Path, addresses: dict[str, object]) -> None:
    path = config.with_suffix(".json")
    path.write_text(json.dumps(addresses), encoding="utf-8")
    config.write_text(
        "import sys\nfrom pathlib import Path\n\n"
        f"sys.path.append({str(Path(__file__).parent)!r})\n"
        "from hurried import platform_of\n\n"
        f"CONFIG = platform_of(Path({str(path)!r}))\n",
        encoding="utf-8",
    )


async def becomes(ask: Callable[[], Awaitable[object]], expected: object, what: str) -> None:
    """Wait until the answer is what is expected. TimeoutError says what it was instead."""
    end = time.monotonic() + DEADLINE
    while (seen := await ask()) != expected:
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: {seen!r} after {DEADLINE:g} s, not {expected!r}")
        await asyncio.sleep(0.2)


# --- replicas -------------------------------------------------------------------------------------


async def test_three_replicas_tell_once_of_a_fault_also_while_one_of_them_is_stale(
    scene: Scene,
) -> None:
    with scene.exporters(*[Shard(1, 1)] * REPLICAS) as exporters:
        every = REPLICAS * len(scene.targets)
        await becomes(lambda: scene.number("count(probe_success == 1)"), every, "results")

        await scene.simulated.services["payment-service"].crash()
        await becomes(lambda: scene.firing("ServiceDown"), ["payment-service"], "ServiceDown")
        await scene.paged("payment-service", "firing")

        exporters[-1].pause()
        await becomes(lambda: scene.number(f"count(up{{{JOB}}} == 0)"), 1, "stale replicas")
        await scene.simulated.services["order-service"].crash()
        both = ["order-service", "payment-service"]
        await becomes(lambda: scene.firing("ServiceDown"), both, "ServiceDown with one stale")
        await scene.paged("order-service", "firing")

        for service in both:
            await scene.simulated.services[service].repair()
        await becomes(lambda: scene.firing("ServiceDown"), [], "ServiceDown after the repair")
        for service in both:
            await scene.paged(service, "resolved")
        assert await scene.ever_fired("ServiceDown") == set(both)
        assert await scene.ever_fired("TargetNotProbed") == set()
        for service in both:
            assert [page.status for page in scene.pages(service)] == ["firing", "resolved"]


# --- shards ---------------------------------------------------------------------------------------


async def test_of_two_shards_a_dead_one_is_told_for_its_targets_only(scene: Scene) -> None:
    shards = [Shard(number, SHARDS) for number in range(1, SHARDS + 1)]
    owned = [sorted(filter(shard.owns, scene.targets)) for shard in shards]
    with scene.exporters(*shards) as exporters:
        every = len(scene.targets)
        await becomes(lambda: scene.number("count(probe_success == 1)"), every, "results")
        await becomes(lambda: scene.firing("TargetNotProbed"), [], "TargetNotProbed")
        once = "count(count by (target) (probe_success) == 1)"
        assert await scene.number(once) == every

        broken = owned[1][0]
        await scene.simulated.services[broken].crash()
        await becomes(lambda: scene.firing("ServiceDown"), [broken], "ServiceDown")
        await scene.paged(broken, "firing")

        exporters[0].kill()
        await becomes(lambda: scene.firing("TargetNotProbed"), owned[0], "TargetNotProbed")
        await becomes(lambda: scene.firing("TargetsMissing"), [OWN], "TargetsMissing")
        seen = "count(avg by (target) (probe_success))"
        assert await scene.number(seen) == len(owned[1])
        # The other shard goes on: its fault is still told of, and no exporter is not none.
        assert await scene.firing("ServiceDown") == [broken]
        assert await scene.firing("ExporterDown") == []

        exporters[1].kill()
        await becomes(lambda: scene.firing("ExporterDown"), [OWN], "ExporterDown")
