"""Runs the probes of all targets and keeps what is known of each."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from time import monotonic

import structlog

from exporter.clock import STARTS_A_TURN, Clock
from exporter.connectivity import SILENT, Connectivity
from exporter.exposition import Fragments
from exporter.overruns import Overruns
from exporter.probers.prober import Prober
from exporter.probers.result import Health, ProbeResult, Reason
from exporter.slots import Slots
from exporter.telemetry import Telemetry
from exporter.watch import Assignment, TargetSnapshot, Watch, WatchEvents
from model.declared import ConfigError, Problem
from model.platform import DEFAULT_PROBES_AT_ONCE, DEFAULT_PROBES_AT_ONCE_PER_HOST
from model.targets import Target

# How long past its deadline a prober may take to clean up before it is cancelled.
_GRACE = 0.5

log = structlog.get_logger("exporter.runner")


class Runner:
    """Probes all targets in the background. Its readers take snapshots and never wait."""

    def __init__(
        self,
        telemetry: Telemetry,
        connectivity: Connectivity,
        counted: Callable[[Target, ProbeResult], None] | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._events = WatchEvents(
            self.probe,
            telemetry.probe_start_delay.observe,
            telemetry.errors.labels("prober").inc,
            connectivity.ended,
            counted,
        )
        connectivity.when_isolated = self._withhold
        self._overruns = Overruns()
        telemetry.probes_in_flight.set_function(lambda: len(self._overruns))
        self._clock = Clock(starts_a_turn=STARTS_A_TURN)
        self._slots = Slots(DEFAULT_PROBES_AT_ONCE, DEFAULT_PROBES_AT_ONCE_PER_HOST)
        self._watches: dict[str, Watch] = {}
        self._stopped = False

    def limit(self, total: int, per_host: int) -> None:
        """Have at most so many probes in the background under way, and so many of one host."""
        self._slots.resize(total, per_host)

    async def watch(self, assignments: Iterable[Assignment]) -> None:
        """Watch exactly these targets from now on.

        One that is watched already, with the same key, keeps its clock and its results. Raises
        ConfigError, and changes nothing, if a target cannot be probed as the config says.
        """
        if self._stopped:
            return  # a reload that was under way has come too late
        old = self._watches
        kept, added = await self._assigned(assignments)
        self._watches = kept
        # Before the new ones start, or a changed target would be probed by two at once.
        staying = set(kept.values())
        await _stop(watch for watch in old.values() if watch not in staying)
        for watch in () if self._stopped else added:
            watch.start()

    async def _assigned(
        self, assignments: Iterable[Assignment]
    ) -> tuple[dict[str, Watch], list[Watch]]:
        """All watches by their targets' names, and those of them that are new.

        Raises ConfigError.
        """
        watches: dict[str, Watch] = {}
        added: list[Watch] = []
        problems: list[Problem] = []
        for assignment in assignments:
            target = assignment.target
            watch = self._watches.get(target.name)
            if watch is None or watch.key != assignment.key:
                try:
                    watch = Watch(assignment, self._clock, self._slots, self._events)
                except ValueError as error:
                    problems.append(Problem(f"{target.name}: {error}", target.place))
                    continue
                added.append(watch)
            watches[target.name] = watch
        if problems:
            await _stop(added)
            raise ConfigError(problems)
        return watches, added

    async def stop(self) -> None:
        """Stop all clocks and end the probes that are under way."""
        self._stopped = True
        self._clock.stop()
        watches, self._watches = self._watches, {}
        await _stop(watches.values())

    async def probe(self, prober: Prober, timeout: float) -> ProbeResult:
        """Run one probe; whatever the prober does, there is a result in `timeout` seconds."""
        started = time.perf_counter()
        limit = self._overruns.limit(timeout + _GRACE)
        try:
            return await prober.probe(timeout)
        except asyncio.CancelledError:
            if not limit.is_why():
                raise
            self._log_defect(prober, overrun=True)
            return _failure(started, Reason.TIMEOUT, f"no answer in {timeout:g} s")
        except Exception:  # noqa: BLE001 - it is logged there
            self._log_defect(prober, overrun=False)
            return _failure(started, Reason.INTERNAL, "an error inside the exporter; see its log")
        finally:
            self._overruns.forget(limit)

    def _log_defect(self, prober: Prober, *, overrun: bool) -> None:
        self._telemetry.errors.labels("prober").inc()
        name = type(prober).__name__
        log.error("a prober has failed", prober=name, overrun=overrun, exc_info=sys.exc_info())

    def _withhold(self) -> None:
        """Tell no more of what was found out just before we knew that we are cut off."""
        for watch in self._watches.values():
            if watch.last_reason in SILENT:
                watch.withhold()

    def snapshots(self) -> tuple[TargetSnapshot, ...]:
        """What is known of every target, in the config's order."""
        return tuple(watch.snapshot() for watch in self._watches.values())

    def fragments(self) -> list[Fragments]:
        """The lines of every target."""
        now = monotonic()
        return [watch.fragments(now) for watch in self._watches.values()]


async def _stop(watches: Iterable[Watch]) -> None:
    """Stop all of them, whatever goes wrong with one."""
    stopped = await asyncio.gather(*(watch.stop() for watch in watches), return_exceptions=True)
    for outcome in stopped:
        if isinstance(outcome, Exception):
            log.error("a prober could not be closed", exc_info=outcome)


def _failure(started: float, reason: Reason, detail: str) -> ProbeResult:
    duration = time.perf_counter() - started
    return ProbeResult(Health.UNHEALTHY, duration, time.time(), reason, detail)
