"""Stand-ins for targets and probers, and how to wait for something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from exporter.probers.result import Health, ProbeResult, Reason, Sample
from model.durations import seconds
from model.redis import Redis


def redis_target(
    name: str = "redis", *, interval: float = 1, timeout: float = 0.5, retry: float = 0.2
) -> Redis:
    """A target with short times; what it is does not matter."""
    return Redis(
        name=name,
        interval=seconds(interval),
        timeout=seconds(timeout),
        retry_interval=seconds(retry),
    )


def success(*samples: Sample) -> ProbeResult:
    return ProbeResult(Health.HEALTHY, 0.001, time.time(), samples=samples)


def failure(reason: Reason = Reason.CONNECT_REFUSED) -> ProbeResult:
    return ProbeResult(Health.UNHEALTHY, 0.001, time.time(), reason, "the connection was refused")


class StandIn:
    """A prober that answers what it is told, and remembers when it was asked."""

    def __init__(self, answer: Callable[[], ProbeResult] = success) -> None:
        self.answer = answer
        # How long an answer takes; None: for ever.
        self.takes: float | None = 0.0
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.cancelled = 0
        self.closed = 0
        self.most_at_once = 0
        self._at_once = 0

    async def probe(self, timeout: float) -> ProbeResult:
        self.starts.append(time.monotonic())
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(1e6 if self.takes is None else self.takes)
            return self.answer()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._at_once -= 1
            self.ends.append(time.monotonic())

    async def close(self) -> None:
        self.closed += 1


async def until(condition: Callable[[], object], seconds: float = 10, what: str = "") -> float:
    """Wait until a condition holds and return how long that took; fail after so many seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, what or "it has not come true in time"
        await asyncio.sleep(0.005)
    return time.monotonic() - started
