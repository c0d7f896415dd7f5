"""Probes Redis: a new connection each time, PING, then INFO."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from redis import exceptions
from redis.asyncio import Redis as Client

from exporter.probers.failure import ProbeFailure, clean, from_os_error
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


class RedisProber:
    """Probes one Redis. Keeps nothing between probes."""

    def __init__(self, target: Redis, url: str) -> None:
        self._target = target
        self._url = url

    async def probe(self, timeout: float) -> ProbeResult:
        """Connect, PING and read INFO; `timeout` is in seconds."""
        started = time.perf_counter()
        samples: list[Sample] = []
        failure = None
        try:
            samples.extend(_samples(await self._info(timeout)))
        except ProbeFailure as caught:
            failure = caught
        samples.append(Sample(names.REDIS_UP, (), 0.0 if failure else 1.0))
        return ProbeResult(
            health=Health.UNHEALTHY if failure else Health.HEALTHY,
            duration=time.perf_counter() - started,
            ended_at=time.time(),
            reason=failure.reason if failure else None,
            detail=failure.detail if failure else "",
            samples=tuple(samples),
        )

    async def close(self) -> None:
        """Nothing is kept between probes."""

    async def _info(self, timeout: float) -> Mapping[str, Any]:
        client = Client.from_url(
            self._url, single_connection_client=True, retry=None, lib_name=None, lib_version=None
        )
        try:
            async with asyncio.timeout(timeout):
                # redis-py ships its commands without a return type that mypy can follow.
                await client.ping()
                info: Mapping[str, Any] = await client.info()
                return info
        except TimeoutError:
            raise ProbeFailure(Reason.TIMEOUT, f"no answer in {timeout:g} s") from None
        except exceptions.RedisError as error:
            raise _failure(error) from None
        finally:
            await client.aclose()


def _samples(info: Mapping[str, Any]) -> list[Sample]:
    samples = [
        Sample(metric, (), float(info[field])) for field, metric in _FIELDS.items() if field in info
    ]
    samples.extend(
        Sample(names.REDIS_DB_KEYS, (name,), float(value["keys"]))
        for name, value in info.items()
        if name.startswith("db") and isinstance(value, dict) and "keys" in value
    )
    return samples


def _failure(error: exceptions.RedisError) -> ProbeFailure:
    text = clean(str(error))
    if isinstance(error, exceptions.AuthenticationError) or "NOAUTH" in text or "WRONGPASS" in text:
        return ProbeFailure(Reason.AUTH, text)
    if "max number of clients" in text:
        return ProbeFailure(Reason.TOO_MANY_CLIENTS, text)
    if isinstance(error, exceptions.TimeoutError):
        return ProbeFailure(Reason.TIMEOUT, text)
    if isinstance(error, exceptions.ConnectionError):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, OSError):
            return from_os_error(cause)
        return ProbeFailure(Reason.CONNECT, text)
    return ProbeFailure(Reason.QUERY, text)
