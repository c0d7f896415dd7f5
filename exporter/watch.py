"""One target: its clock, its prober, and what is known of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from time import monotonic

import structlog

from exporter.clock import Clock, Start
from exporter.exposition import Fragments, Renderer, fragments
from exporter.probers.prober import Prober
from exporter.probers.result import Blocks, Health, ProbeResult, Reason, Sample
from exporter.slots import Slots, Wait
from model import names
from model.targets import Target

# A result older than this many intervals says nothing about now.
STALE_INTERVALS = 3
# How far after its place in the grid a start may come: a share of the interval, at least so many
# seconds. Random within the first half, so that nothing keeps step with anything; the second half
# is for sharing a wake-up with others.
_LEEWAY = 0.02
_LEAST_LEEWAY = 0.05
# A start that is later than this share of its interval is put off: the process was suspended or
# cannot keep up, and starting everything that is due at once would be a storm.
_TOO_LATE = 0.25
# The first results of a slow clock should not keep people waiting.
_LONGEST_FIRST_WAIT = 5.0

log = structlog.get_logger("exporter.watch")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A target to watch, what makes its prober, and what changes when that must be made anew."""

    target: Target
    make_prober: Callable[[], Prober]
    key: Hashable
    # Whose probes are limited together: the host that it is on.
    host: str


@dataclass(frozen=True, slots=True)
class TargetSnapshot:
    """What is known of a target: `result` is None if nothing is, or nothing recent enough.

    `since` is when its health last changed, in unix seconds.
    """

    target: Target
    result: ProbeResult | None
    since: float | None
    # Whether there is a result that is not told, because we are cut off from our own network.
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class WatchEvents:
    """Whom a watch tells: of each probe to run, how late in seconds each was started, of errors.

    `ended` is told of a host's result, and answers whether to withhold it. `counted` is told of
    each that was not withheld, once there is another one.
    """

    probe: Callable[[Prober, float], Awaitable[ProbeResult]]
    started: Callable[[float], None]
    failed: Callable[[], None]
    ended: Callable[[str, ProbeResult], bool]
    counted: Callable[[Target, ProbeResult], None] | None = None


