"""Probes Redis: a new connection each time, PING, then INFO."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection, parse_url

from exporter.probers.failure import ProbeFailure, clean, from_os_error, without_password
from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model import names
from model.names import Metric
from model.targets import Redis

# INFO's field to the metric that it becomes.
_FIELDS: Mapping[str, Metric] = {
    "uptime_in_seconds": names.REDIS_UPTIME,
    "connected_clients": names.REDIS_CONNECTED_CLIENTS,
    "maxclients": names.REDIS_CONFIG_MAXCLIENTS,
    "blocked_clients": names.REDIS_BLOCKED_CLIENTS,
    "used_memory": names.REDIS_MEMORY_USED,
    "maxmemory": names.REDIS_MEMORY_MAX,
    "total_commands_processed": names.REDIS_COMMANDS_PROCESSED,
    "keyspace_hits": names.REDIS_KEYSPACE_HITS,
    "keyspace_misses": names.REDIS_KEYSPACE_MISSES,
    "evicted_keys": names.REDIS_EVICTED_KEYS,
}
_DATABASE = re.compile("db[0-9]+")


class _Abrupt:
    """A connection that ends without a farewell, which a hung server would never return."""

    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None

    def abort(self) -> None:
        """Close the connection at once; cancelling cannot come between."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def disconnect(self, *_args: Any, **_kwargs: Any) -> None:
        """Close the connection when redis-py wants it closed."""
        self.abort()


class _Plain(_Abrupt, Connection):
    """A connection by TCP."""


class _Secured(_Abrupt, SSLConnection):
    """A connection by TLS."""


class RedisProber:
    """Probes one Redis. Keeps nothing between probes.

    Raises ValueError if the URL cannot be used.
    """

    def __init__(self, target: Redis, url: str) -> None:
        self._target = target
        self._url = url
        database = urlsplit(url).path.strip("/")
        if database and not database.isdigit():
            # redis-py would use database 0.
            raise ValueError("its URL must end with a database's number: redis://host:6379/0")
        try:
            _connection(url)
        except TypeError as error:  # a parameter of the URL that no connection has
            raise ValueError(f"its URL cannot be used: {error}") from None

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect, PING and read INFO; `timeout` is in seconds."""
        started = time.perf_counter()
        samples: list[Sample] = []
        reason = None
        try:
            detail = await self._ask(timeout, samples)
        except ProbeFailure as failure:
            # The failure itself would hold this frame, the connection, and so its socket.
            reason, detail = failure.reason, failure.detail
        samples.append(Sample(names.REDIS_UP, (), float(reason is None)))
        return ProbeResult(
            health=Health.HEALTHY if reason is None else Health.UNHEALTHY,
            duration=time.perf_counter() - started,
            ended_at=time.time(),
            reason=reason,
            detail=detail,
            samples=tuple(samples),
        )

    async def close(self) -> None:
        """Nothing is kept between probes."""

    async def _ask(self, timeout: float, samples: list[Sample]) -> str:
        """Fill in the samples, and say why INFO was refused; empty if it was not."""
        connection = _connection(self._url)
        try:
            async with asyncio.timeout(timeout):
                await connection.connect()  # type: ignore[no-untyped-call]
                if await _answer(connection, "PING") != b"PONG":
                    raise ProbeFailure(Reason.PROTOCOL, "it answers PING, but not with PONG")
                return await self._info(connection, samples)
        except TimeoutError:
            raise ProbeFailure(Reason.TIMEOUT, f"no answer in {timeout:g} s") from None
        except exceptions.RedisError as error:
            raise self._failure(error) from None
        finally:
            connection.abort()

    async def _info(self, connection: _Plain | _Secured, samples: list[Sample]) -> str:
        """Redis has answered PING: that INFO is forbidden, or odd, does not make it down."""
        try:
            answer = await _answer(connection, "INFO")
        except exceptions.ConnectionError:
            raise
        except exceptions.ResponseError as error:
            return f"INFO was refused: {self._text(error)}"
        if not isinstance(answer, bytes):
            return "INFO was answered with something else than Redis' statistics"
        samples.extend(_samples(answer.decode(errors="replace")))
        return ""

    def _text(self, error: exceptions.RedisError) -> str:
        return clean(without_password(str(error), self._url))

    def _failure(self, error: exceptions.RedisError) -> ProbeFailure:
        text = self._text(error)
        refused = (exceptions.AuthenticationError, exceptions.NoPermissionError)
        if isinstance(error, refused) or "NOAUTH" in text or "WRONGPASS" in text:
            return ProbeFailure(Reason.AUTH, text)
        if "max number of clients" in text:
            return ProbeFailure(Reason.TOO_MANY_CLIENTS, text)
        if isinstance(error, exceptions.TimeoutError):
            return ProbeFailure(Reason.TIMEOUT, text)
        if isinstance(error, exceptions.InvalidResponse):
            return ProbeFailure(Reason.PROTOCOL, text)
        if isinstance(error, exceptions.ConnectionError):
            if "closed by server" in text:
                return ProbeFailure(Reason.RESET, text)
            cause = error.__cause__ or error.__context__
            if isinstance(cause, OSError):
                return from_os_error(cause)
            return ProbeFailure(Reason.CONNECT, text)
        return ProbeFailure(Reason.QUERY, text)


def _connection(url: str) -> _Plain | _Secured:
    """A connection for one probe. Opens nothing yet; raises ValueError or TypeError."""
    settings: dict[str, Any] = {
        # Redis before 6 does not know RESP 3, and answers its HELLO by repeating the password.
        "protocol": 2,
        # The probe's own deadline holds for all of it.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        # It would be a second command, which an ACL may forbid and then log.
        "driver_info": None,
        **parse_url(url),
    }
    if settings.pop("connection_class", None) is None:
        return _Plain(**settings)
    return _Secured(**settings)


async def _answer(connection: _Plain | _Secured, command: str) -> Any:
    await connection.send_command(command)
    return await connection.read_response()


def _samples(info: str) -> Iterator[Sample]:
    """The samples that INFO's lines become; what is no number is left out."""
    for line in info.splitlines():
        field, _, text = line.partition(":")
        metric = _FIELDS.get(field)
        labels: tuple[str, ...] = ()
        if _DATABASE.fullmatch(field):
            metric, labels = names.REDIS_DB_KEYS, (field,)
            text = text.partition(",")[0].removeprefix("keys=")
        if metric is not None and text.isdecimal():
            yield Sample(metric, labels, float(text))
