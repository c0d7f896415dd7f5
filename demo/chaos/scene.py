"""The chain that is broken: Prometheus, one Alertmanager or two, exporters, and a store."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from demo.api import Api
from demo.chaos.balancer import balancing
from demo.chaos.exporter import Exporter
from demo.chaos.lamps import Lamps, rules, shining
from demo.stack import LedgerStore
from exporter.settings import read_settings
from exporter.web.tokens import mint
from model.load import load
from model.platform import Platform
from programs import Alertmanager, Postgres, Prometheus, free_port
from programs.process import HOST
from rules import messages, routing

EVALUATION_SECONDS = 1
_RECONCILE_SECONDS = 5
_SETTLE_SECONDS = 60.0
# Alertmanager's default, which it needs longer than a short run for: peers wait for each other.
_PEER_TIMEOUT = "3s"
# Committed is written, whatever is killed; only a crash of the machine would lose it.
_DURABLE = {"synchronous_commit": "on"}

_CONFIG = """
from model import *

CONFIG = Platform(
    name="lamps",
    services=(Service(name="lamps", url="http://{lamps}", path="/metrics"),),
    severities=(
        Severity(name="critical", response_time=minutes(5), channels=("slack",)),
        Severity(name="warning", response_time=hours(1), channels=("slack",)),
    ),
    channels=(Slack(webhook_url_file="{nobody}", channel="#alerts"),),
    contacts=(),
    alerts=(),
    own_service="lamps",
    base_url="http://{exporter}",
    dead_mans_switch="http://{exporter}/api/alertmanager/watchdog",
    ledger=Webhook(
        url="http://{exporter}/api/alertmanager/webhook", credentials_file="{ingest_token}"
    ),
    watched_by=Prometheus(
        exporters=("{exporter}",),
        alertmanagers={alertmanagers},
        prometheus=("{prometheus}",),
        evaluation_interval=seconds({interval}),
    ),
    workers=Workers(alert_evaluation=seconds({reconcile})),
)
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the chain is made of."""

    store: LedgerStore
    replicas: int = 1
    alertmanagers: int = 1

    def __str__(self) -> str:
        name = {"sqlite": "SQLite", "postgresql": "Postgres"}[self.store]
        replicas = "1 exporter" if self.replicas == 1 else f"{self.replicas} exporters"
        alertmanagers = (
            "1 Alertmanager"
            if self.alertmanagers == 1
            else f"{self.alertmanagers} Alertmanagers in a cluster"
        )
        return f"{name}, {replicas}, {alertmanagers}"


@dataclass(frozen=True, slots=True)
class Row:
    """An episode in the ledger: unix times, the end None while it is open."""

    labels: Mapping[str, str]
    starts_at: float
    ends_at: float | None


@dataclass(frozen=True)
class Scene:
    """The running chain."""

    lamps: Lamps
    api: Api
    exporters: tuple[Exporter, ...]
    # None where the store is a file.
    postgres: Postgres | None
    ledger_file: Path

    def token(self) -> str:
        """Of somebody who may acknowledge."""
        settings = read_settings({"JWT_SECRET_FILE": str(self.ledger_file.parent / "jwt_secret")})
        return mint(settings, "me@example.com", "responder", timedelta(hours=1))

    def rows(self) -> list[Row]:
        """All episodes in the ledger, whatever it answers to questions."""
        if self.postgres is not None:
            told = self.postgres.execute(
                "SELECT json_build_array(labels, extract(epoch FROM starts_at), "
                "extract(epoch FROM ends_at)) FROM alerts"
            )
            return [Row(*json.loads(line)) for line in told.splitlines()]
        epoch = "(julianday({0}) - 2440587.5) * 86400.0"
        asked = f"SELECT labels, {epoch.format('starts_at')}, {epoch.format('ends_at')} FROM alerts"  # noqa: S608 - of constants
        with closing(sqlite3.connect(f"file:{self.ledger_file}?mode=ro", uri=True)) as ledger:
            found = ledger.execute(asked).fetchall()
        return [Row(json.loads(labels), start, end) for labels, start, end in found]


@asynccontextmanager
async def running(wanted: Wanted, lamps: int, seed: int) -> AsyncIterator[Scene]:
    """Start it, with so many lamps, and stop it again. Raises programs.ServerError."""
    async with AsyncExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        postgres = None
        if wanted.store == "postgresql":
            postgres = cleanup.enter_context(Postgres(settings=_DURABLE))
        made = Lamps(lamps, seed)
        shown_at = await cleanup.enter_async_context(shining(made))
        alertmanagers = _alertmanagers(directory, wanted.alertmanagers)
        prometheus = Prometheus(directory / "prometheus", directory / "prometheus.yml")
        (directory / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
        for server in (*alertmanagers, prometheus):
            server.start()
            cleanup.callback(server.close)
        for server in (*alertmanagers, prometheus):
            await asyncio.to_thread(server.wait_ready, 60)
        ports = [free_port() for _ in range(wanted.replicas)]
        front = ports[0]
        if wanted.replicas > 1:
            front = await cleanup.enter_async_context(balancing(ports, seed))
        config = _write_config(directory, shown_at, front, alertmanagers, prometheus)
        _write_alerting(directory, load(config), shown_at, alertmanagers)
        for server in (*alertmanagers, prometheus):
            server.reload()
        exporters = _exporters(directory, config, ports, postgres)
        for exporter in exporters:
            exporter.start()
            cleanup.callback(exporter.close)
        for exporter in exporters:
            await asyncio.to_thread(exporter.wait_ready, 60)
        session = await cleanup.enter_async_context(aiohttp.ClientSession())
        api = Api(session, exporters[0].url, prometheus.url, alertmanagers[0].url)
        scene = Scene(made, api, exporters, postgres, directory / "ledger.sqlite3")
        await _settled(scene)
        yield scene


async def _settled(scene: Scene) -> None:
    """Until Prometheus has the lamps, and the ledger has been reconciled for the first time."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    for wanted in ("lamp", "alert_ledger_reconciled_timestamp_seconds > 0"):
        while not await scene.api.instant(wanted):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {_SETTLE_SECONDS:g} s Prometheus has no {wanted}")
            await asyncio.sleep(0.1)


