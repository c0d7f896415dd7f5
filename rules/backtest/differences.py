"""What another variant does to what fired today: missed, spared, new, and told of later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rules.backtest.clock import Clock, Firing
from rules.backtest.ledger import Judgement
from rules.backtest.outcome import Outcome, Variant
from rules.backtest.prometheus import Labels
from rules.backtest.replay import Span


@dataclass(frozen=True)
class Lost:
    """A firing of today's that another variant has not, and what people made of it."""

    firing: Firing
    judgement: Judgement


@dataclass(frozen=True)
class Differences:
    """How a variant differs from today's.

    `lost` are today's firings that it has nothing of, the real ones first; `new` are firings that
    today's has nothing of. `later` is the most by which it tells of a real alert later, 0s if none.
    """

    lost: Sequence[Lost]
    new: Sequence[Firing]
    later: timedelta


_ORDER = (Judgement.REAL, Judgement.FALSE, Judgement.UNKNOWN)


def differences(outcome: Outcome, other: Variant) -> Differences:
    """How a variant differs from today's."""
    today = outcome.today
    theirs, todays = _by_labels(other.firings), _by_labels(today.firings)
    lost = [Lost(one, today.judged(one)) for one in today.firings if not _meets(one, theirs)]
    return Differences(
        lost=sorted(lost, key=lambda one: _ORDER.index(one.judgement)),
        new=[one for one in other.firings if not _meets(one, todays)],
        later=_later(outcome.clock, today, other),
    )


def _by_labels(firings: Iterable[Firing]) -> dict[Labels, list[Span]]:
    found: dict[Labels, list[Span]] = {}
    for one in firings:
        found.setdefault(one.labels, []).append(one.span)
    return found


def _meets(firing: Firing, others: Mapping[Labels, Sequence[Span]]) -> bool:
    return any(firing.span.cut(one) for one in others.get(firing.labels, ()))


def _later(clock: Clock, today: Variant, other: Variant) -> timedelta:
    before = {one.episode.id: _first(one.firings) for one in today.seen(Judgement.REAL)}
    later = [
        _first(one.firings) - before[one.episode.id]
        for one in other.seen(Judgement.REAL)
        if one.episode.id in before
    ]
    return clock.grid.length(max([0, *later]))


def _first(firings: Sequence[Firing]) -> int:
    return min(one.span.first for one in firings)
