"""Settings from the environment: typed, and every mistake reported at once.

Each secret, and each URL that may hold one, can be given as NAME_FILE: a path to a file that
holds it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from exporter import shard as shards
from exporter.shard import Shard
from model.sql import SqlMetrics
from model.targets import Target, url_mistakes

Network = IPv4Network | IPv6Network

# Loopback, and what RFC 1918, RFC 3927, RFC 4193 and RFC 4291 set apart for private use.
_PRIVATE = (
    "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10"
)

# A literal % or space in a password has to be encoded; libraries complain by printing it.
_NOT_ENCODED = re.compile(r"\s|%(?![0-9A-Fa-f]{2})")


class SettingsError(Exception):
    """Variables of the environment that cannot be used; carries every problem found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    networks = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        try:
            networks.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            raise ValueError(
                f'"{part[:50]}" is not an address or network; write 10.0.0.0/8,192.0.2.7'
            ) from None
    if not networks:
        raise ValueError(
            "names no address, so that nobody could scrape; write 10.0.0.0/8,192.0.2.7"
        )
    return tuple(networks)


def _basic_auth(value: Any) -> Any:
    if isinstance(value, str) and not all(value.partition(":")):
        raise ValueError("must be user:password")
    return value


def _shard(value: Any) -> Any:
    return shards.parse(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """What the environment says, under the names that the user's runbook gives."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = "0.0.0.0"  # noqa: S104 - a service in a container is reached from outside it
    port: int = Field(default=3017, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    prometheus_allowed_ips: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = _networks(
        _PRIVATE
    )
    metrics_basic_auth: Annotated[SecretStr | None, BeforeValidator(_basic_auth)] = None
    # Which of several exporters, that share the targets, this one is.
    shard: Annotated[Shard, BeforeValidator(_shard)] = Shard()


_SECRETS = frozenset({"metrics_basic_auth"})


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises SettingsError with every mistake found."""
    problems: list[str] = []
    found: dict[str, str] = {}
    for field in Settings.model_fields:
        value = read_variable(environment, field.upper(), problems, secret=field in _SECRETS)
        if value is not None:
            found[field] = value.lower() if field == "log_level" else value
    try:
        settings = Settings.model_validate(found)
    except ValidationError as error:
        for details in error.errors(include_input=False, include_url=False):
            message = details["msg"].removeprefix("Value error, ")
            problems.append(f"{str(details['loc'][0]).upper()}: {message}")
        raise SettingsError(problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


def read_urls(environment: Mapping[str, str], targets: Iterable[Target]) -> dict[str, str]:
    """The URL of every target by its name: the environment's, else the config's.

    SQL metrics come after the server that they are read from, whose URL they share.
    Raises SettingsError with every mistake found; none repeats a password.
    """
    problems: list[str] = []
    urls: dict[str, str] = {}
    for target in targets:
        given = (
            read_variable(environment, target.variable, problems, secret=True)
            if target.variable
            else None
        )
        if given is not None:
            mistakes = url_mistakes(given, target.schemes(), secret=True)
            if _NOT_ENCODED.search(given):
                mistakes.append("write a literal % as %25 and a space as %20")
            problems.extend(
                f"{target.variable}: {mistake.removeprefix('url: ')}" for mistake in mistakes
            )
        server = urls.get(target.postgres, "") if isinstance(target, SqlMetrics) else target.url
        urls[target.name] = given or server
    if problems:
        raise SettingsError(problems)
    return urls


def read_variable(
    environment: Mapping[str, str], name: str, problems: list[str], *, secret: bool
) -> str | None:
    """The value of a variable or, for a secret, of the file that NAME_FILE names.

    None if neither is set. Appends to `problems` what is wrong.
    """
    value, file = environment.get(name), environment.get(f"{name}_FILE") if secret else None
    if not file:
        return value or None
    if value:
        problems.append(f"{name}: is set, and so is {name}_FILE; unset one of them")
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        problems.append(f"{name}_FILE: cannot read {file}: {what}")
        return None