def _alertmanagers(directory: Path, number: int) -> list[Alertmanager]:
    nobody = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
    peers = [f"{HOST}:{free_port()}" for _ in range(number)] if number > 1 else [""]
    made = []
    for place, own in enumerate(peers):
        config = directory / f"alertmanager-{place}.yml"
        config.write_text(yaml.safe_dump(nobody), encoding="utf-8")
        others = [peer for peer in peers if peer != own]
        args = [f"--cluster.peer-timeout={_PEER_TIMEOUT}"] if others else []
        made.append(
            Alertmanager(
                directory / f"alertmanager-{place}", config, cluster=own, peers=others, args=args
            )
        )
    return made


def _write_config(
    directory: Path,
    lamps: str,
    front: int,
    alertmanagers: Iterable[Alertmanager],
    prometheus: Prometheus,
) -> Path:
    for name in ("ingest_token", "jwt_secret"):
        (directory / name).write_text(secrets.token_urlsafe(48), encoding="utf-8")
    path = directory / "config.py"
    path.write_text(
        _CONFIG.format(
            lamps=lamps,
            nobody=directory / "nobody",
            exporter=f"{HOST}:{front}",
            ingest_token=directory / "ingest_token",
            alertmanagers=repr(tuple(map(_address, alertmanagers))),
            prometheus=_address(prometheus),
            interval=EVALUATION_SECONDS,
            reconcile=_RECONCILE_SECONDS,
        ),
        encoding="utf-8",
    )
    return path


def _write_alerting(
    directory: Path, platform: Platform, lamps: str, alertmanagers: Iterable[Alertmanager]
) -> None:
    """The rules of the lamps; the ledger's route as the compiler makes it, and nobody else told."""
    files = messages.build(platform)
    for path, text in files.items():
        written = directory / path
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(text, encoding="utf-8")
    document = routing.document(platform, str(directory / "alertmanager" / routing.TEMPLATES))
    for receiver in document["receivers"]:
        receiver.pop("slack_configs", None)
    for alertmanager in alertmanagers:
        alertmanager.config.write_text(yaml.safe_dump(document), encoding="utf-8")
    interval = f"{EVALUATION_SECONDS}s"
    (directory / "lamps.rules.yml").write_text(yaml.safe_dump(dict(rules(interval))))
    exporters = list(platform.watched_by.exporters)
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": ["lamps.rules.yml"],
        "alerting": {"alertmanagers": [_targets(*map(_address, alertmanagers))]},
        "scrape_configs": [
            {"job_name": "lamps", **_targets(lamps)},
            {"job_name": "exporter", **_targets(*exporters)},
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


def _exporters(
    directory: Path, config: Path, ports: Iterable[int], postgres: Postgres | None
) -> tuple[Exporter, ...]:
    store = {"LEDGER_FILE": str(directory / "ledger.sqlite3")}
    if postgres is not None:
        store = {"DATABASE_URL": postgres.dsn()}
    return tuple(
        Exporter(
            directory / f"exporter-{place}",
            config,
            port,
            {
                **store,
                "REPLICA": f"replica-{place}",
                "INGEST_TOKEN_FILE": str(directory / "ingest_token"),
                "JWT_SECRET_FILE": str(directory / "jwt_secret"),
            },
        )
        for place, port in enumerate(ports)
    )


def _targets(*addresses: str) -> dict[str, Any]:
    return {"static_configs": [{"targets": list(addresses)}]}


def _address(server: Alertmanager | Prometheus) -> str:
    return f"{HOST}:{server.port}"
