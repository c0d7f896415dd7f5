"""A small config, and a web application that serves it with stand-in probers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from standins import StandIn, success, until

from exporter.probers import PROBERS
from exporter.probers.http.network import Network
from exporter.probers.prober import Prober
from exporter.probers.result import ProbeResult
from exporter.service import Service, read_config
from exporter.settings import read_settings
from exporter.web.app import make_app
from model.targets import Target

Client = TestClient[web.Request, web.Application]

TIMES = "interval=seconds(1), timeout=seconds(0.5), retry_interval=seconds(0.2)"
# For real targets, which may take their time on a busy machine.
AMPLE_TIMES = "interval=seconds(5), timeout=seconds(4), retry_interval=seconds(0.2)"
# For targets that hang: there is no result of any before this long.
HANGING_SECONDS = 4.5
HANGING_TIMES = (
    f"interval=seconds(60), timeout=seconds({HANGING_SECONDS}), retry_interval=seconds(0.2)"
)

DATABASES = f"""
    postgres=(Postgres(url="postgresql://postgres@127.0.0.1:1/postgres", {TIMES}),),
    redis=(Redis(url="redis://127.0.0.1:1/0", {TIMES}),),
"""


def config_text(*services: str, databases: str = DATABASES) -> str:
    """A config of these services, with short intervals, and of the default databases."""
    declared = "\n".join(
        f'        Service(name="{name}", url="http://127.0.0.1:1", {TIMES}),' for name in services
    )
    return f"""
from model import *

CONFIG = Platform(
    name="tiny",
    services=(
{declared}
    ),
    {databases}
    severities=(Severity(name="critical", response_time=minutes(5), channels=("slack",)),),
    channels=(Slack(webhook_url_file="/secrets/slack", channel="#alerts"),),
    contacts=(),
    alerts=(),
    own_service="{services[-1]}",
    base_url="http://127.0.0.1",
    dead_mans_switch="http://127.0.0.1/watchdog",
)
"""


SERVICES = ("auth-service", "venue-service", "own-service")

# In the place of `alerts=(),` in such a config.
SERVICE_DOWN = """
        Alert(
            name="ServiceDown",
            group="services",
            expr=observed(metrics.PROBE_SUCCESS) < "0.5",
            for_=seconds(10),
            severity="critical",
            summary="{{ $labels.target }} is down",
            description="It does not answer.",
        ),
"""


class Fleet:
    """The stand-in probers of all targets, made as the exporter asks for them."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], ProbeResult]] = {}
        # How long a target's answers take; None: for ever.
        self.takes: dict[str, float | None] = {}
        self.made: dict[str, list[StandIn]] = {}

    def make(self, target: Target, _url: str, _network: Network) -> Prober:
        name = target.name

        def answer() -> ProbeResult:
            return self.answers.get(name, success)()

        prober = StandIn(answer)
        prober.takes = self.takes.get(name, 0.0)
        self.made.setdefault(name, []).append(prober)
        return prober


@dataclass(frozen=True)
class Served:
    """A running exporter, and a client on this machine."""

    config: Path
    fleet: Fleet
    service: Service
    client: Client

    async def results(self) -> None:
        """Wait until every target has a result."""
        await until(lambda: all(shot.result for shot in self.service.runner.snapshots()), 60)


@asynccontextmanager
async def serving(
    directory: Path,
    fleet: Fleet | None = None,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
    routes: tuple[web.RouteDef, ...] = (),
    port: int | None = None,
) -> AsyncIterator[Served]:
    """Serve a config; without a fleet by the real probers. `routes` are added to the exporter's."""
    config = directory / "config.py"
    config.write_text(text or config_text(*SERVICES))
    variables = environment or {}
    kinds = dict.fromkeys(PROBERS, fleet.make) if fleet else {}
    with patch.dict(PROBERS, kinds):
        settings = read_settings(variables)
        loaded = read_config(config, variables, settings.shard)
        service = Service(config, variables, settings, loaded)
        app = make_app(service)
        app.add_routes(routes)
        client: Client = TestClient(TestServer(app, port=port))
        await client.start_server()
        await service.start()
        try:
            yield Served(config, fleet or Fleet(), service, client)
        finally:
            await service.stop()
            await client.close()
