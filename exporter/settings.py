"""Settings from the environment: typed, and every mistake reported at once.

Each secret, and each URL that may hold one, can be given as NAME_FILE: a path to a file that
holds it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from exporter import shard as shards
from exporter.shard import Shard
from model.sql import SqlMetrics
from model.targets import Postgres, Target, url_mistakes

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Loopback, and what RFC 1918, RFC 3927, RFC 4193 and RFC 4291 set apart for private use.
_PRIVATE = (
    "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10"
)

_SECRET_BYTES = 32

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


def _long_enough(value: SecretStr | None) -> SecretStr | None:
    # RFC 7518, 3.2: a key of HS256 is at least as long as its hash.
    if value is not None and len(value.get_secret_value().encode()) < _SECRET_BYTES:
        raise ValueError(f"must be of {_SECRET_BYTES} bytes at least: openssl rand -base64 48")
    return value


def _postgres_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None and (
        mistakes := url_mistakes(value.get_secret_value(), Postgres.schemes(), secret=True)
    ):
        raise ValueError("; ".join(mistake.removeprefix("url: ") for mistake in mistakes))
    return value


def _shard(value: Any) -> Any:
    return shards.parse(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """What the environment says, under the names that the user's runbook gives."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = "0.0.0.0"  # noqa: S104 - a service in a container is reached from outside it
    port: int = Field(default=3017, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Where the log's two files are kept; unset, a container's /app/logs, else nowhere.
    log_dir: Path | None = None
    prometheus_allowed_ips: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = _networks(
        _PRIVATE
    )
    metrics_basic_auth: Annotated[SecretStr | None, BeforeValidator(_basic_auth)] = None
    # Which of several exporters, that share the targets, this one is.
    shard: Annotated[Shard, BeforeValidator(_shard)] = Shard()
    # The ledger runs where the config has one, unless this says off.
    ledger: Literal["on", "off"] = "on"
    # SQLite's, where DATABASE_URL is not set.
    ledger_file: Path = Path("monitoring.sqlite3")
    database_url: Annotated[SecretStr | None, AfterValidator(_postgres_url)] = None
    database_pool_min: int = Field(default=2, ge=0, le=1000)
    # A worker holds one connection, and needs another one to work.
    database_pool_max: int = Field(default=10, ge=2, le=1000)
    # What a replica is called, for people and for the rows that it writes: a pod's name.
    replica: str = Field(default_factory=socket.gethostname, min_length=1, max_length=253)
    read_only: bool = False
    jwt_secret: Annotated[SecretStr | None, AfterValidator(_long_enough)] = None
    jwt_issuer: str = Field(default="tickettoken", min_length=1)
    jwt_audience: str = Field(default="tickettoken-platform", min_length=1)
    # Makes a secret for as long as the process lives, and says so: for a laptop, never elsewhere.
    insecure_development: bool = False
    # Alertmanager's, on its webhook; of 32 characters at least.
    ingest_token: Annotated[SecretStr | None, AfterValidator(_long_enough)] = None
    # Proxies whose X-Forwarded-For is believed.
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = ()
    # Of the API, for each person; for each address where nobody is known.
    rate_limit_per_minute: int = Field(default=300, ge=1, le=1_000_000)
    slack_signing_secret: SecretStr | None = None
    pagerduty_routing_key: SecretStr | None = None
    pagerduty_webhook_secret: SecretStr | None = None

    @model_validator(mode="after")
    def _pool_has_room(self) -> Self:
        if self.database_pool_min > self.database_pool_max:
            raise PydanticCustomError(
                "pool", "DATABASE_POOL_MIN: is over DATABASE_POOL_MAX: swap them"
            )
        return self


_SECRETS = frozenset(
    {
        "metrics_basic_auth",
        "database_url",
        "jwt_secret",
        "ingest_token",
        "slack_signing_secret",
        "pagerduty_routing_key",
        "pagerduty_webhook_secret",
    }
)
_LOWER_CASE = frozenset({"log_level", "ledger", "read_only", "insecure_development"})


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings. Raises SettingsError with every mistake found."""
    problems: list[str] = []
    found: dict[str, str] = {}
    for field in Settings.model_fields:
        value = read_variable(environment, field.upper(), problems, secret=field in _SECRETS)
        if value is not None:
            found[field] = value.lower() if field in _LOWER_CASE else value
    try:
        settings = Settings.model_validate(found)
    except ValidationError as error:
        for details in error.errors(include_input=False, include_url=False):
            message = details["msg"].removeprefix("Value error, ")
            place = f"{str(details['loc'][0]).upper()}: " if details["loc"] else ""
            problems.append(f"{place}{message}")
        raise SettingsError(problems) from None
    if problems:
        raise SettingsError(problems)
    if "replica" not in found and settings.shard.count > 1:
        # Several on one host, that share the targets, are not the same replica.
        name = f"{settings.replica}-{settings.shard.number}"
        settings = settings.model_copy(update={"replica": name})
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
