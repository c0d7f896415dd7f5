"""What the running exporter is made of, and how a new config takes the old one's place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from exporter.chat.routing_keys import mistakes
from exporter.connectivity import Connectivity
from exporter.exposition import fragments, join
from exporter.logs.known_secrets import known_secrets
from exporter.maintenance import Calendar
from exporter.probers import PROBERS
from exporter.probers.http.network import Network
from exporter.probers.prober import Prober
from exporter.probers.result import Sample
from exporter.runner import Runner
from exporter.settings import Settings, SettingsError, read_urls
from exporter.shard import Shard
from exporter.telemetry import Telemetry
from exporter.watch import Assignment
from model import names
from model.declared import ConfigError
from model.load import load
from model.platform import Platform
from model.targets import Target

if TYPE_CHECKING:
    from exporter.chat.chat import Chat
    from exporter.ledger.ledger import Ledger
    from exporter.workers.aggregation import Aggregation
    from exporter.workers.worker import Workers

log = structlog.get_logger("exporter.service")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config in use: the platform, its hash, and each target's URL with its credentials."""

    platform: Platform
    sha256: str
    urls: Mapping[str, str]
    # Those that this exporter probes: its shard of the platform's.
    targets: tuple[Target, ...]
    # What /metrics says of it, whatever the results.
    info: bytes
    calendar: Calendar

    def target(self, name: str) -> Target | None:
        """The target of a name, None if there is none."""
        return next((target for target in self.platform.targets if target.name == name), None)

    def host(self, target: Target) -> str:
        """The host that a target of it is on; where its URL names none, the target's own name."""
        return urlsplit(self.urls[target.name]).hostname or target.name

    def make_prober(self, target: Target, network: Network) -> Prober:
        """A new prober for one of its targets."""
        return PROBERS[target.kind](target, self.urls[target.name], network)


def read_config(path: Path, environment: Mapping[str, str], shard: Shard) -> Loaded:
    """Load a config file, resolve its targets' URLs and choose those of a shard.

    Raises ConfigError or SettingsError with every problem found.
    """
    platform = load(path)
    urls = read_urls(environment, platform.targets)
    sha256 = platform.sha256
    targets = tuple(target for target in platform.targets if shard.owns(target.name))
    info = tuple(
        fragments([Sample(names.TARGET_INFO, (target.kind, sha256), 1.0)], target.name)
        for target in targets
    )
    calendar = Calendar(platform.maintenance, (target.name for target in targets))
    said = b"".join(join((names.TARGET_INFO,), info))
    return Loaded(platform, sha256, urls, targets, said, calendar)


def ledger_wanted(settings: Settings, platform: Platform) -> bool:
    """Whether this exporter keeps the ledger: the config has one, and LEDGER does not say off."""
    return platform.ledger is not None and settings.ledger == "on"


def missing_secrets(settings: Settings, platform: Platform) -> list[str]:
    """What a ledger cannot be served without, and what it cannot use, each with what to do."""
    if not ledger_wanted(settings, platform):
        return []
    wanted = (
        ("JWT_SECRET", settings.jwt_secret, "people's tokens are signed with it"),
        ("INGEST_TOKEN", settings.ingest_token, "Alertmanager shows it on the ledger's webhook"),
    )
    missing = [
        f"{name}: is not set, and there is no default: {why}; make one by `openssl rand -base64 "
        f"48` and give it as {name} or {name}_FILE (LEDGER=off serves no ledger; "
        "INSECURE_DEVELOPMENT=1 makes secrets that end with the process)"
        for name, secret, why in wanted
        if secret is None and not settings.insecure_development
    ]
    key = settings.pagerduty_routing_key
    return [*missing, *(mistakes(key.get_secret_value(), platform) if key is not None else ())]