class Watch:
    """Probes one target on its own clock, never twice at once, until it is stopped.

    Starts lie on a grid, one interval apart, so that a slow answer does not shift the next; one
    that is missed is left out. After a success turns into a failure the next start is no later
    than `retry_interval`.
    """

    def __init__(
        self, assignment: Assignment, clock: Clock, slots: Slots, events: WatchEvents
    ) -> None:
        self.target = assignment.target
        self.key = assignment.key
        self._prober = assignment.make_prober()
        self._host = assignment.host
        self._clock = clock
        self._slots = slots
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._interval = self.target.interval.total_seconds()
        self._timeout = self.target.timeout.total_seconds()
        self._retry = self.target.retry_interval.total_seconds()
        self._leeway = max(_LEEWAY * self._interval, _LEAST_LEEWAY)
        self._slot = self._random_start()
        self._start: Start | None = None
        self._wait: Wait | None = None
        self._has_slot = False
        self._due = 0.0
        self._task: asyncio.Task[None] | None = None
        self._stale_at = float("-inf")
        self._withheld: Fragments = {}
        self._result: ProbeResult | None = None
        self._since: float | None = None
        self._renderer = Renderer(self.target.name)
        self._kind = (self.target.kind,)
        self._successes = Sample(names.PROBES, (self.target.kind, "success"), 0)
        self._failures = Sample(names.PROBES, (self.target.kind, "failure"), 0)
        self._verdict: tuple[Health, Reason | None] | None = None
        self._verdict_samples: tuple[Sample, ...] = ()
        self._fragments: Fragments = {}

    def start(self) -> None:
        """Start the clock."""
        self._start_between(self._slot, self._slot + self._leeway)

    async def stop(self) -> None:
        """Stop the clock, end a probe that is under way, and give back what the prober holds."""
        if self._start is not None:
            self._start.cancel()
        if self._wait is not None:
            self._wait.cancel()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
            # A task that is cancelled before it has begun runs none of its code.
            self._give_back()
        await self._prober.close()

    def fragments(self, now: float) -> Fragments:
        """The lines for a scrape; only the counters if the last result is too old to speak."""
        if now <= self._stale_at or not self._fragments:
            return self._fragments
        return {names.PROBES.name: self._fragments[names.PROBES.name], **self._withheld}

    def withhold(self) -> None:
        """Tell nothing of the last result until there is another one."""
        self._stale_at = float("-inf")
        withheld = Sample(names.PROBE_WITHHELD, self._kind, 1.0)
        self._withheld = fragments((withheld,), self.target.name)

    @property
    def last_reason(self) -> Reason | None:
        """Why the last probe failed, None if it did not."""
        return self._result.reason if self._result is not None else None

    def snapshot(self) -> TargetSnapshot:
        """What is known of the target now."""
        if monotonic() > self._stale_at:
            return TargetSnapshot(self.target, None, None, bool(self._withheld))
        return TargetSnapshot(self.target, self._result, self._since)

    def _random_start(self) -> float:
        wait = min(self._interval, _LONGEST_FIRST_WAIT)
        return monotonic() + random.random() * wait  # noqa: S311 - not a secret

    def _start_between(self, earliest: float, latest: float) -> None:
        self._start = self._clock.start(earliest, latest, self._begin)

    def _begin(self, late: float) -> None:
        if late > _TOO_LATE * self._interval:
            self._slot = self._random_start()
            self.start()
            return
        self._due = monotonic() - late
        self._wait = self._slots.ask(self._host, self._run)

    def _run(self) -> None:
        # Waiting for a slot is a late start, and no part of the probe's duration.
        self._events.started(monotonic() - self._due)
        self._has_slot = True
        self._task = self._loop.create_task(self._probe_once())

    def _give_back(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self._slots.release(self._host)

    async def _probe_once(self) -> None:
        was_up = self._result is None or self._result.success
        try:
            result = await self._events.probe(self._prober, self._timeout)
        finally:
            self._give_back()
        result = self._rendered(result)
        self._keep(result)
        self._schedule(retry_soon=was_up and not result.success)

    def _schedule(self, *, retry_soon: bool) -> None:
        now = monotonic()
        if self._slot <= now:
            self._slot += ((now - self._slot) // self._interval + 1) * self._interval
        earliest = self._slot + random.random() * self._leeway / 2  # noqa: S311 - as above
        latest = self._slot + self._leeway
        if retry_soon and now + self._retry < latest:
            latest = now + self._retry
            earliest = latest - self._leeway / 2
        self._start_between(earliest, latest)

    def _keep(self, result: ProbeResult) -> None:
        previous, self._result = self._result, result
        self._stale_at = monotonic() + STALE_INTERVALS * self._interval
        if previous is None or previous.health is not result.health:
            self._since = result.ended_at
            self._log_change(previous, result)
        # Only now is it known that the previous one was not withheld.
        if self._events.counted is not None and previous is not None and not self._withheld:
            self._events.counted(self.target, previous)
        self._withheld = {}
        if self._events.ended(self._host, result):
            self.withhold()

    def _rendered(self, result: ProbeResult) -> ProbeResult:
        """Render the result's lines; one that cannot be printed must not stop the clock."""
        try:
            self._render(result)
        except Exception:
            self._events.failed()
            log.exception("a prober's samples cannot be printed", target=self.target.name)
            refused = replace(
                result,
                health=Health.UNHEALTHY,
                reason=Reason.INTERNAL,
                detail="an error inside the exporter; see its log",
                samples=(),
            )
            self._render(refused)
            return refused
        return result

    def _render(self, result: ProbeResult) -> None:
        successes, failures = self._successes, self._failures
        if result.success:
            successes = Sample(names.PROBES, successes.labels, successes.value + 1)
        else:
            failures = Sample(names.PROBES, failures.labels, failures.value + 1)
        common, samples = (*self._common(result), successes, failures), result.samples
        self._fragments = (
            self._renderer.fragments(common, samples.blocks)
            if isinstance(samples, Blocks)
            else self._renderer.fragments((*common, *samples))
        )
        self._successes, self._failures = successes, failures

    def _common(self, result: ProbeResult) -> tuple[Sample, ...]:
        if self._verdict != (result.health, result.reason):
            self._verdict = (result.health, result.reason)
            self._verdict_samples = tuple(self._said(result))
        return (
            *self._verdict_samples,
            Sample(names.PROBE_DURATION, self._kind, result.duration),
            Sample(names.PROBE_LAST_RESULT, self._kind, result.ended_at),
        )

    def _said(self, result: ProbeResult) -> Iterable[Sample]:
        """The samples that are the same as long as the verdict is."""
        kind = self.target.kind
        yield Sample(names.PROBE_SUCCESS, (kind,), float(result.success))
        yield Sample(names.TARGET_DEGRADED, (kind,), float(result.health is Health.DEGRADED))
        if result.reason is not None:
            yield Sample(names.PROBE_FAILURE_REASON, (kind, result.reason.value), 1.0)

    def _log_change(self, previous: ProbeResult | None, result: ProbeResult) -> None:
        if previous is None and result.health is Health.HEALTHY:
            return
        log.info(
            "target changed",
            target=self.target.name,
            health=result.health.value,
            was=previous.health.value if previous else "unknown",
            reason=result.reason.value if result.reason else None,
            detail=result.detail,
        )
