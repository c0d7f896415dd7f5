"""Every kind of prober, by the kind of its target."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exporter.probers.http.network import Network
from exporter.probers.prober import Prober
from model.json_target import JsonTarget
from model.redis import Redis, Sentinel
from model.sql import SqlMetrics
from model.targets import Postgres, Service, Target, TcpService


def _http(target: Target, url: str, network: Network) -> Prober:
    from exporter.probers.http import HttpProber

    assert isinstance(target, Service)
    return HttpProber(target, url, network)


def _tcp(target: Target, url: str, network: Network) -> Prober:
    from exporter.probers.tcp import TcpProber

    assert isinstance(target, TcpService)
    return TcpProber(target, url, network)


def _postgres(target: Target, url: str, network: Network) -> Prober:
    from exporter.probers.postgres import PostgresProber

    assert isinstance(target, Postgres)
    return PostgresProber(target, url, network)


def _redis(target: Target, url: str, network: Network) -> Prober:
    from exporter.probers.redis import RedisProber

    assert isinstance(target, Redis)
    return RedisProber(target, url, network)


def _sentinel(target: Target, url: str, network: Network) -> Prober:
    from exporter.probers.redis import SentinelProber

    assert isinstance(target, Sentinel)
    return SentinelProber(target, url, network)


def _json(target: Target, url: str, network: Network) -> Prober:
    from exporter.probers.json_document import JsonProber

    assert isinstance(target, JsonTarget)
    return JsonProber(target, url, network)


def _sql(target: Target, url: str, _network: Network) -> Prober:
    from exporter.probers.sql import SqlProber

    assert isinstance(target, SqlMetrics)
    return SqlProber(target, url)


# Makes a target's prober from its URL and the network that all probers share. Each imports its
# library when it is first used: a config without Redis pays nothing for it.
PROBERS: Mapping[str, Callable[[Target, str, Network], Prober]] = {
    Service.kind: _http,
    TcpService.kind: _tcp,
    Postgres.kind: _postgres,
    Redis.kind: _redis,
    Sentinel.kind: _sentinel,
    SqlMetrics.kind: _sql,
    JsonTarget.kind: _json,
}
