"""Has every Redis a limit to its memory, a policy for when it is full, and something on disk?"""

from __future__ import annotations

from exporter.operations.checks.finding import Advice, Finding, advised, fine, unknown
from exporter.operations.checks.patient import Patient
from exporter.operations.words import size
from exporter.probers.failure import ProbeFailure
from exporter.probers.http.network import Network
from exporter.probers.redis.prober import RedisProber
from model.redis import Redis

_SETTINGS = ("maxmemory", "maxmemory-policy", "save", "appendonly")
# With it, a full Redis refuses to write.
_NO_POLICY = "noeviction"


async def check(patient: Patient) -> list[Finding]:
    """By CONFIG, of every Redis that the config names and that lets us ask."""
    if patient.loaded is None:
        return [unknown("Redis' settings: the variables have to be mended first")]
    found = []
    network = Network()
    try:
        for target in patient.loaded.targets:
            if isinstance(target, Redis):
                prober = RedisProber(target, patient.loaded.urls[target.name], network)
                try:
                    found += await _of_one(target, prober)
                finally:
                    await prober.close()
    finally:
        network.close()
    return found


async def _of_one(target: Redis, prober: RedisProber) -> list[Finding]:
    try:
        settings = await prober.settings(*_SETTINGS, timeout=target.timeout.total_seconds())
    except ProbeFailure as failure:
        return [unknown(f"the settings of {target.name}: {failure.detail}")]
    if settings is None:
        return [unknown(f"the settings of {target.name}: config_command is None in the config")]
    missing = sorted({*_SETTINGS} - settings.keys())
    if missing:
        return [unknown(f"the settings of {target.name}: it does not tell {', '.join(missing)}")]
    return [_memory(target.name, settings), _persistence(target.name, settings)]


def _memory(name: str, settings: dict[str, str]) -> Finding:
    limit = int(settings["maxmemory"]) if settings["maxmemory"].isdigit() else 0
    policy = settings["maxmemory-policy"]
    if limit == 0:
        return advised(
            Advice.REDIS_NO_LIMIT,
            f"{name} has no maxmemory: it grows until the system ends it",
            "`redis-cli CONFIG SET maxmemory 2gb`, `redis-cli CONFIG SET maxmemory-policy "
            "allkeys-lru`, then `redis-cli CONFIG REWRITE`.",
        )
    if policy == _NO_POLICY:
        return advised(
            Advice.REDIS_NO_POLICY,
            f"{name} refuses to write once it has {size(limit)}: its maxmemory-policy is {policy}",
            "`redis-cli CONFIG SET maxmemory-policy allkeys-lru`, or one that suits what is in it, "
            "then `redis-cli CONFIG REWRITE`.",
        )
    return fine(f"{name} has {size(limit)} at most, and then drops by {policy}")


def _persistence(name: str, settings: dict[str, str]) -> Finding:
    if settings["appendonly"] == "yes":
        return fine(f"{name} writes its append-only file")
    if settings["save"].strip():
        return fine(f"{name} writes snapshots ({settings['save']})")
    return advised(
        Advice.REDIS_NOT_PERSISTENT,
        f"{name} writes nothing to disk: a restart loses all that is in it",
        '`redis-cli CONFIG SET save "900 1 300 10 60 10000"`, then `redis-cli CONFIG REWRITE`; '
        "leave it where all of it can be made anew.",
    )
