"""Which evaluations of a time are known, and what the unknown ones mean for those around them.

A gap, in which Prometheus has nothing, is not a time in which nothing fired. `for` and
`keep_firing_for` stand still in it; after one longer than Prometheus' own tolerance of outages
(--rules.alert.for-outage-tolerance, 1h) all begins anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from model.durations import hours
from rules.backtest.replay import Span, firing, ticks

TOLERANCE = hours(1)


@dataclass(frozen=True, slots=True)
class Grid:
    """Evaluations at the multiples of an interval since 1970: tick n is at n intervals."""

    interval: timedelta

    def time(self, tick: int) -> datetime:
        """When a tick is."""
        return datetime.fromtimestamp(self.unix(tick), UTC)

    def unix(self, tick: float) -> float:
        """When a tick is, in unix seconds."""
        return tick * (self.interval // timedelta(milliseconds=1)) / 1000

    def tick(self, unix: float) -> int:
        """The tick nearest to a unix time."""
        return round(unix / self.interval.total_seconds())

    def length(self, count: int) -> timedelta:
        """How long so many ticks take."""
        return count * self.interval


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert of some labels that fires from a tick until another, which is the first without it.

    `began_before` and `goes_on` say that its beginning, or its end, lies outside of what is known.
    """

    labels: tuple[tuple[str, str], ...]
    span: Span
    began_before: bool = False
    goes_on: bool = False


class Clock:
    """The known ticks of a window, and the replay on them."""

    def __init__(self, grid: Grid, window: Span, known: Sequence[Span]) -> None:
        self.grid = grid
        self.window = window
        self.known = [part for one in known if (part := one.cut(window))]

    @property
    def gaps(self) -> list[Span]:
        """What is not known between known ticks."""
        return [
            Span(before.end, after.first)
            for before, after in zip(self.known, self.known[1:], strict=False)
        ]

    def count(self, within: Span) -> int:
        """How many ticks of a span are known."""
        return sum(len(one.cut(within)) for one in _overlapping(self.known, within))

    def replay(
        self,
        labels: tuple[tuple[str, str], ...],
        active: Sequence[Span],
        hold: timedelta,
        keep: timedelta,
    ) -> list[Firing]:
        """When an alert fired whose condition held in `active`, with such times to wait."""
        interval = self.grid.interval
        found = []
        for session in self._sessions():
            held = list(session.squeezed(active))
            fires = firing(held, ticks(hold, interval), ticks(keep, interval), session.length)
            at_once = bool(held) and held[0].first == 0
            found += [
                Firing(
                    labels,
                    session.stretched(one),
                    began_before=at_once and one is fires[0] and held[0].end > one.first,
                    goes_on=one.end == session.length,
                )
                for one in fires
            ]
        return found

    def _sessions(self) -> Iterator[_Session]:
        tolerated = ticks(TOLERANCE, self.grid.interval)
        parts: list[Span] = []
        for one in self.known:
            if parts and one.first - parts[-1].end > tolerated:
                yield _Session(parts)
                parts = []
            parts.append(one)
        if parts:
            yield _Session(parts)


class _Session:
    """Known ticks whose gaps are short, numbered from 0 on without the gaps."""

    def __init__(self, parts: Sequence[Span]) -> None:
        self._parts = list(parts)
        self._starts = [0, *accumulate(map(len, parts))]
        self.length = self._starts[-1]

    def squeezed(self, active: Sequence[Span]) -> Iterator[Span]:
        """Spans by the session's numbers; what a gap alone tears apart is one."""
        last: Span | None = None
        for start, part in zip(self._starts, self._parts, strict=False):
            for one in _overlapping(active, part):
                cut = one.cut(part)
                moved = Span(cut.first - part.first + start, cut.end - part.first + start)
                if last is not None and moved.first == last.end:
                    last = Span(last.first, moved.end)
                    continue
                if last is not None:
                    yield last
                last = moved
        if last is not None:
            yield last

    def stretched(self, span: Span) -> Span:
        """A span of the session's numbers by ticks."""
        return Span(self._tick(span.first), self._tick(span.end - 1) + 1)

    def _tick(self, number: int) -> int:
        place = bisect_right(self._starts, number, hi=len(self._parts)) - 1
        return self._parts[place].first + number - self._starts[place]


def _overlapping(active: Sequence[Span], part: Span) -> Iterator[Span]:
    first = bisect_right(active, part.first, key=lambda one: one.end)
    for one in active[first:]:
        if one.first >= part.end:
            return
        yield one
