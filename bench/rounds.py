"""Interleaved rounds: A B A B …, so that a change of the machine's mood falls on both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.usage import Load

# What one round of one side measures: figures by name.
Figures = Mapping[str, float]
Measure = Callable[[], Figures]


class DisturbedError(Exception):
    """A round in which a side could not keep the pace at which it was to be measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds to keep, the seconds of each, and what a round may suffer.

    `limit` is the share of the machine that others may use during a round; `attempts` is how many
    times the rounds may be tried in all.
    """

    rounds: int
    seconds: float
    limit: float
    attempts: int

    def of(self, rounds: int, seconds: float) -> Plan:
        """The same with other numbers, never more rounds than this one has."""
        kept = min(self.rounds, rounds)
        return Plan(
            kept, min(self.seconds, seconds), self.limit, self.attempts - self.rounds + kept
        )


@dataclass(slots=True)
class Side:
    """What was measured of one side.

    `disturbed` were measured while others used the machine; `spoilt` says why rounds gave nothing.
    """

    kept: list[Figures] = field(default_factory=list)
    disturbed: list[Figures] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)

    def spread(self, name: str) -> Spread:
        """A figure over the rounds; those that were disturbed count only if there are no others.

        Raises DisturbedError if no round came to an end.
        """
        values = [figures[name] for figures in self.kept or self.disturbed]
        if not values:
            raise DisturbedError(self.spoilt[-1])
        return Spread(
            statistics.median(values),
            min(values),
            max(values),
            len(self.kept),
            len(self.disturbed) + len(self.spoilt),
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range of a figure, and how many rounds were kept and dropped.

    With none kept it is the figure of the dropped ones, which proves nothing.
    """

    median: float
    least: float
    most: float
    kept: int
    dropped: int

    def times(self, factor: float) -> Spread:
        """In another unit."""
        return Spread(
            self.median * factor,
            self.least * factor,
            self.most * factor,
            self.kept,
            self.dropped,
        )


def interleaved(plan: Plan, sides: Mapping[str, Measure]) -> dict[str, Side]:
    """Measure the sides in turn until each has its rounds, or the attempts are used up."""
    measured = {name: Side() for name in sides}
    for _ in range(plan.attempts):
        wanting = [name for name, side in measured.items() if len(side.kept) < plan.rounds]
        if not wanting:
            break
        for name in wanting:
            before = Load.now()
            side = measured[name]
            try:
                figures = sides[name]()
            except DisturbedError as error:
                side.spoilt.append(str(error))
                continue
            quiet = Load.now().disturbance(before) <= plan.limit
            (side.kept if quiet else side.disturbed).append(figures)
    return measured