class Service:
    """The exporter: its config, its settings, its runner and what it tells about itself."""

    def __init__(
        self,
        config: Path,
        environment: Mapping[str, str],
        settings: Settings,
        loaded: Loaded,
        learn: Callable[[Iterable[str]], None] | None = None,
    ) -> None:
        self._config = config
        self._environment = environment
        # The log's, which hides the secrets that it is told.
        self._learn = learn
        self._reloading = asyncio.Lock()
        self.settings = settings
        self.telemetry = Telemetry()
        self.network = Network()
        self.connectivity = Connectivity(self.network.resolver, self.telemetry)
        self.loaded = loaded
        self.ledger = self._make_ledger()
        aggregation, self.workers = self._make_workers()
        self.runner = Runner(
            self.telemetry, self.connectivity, aggregation.count if aggregation else None
        )
        self.chat = self._make_chat()
        self.started_at = time.time()

    def _make_ledger(self) -> Ledger | None:
        if not ledger_wanted(self.settings, self.loaded.platform):
            return None
        # It costs memory that a pure prober need not spend.
        from exporter.ledger.ledger import Ledger

        return Ledger(self.settings, self.telemetry.registry, lambda: self.loaded.platform)

    def _make_workers(self) -> tuple[Aggregation | None, Workers | None]:
        if self.ledger is None:
            return None, None
        from exporter.workers.aggregation import Aggregation
        from exporter.workers.of_ledger import make_workers

        aggregation = Aggregation(self.ledger.replica, self.ledger.started_at)
        workers = make_workers(
            self.ledger,
            aggregation,
            self.telemetry.registry,
            read_only=self.settings.read_only,
        )
        return aggregation, workers

    def _make_chat(self) -> Chat | None:
        if self.ledger is None:
            return None
        from exporter.chat.chat import Chat

        return Chat(
            self.settings,
            self.telemetry.errors,
            self.ledger.store,
            lambda: self.loaded.platform,
        )

    async def start(self) -> None:
        """Start probing. Raises ConfigError if a target cannot be probed as the config says."""
        await self._use(self.loaded)

    async def stop(self) -> None:
        """Stop probing."""
        await self.runner.stop()
        self.network.close()

    async def reload(self) -> None:
        """Load the config again, off the event loop; a bad one changes nothing.

        Raises ConfigError or SettingsError with every problem found.
        """
        async with self._reloading:
            try:
                loaded = await asyncio.to_thread(
                    read_config, self._config, self._environment, self.settings.shard
                )
                self._hide_secrets_of(self.loaded, loaded)
                await self._use(loaded)
            except (ConfigError, SettingsError) as error:
                self.telemetry.reload_successful.set(0)
                log.error("the config was not reloaded; the old one stays", problems=str(error))  # noqa: TRY400 - the problems say it all
                raise
            log.info("config reloaded", sha256=loaded.sha256, targets=len(loaded.targets))

    def _hide_secrets_of(self, *configs: Loaded) -> None:
        """Those of the old config too: what is under way may still tell of them."""
        if self._learn is not None:
            self._learn(
                secret
                for one in configs
                for secret in known_secrets(self.settings, one.platform, one.urls)
            )

    async def _use(self, loaded: Loaded) -> None:
        await self._watch(loaded)
        self.runner.limit(loaded.platform.probes_at_once, loaded.platform.probes_at_once_per_host)
        self.loaded = loaded
        for problem in loaded.platform.warnings(time.time()):
            log.warning("the config can be tidied up", problem=str(problem))
        self.telemetry.config_info.clear()
        self.telemetry.config_info.labels(loaded.sha256).set(1)
        self.telemetry.service_memory_limit.clear()
        for service in loaded.platform.services:
            if service.memory_limit is not None:
                self.telemetry.service_memory_limit.labels(service.name).set(service.memory_limit)
        self.telemetry.reload_successful.set(1)
        self.telemetry.reload_success_time.set(time.time())

    async def _watch(self, loaded: Loaded) -> None:
        await self.runner.watch(
            Assignment(
                target=target,
                make_prober=partial(loaded.make_prober, target, self.network),
                key=(target.model_dump_json(), loaded.urls[target.name]),
                host=loaded.host(target),
            )
            for target in loaded.targets
        )
        self.connectivity.use(loaded.platform.connectivity, map(loaded.host, loaded.targets))
