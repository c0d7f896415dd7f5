"""Runs the probes of all targets and keeps what is known of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import structlog

from exporter.exposition import Fragments
from exporter.probers.prober import Prober
from exporter.probers.result import Health, ProbeResult, Reason
from exporter.telemetry import Telemetry
from exporter.watch import Assignment, TargetSnapshot, Watch, WatchEvents

# How long past its deadline a prober may take to clean up before it is cancelled.
_GRACE = 0.5

log = structlog.get_logger("exporter.runner")


class Runner:
    """Probes all targets in the background. Its readers take snapshots and never wait."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._events = WatchEvents(self.probe, telemetry.probe_start_delay.observe)
        self._watches: dict[str, Watch] = {}

    async def watch(self, assignments: Iterable[Assignment]) -> None:
        """Watch exactly these targets from now on.

        One that is watched already, with the same key, keeps its clock and its results.
        """
        old = self._watches
        kept: dict[str, Watch] = {}
        added: list[Watch] = []
        for assignment in assignments:
            present = old.get(assignment.target.name)
            if present is None or present.key != assignment.key:
                present = Watch(assignment, self._events)
                added.append(present)
            kept[assignment.target.name] = present
        self._watches = kept
        for watch in added:
            watch.start()
        gone = [watch for watch in old.values() if watch not in kept.values()]
        await asyncio.gather(*(watch.stop() for watch in gone))

    async def stop(self) -> None:
        """Stop all clocks and end the probes that are under way."""
        await self.watch(())

    async def probe(self, prober: Prober, timeout: float) -> ProbeResult:
        """Run one probe; whatever the prober does, there is a result in `timeout` seconds."""
        started = time.perf_counter()
        self._telemetry.probes_in_flight.inc()
        try:
            async with asyncio.timeout(timeout + _GRACE):
                return await prober.probe(timeout)
        except TimeoutError:
            self._telemetry.errors.labels("prober").inc()
            log.exception("a prober has overrun its deadline", prober=type(prober).__name__)
            return _failure(started, Reason.TIMEOUT, f"no answer in {timeout:g} s")
        except Exception:
            self._telemetry.errors.labels("prober").inc()
            log.exception("a prober has failed", prober=type(prober).__name__)
            return _failure(started, Reason.INTERNAL, "an error inside the exporter; see its log")
        finally:
            self._telemetry.probes_in_flight.dec()

    def snapshots(self) -> tuple[TargetSnapshot, ...]:
        """What is known of every target, in the config's order."""
        return tuple(watch.snapshot() for watch in self._watches.values())

    def fragments(self) -> list[Fragments]:
        """The lines of every target that has a fresh result."""
        return [watch.fragments() for watch in self._watches.values()]

    def counter_fragments(self) -> list[Fragments]:
        """The lines of the counters, which outlive a stale result."""
        return [watch.counters for watch in self._watches.values()]


def _failure(started: float, reason: Reason, detail: str) -> ProbeResult:
    duration = time.perf_counter() - started
    return ProbeResult(Health.UNHEALTHY, duration, time.time(), reason, detail)
