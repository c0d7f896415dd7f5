"""Counts of durations that can be added up: over intervals, replicas and shards."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import pairwise

from exporter.probers.result import Health, ProbeResult

# Upper bounds in seconds, from 0.1 ms to 100 s: the preferred numbers of ISO 3, series R10, of
# which each is 1.26 times the one before. So a quantile is right to an eighth or better.
_R10 = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
BOUNDS = (*(float(f"{number}e{power}") for power in range(-4, 2) for number in _R10), 100.0)
# An enumeration's members are looked up by name each time, at 0.2 µs.
_UNHEALTHY, _DEGRADED = Health.UNHEALTHY, Health.DEGRADED
_NAMES = (*map(str, BOUNDS), "+Inf")


class Tally:
    """What is counted of one target in one interval. Durations are of probes that succeeded."""

    __slots__ = ("counts", "degraded", "duration_sum", "kind", "probes", "successes")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.probes = 0
        self.successes = 0
        self.degraded = 0
        self.duration_sum = 0.0
        self.counts = [0] * len(_NAMES)

    def add(self, result: ProbeResult) -> None:
        """Count one probe."""
        self.probes += 1
        health = result.health
        if health is _UNHEALTHY:
            return
        self.successes += 1
        if health is _DEGRADED:
            self.degraded += 1
        duration = result.duration
        self.duration_sum += duration
        self.counts[bisect_left(BOUNDS, duration)] += 1

    def merge(self, other: Tally) -> None:
        """Add what another one has counted."""
        self.probes += other.probes
        self.successes += other.successes
        self.degraded += other.degraded
        self.duration_sum += other.duration_sum
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]

    def buckets(self) -> dict[str, int]:
        """Those that are not empty, by upper bounds, so that rows outlive a change of bounds."""
        return {name: count for name, count in zip(_NAMES, self.counts, strict=True) if count}


def quantile(buckets: Mapping[str, int], share: float) -> float | None:
    """The duration in seconds that a share of those counted did not exceed, None of none.

    Within a bucket durations are taken to lie evenly, as Prometheus' histogram_quantile takes them.
    What is over the last bound counts as that.
    """
    counts = sorted((float(bound), count) for bound, count in buckets.items() if count > 0)
    rank = share * sum(count for _, count in counts)
    if not counts:
        return None
    edges = sorted({0.0, *BOUNDS, *(bound for bound, _ in counts)})
    below = {upper: lower for lower, upper in pairwise(edges)}
    for bound, count in counts:
        if rank <= count:
            lower = below[bound]
            return lower if bound == float("inf") else lower + (bound - lower) * rank / count
        rank -= count
    return counts[-1][0]
