"""Whom the doctor looks at: the environment, the config, and the service that may be running."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from exporter.ledger.http_body import NoAnswerError, get
from exporter.operations.channels import Channels, read_channels
from exporter.service import Loaded, missing_secrets, read_config
from exporter.settings import Settings, SettingsError, read_settings
from exporter.shard import Shard
from model.declared import ConfigError
from model.load import config_path

# Of the metrics of ours that no label tells apart.
Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Patient:
    """What is known at the beginning.

    `settings` and `loaded` are None where they cannot be used; `problems` says why, a line each.
    `metrics` are those of the service that runs here, None if none does. `clock` answers unix time.
    """

    environment: Mapping[str, str]
    session: aiohttp.ClientSession
    settings: Settings | None
    loaded: Loaded | None
    channels: Channels
    problems: tuple[str, ...]
    config_problems: tuple[str, ...]
    metrics: Metrics | None
    clock: Callable[[], float] = field(default=time.time)


async def meet(
    environment: Mapping[str, str],
    session: aiohttp.ClientSession,
    clock: Callable[[], float] = time.time,
) -> Patient:
    """Read the environment and the config, and ask the service that runs here, if one does."""
    problems: list[str] = []
    config_problems: list[str] = []
    settings: Settings | None = None
    loaded: Loaded | None = None
    try:
        settings = read_settings(environment)
    except SettingsError as error:
        problems.extend(error.problems)
    channels, mistakes = read_channels(environment)
    problems.extend(mistakes)
    try:
        config = Path(config_path(environment))
        loaded = read_config(config, environment, settings.shard if settings else Shard())
    except SettingsError as error:
        problems.extend(error.problems)
    except ConfigError as error:
        config_problems.extend(str(error).splitlines())
    if settings is not None and loaded is not None:
        problems.extend(missing_secrets(settings, loaded.platform))
    return Patient(
        environment=environment,
        session=session,
        settings=settings,
        loaded=loaded,
        channels=channels,
        problems=tuple(dict.fromkeys(problems)),
        config_problems=tuple(config_problems),
        metrics=await _metrics(session, settings) if settings is not None else None,
        clock=clock,
    )


def own_url(settings: Settings) -> str:
    """Where the service of these settings answers on this machine."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"http://{host}:{settings.port}"


async def _metrics(session: aiohttp.ClientSession, settings: Settings) -> Metrics | None:
    secret = settings.metrics_basic_auth
    user, _, password = secret.get_secret_value().partition(":") if secret else ("", "", "")
    login = f"{user}:{password}@" if user else ""
    try:
        body = await get(session, own_url(settings).replace("//", f"//{login}") + "/metrics")
    except NoAnswerError:
        return None
    found = {}
    for line in body.decode(errors="replace").splitlines():
        name, _, number = line.partition(" ")
        if "{" not in name and not name.startswith("#"):
            try:
                found[name] = float(number)
            except ValueError:
                return None  # somebody else's page
    ours = any(name.startswith("monitoring_") for name in found)
    return found if ours else None
