"""Redis and its Sentinels."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import model_validator

from model.declared import Declared, refused
from model.targets import NetworkTarget, with_variable

# What a key's name may be as a label.
_LONGEST_KEY = 200
# All of them are asked for in every probe.
_MOST_KEYS = 500


class RedisKey(Declared):
    """A key whose entries are counted: a queue's depth.

    Redis removes a list that has become empty, so a queue without work and a key that never was
    are the same to it: `kind` says which command counts, and that a missing key has 0 entries. A
    key of another kind has no count. `database` is the URL's if not given.
    """

    noun: ClassVar[str | None] = "Redis key"
    name: str
    kind: Literal["list", "set", "sorted set", "stream", "hash"]
    database: int | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not self.name or len(self.name) > _LONGEST_KEY or not self.name.isprintable():
            mistakes.append(f"name: write 1 to {_LONGEST_KEY} printable characters")
        if self.database is not None and self.database < 0:
            mistakes.append(f"database: {self.database} is negative")
        if mistakes:
            raise refused(mistakes)
        return self


class RedisServer(NetworkTarget):
    """What Redis and Sentinel have in common: `redis://host:port`, or `rediss://` for TLS."""

    @classmethod
    def schemes(cls) -> tuple[str, ...]:
        return ("redis", "rediss")

    def _address_mistakes(self) -> list[str]:
        mistakes = super()._address_mistakes()
        return mistakes or [f"url: {mistake}" for mistake in redis_url_mistakes(self.url)]


def redis_url_mistakes(url: str) -> list[str]:
    """What is wrong with the rest of a URL that has a right scheme, host and port."""
    parts = urlsplit(url)
    database = parts.path.strip("/")
    mistakes = []
    if database and not (database.isascii() and database.isdigit()):
        mistakes.append("must end with a database's number: redis://host:6379/0")
    if parts.query or parts.fragment:
        mistakes.append(
            "must have nothing after the database's number; settings such as ca_file stand in "
            "the config"
        )
    return mistakes


class Redis(RedisServer):
    """A Redis server, probed by connecting to it, PING and INFO.

    With `master_name` the URL's host is a Sentinel, or a name that has the addresses of several,
    and `sentinels` are more of them as host:port: they are asked where the master of that name is
    now, and that one is probed; the URL's credentials and database are the master's.
    `config_command` is what CONFIG is called, None not to send it: an ACL that forbids it logs
    every attempt.
    """

    kind: ClassVar[str] = "redis"
    noun: ClassVar[str | None] = "Redis"
    name: str = "redis"
    url: str = "redis://redis:6379/0"
    variable: str = "REDIS_URL"
    keys: tuple[RedisKey, ...] = ()
    config_command: str | None = "CONFIG"
    master_name: str | None = None
    sentinels: tuple[str, ...] = ()
    sentinel_username: str | None = None
    sentinel_password_file: Path | None = None

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes() + self._sentinel_mistakes()
        named = [(key.name, key.database) for key in self.keys if key.has("name", "database")]
        twice = sorted({name for name, database in named if named.count((name, database)) > 1})
        mistakes.extend(f'keys: "{name}" is there twice' for name in twice)
        if len(self.keys) > _MOST_KEYS:
            mistakes.append(f"keys: {len(self.keys)} are more than {_MOST_KEYS}")
        if self.config_command is not None and not self.config_command.strip():
            mistakes.append("config_command: is empty; write None not to send it")
        return mistakes

    def _sentinel_mistakes(self) -> list[str]:
        given = self.sentinels or self.sentinel_username or self.sentinel_password_file
        if self.master_name is None:
            return ["master_name: is missing, which its Sentinels are asked for"] if given else []
        mistakes = [
            f"sentinels: {one!r} is not host:port" for one in self.sentinels if not _is_place(one)
        ]
        if not self.master_name:
            mistakes.append("master_name: is empty")
        if self.sentinel_username is not None and self.sentinel_password_file is None:
            mistakes.append("sentinel_username: needs sentinel_password_file")
        return mistakes


class Sentinel(RedisServer):
    """A Sentinel itself: whether it answers, and whether it could replace a master.

    `masters` are the names of those that it has to watch; it is degraded while it cannot reach
    enough other Sentinels to replace one of them.
    """

    kind: ClassVar[str] = "sentinel"
    noun: ClassVar[str | None] = "Sentinel"
    variable: str = ""
    masters: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _name_variable(cls, settings: dict[str, object]) -> dict[str, object]:
        return with_variable(settings)

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if not self.masters or not all(self.masters):
            mistakes.append("masters: name those that it has to watch")
        if len(set(self.masters)) < len(self.masters):
            mistakes.append("masters: one is there twice")
        return mistakes


def _is_place(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        return bool(parts.hostname and parts.port) and parts.netloc == text and "@" not in text
    except ValueError:
        return False
