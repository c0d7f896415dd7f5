"""The probers of Redis and of its Sentinels."""

from exporter.probers.redis.prober import RedisProber
from exporter.probers.redis.sentinel import SentinelProber

__all__ = ["RedisProber", "SentinelProber"]
