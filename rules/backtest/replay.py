"""What Prometheus' rule manager makes of a condition: from which evaluations it fires.

Evaluations are counted, not timed: tick n is the nth of those that are known. Source: Prometheus,
rules/alerting.go, AlertingRule.Eval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Span:
    """Ticks from `first` up to, and without, `end`."""

    first: int
    end: int

    def __len__(self) -> int:
        return max(0, self.end - self.first)

    def cut(self, other: Span) -> Span:
        """What both have; empty where that is nothing."""
        return Span(max(self.first, other.first), min(self.end, other.end))


def ticks(length: timedelta, interval: timedelta) -> int:
    """After how many evaluations a length of time has passed."""
    return -(-length // interval)


def spans(active: Iterable[int]) -> list[Span]:
    """Ticks in rising order, put together where they follow one another."""
    found: list[Span] = []
    first = end = None
    for tick in active:
        if end is None or tick > end:
            if first is not None and end is not None:
                found.append(Span(first, end))
            first = tick
        end = tick + 1
    if first is not None and end is not None:
        found.append(Span(first, end))
    return found


def firing(active: Sequence[Span], hold: int, keep: int, end: int) -> list[Span]:
    """When an alert fires whose condition holds in `active`, of the ticks before `end`.

    `hold` and `keep` are `for` and `keep_firing_for` in ticks. Whoever is active for `hold` ticks
    after the first one fires; a firing alert whose condition has gone still fires for `keep` ticks,
    and goes on without a new `hold` if the condition is back by then. One that still fires at the
    end has the end `end`.
    """
    found: list[Span] = []
    fires: Span | None = None
    for span in active:
        if fires is not None and span.first <= fires.end:
            fires = Span(fires.first, span.end + keep)
            continue
        if fires is not None:
            found.append(fires)
        begins = span.first + hold
        fires = Span(begins, span.end + keep) if begins < span.end else None
    if fires is not None:
        found.append(fires)
    return [Span(one.first, min(one.end, end)) for one in found if one.first < end]
