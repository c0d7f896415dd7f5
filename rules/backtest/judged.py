"""Firings of the replay held against what the ledger knows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.alerts import Alert
from rules.backtest.clock import Clock, Firing
from rules.backtest.ledger import Episode, Judgement

# Prometheus evaluates at times of its own between our ticks, and a message takes a moment.
_TICKS_APART = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """An episode of the ledger, and the firings of one replay that are the same event."""

    episode: Episode
    firings: Sequence[Firing]


def about(alert: Alert, found: Iterable[Episode], namesakes: bool) -> list[Episode]:
    """Episodes of an alert itself, not of its namesakes."""
    told = dict(alert.labels)
    if namesakes and alert.severity is not None:
        told["severity"] = alert.severity
    return [one for one in found if told.items() <= one.labels.items()]


def known(found: Iterable[Episode], clock: Clock) -> list[Episode]:
    """Episodes that began where the replay has history."""
    grid, spans = clock.grid, clock.known
    return [
        one
        for one in found
        if any(grid.unix(span.first) <= one.start < grid.unix(span.end) for span in spans)
    ]


def seen(
    found: Iterable[Episode], firings: Iterable[Firing], clock: Clock, set_by_rule: frozenset[str]
) -> list[Seen]:
    """Each episode with the firings of the same labels that overlap it.

    `set_by_rule` are labels that the rule sets, whatever the expression's results have.
    """
    listed = [(_own(one.labels, set_by_rule), one) for one in firings]
    return [
        Seen(
            episode,
            [
                one
                for labels, one in listed
                if labels.items() <= episode.labels.items() and _overlap(episode, one, clock)
            ],
        )
        for episode in found
    ]


def judgement(firing: Firing, told: Iterable[Seen]) -> Judgement:
    """What people made of a firing: real if of anything that it overlaps they did."""
    of_it = {one.episode.judgement for one in told if firing in one.firings}
    for judged in (Judgement.REAL, Judgement.FALSE):
        if judged in of_it:
            return judged
    return Judgement.UNKNOWN


def _own(labels: Iterable[tuple[str, str]], set_by_rule: frozenset[str]) -> Mapping[str, str]:
    return {name: value for name, value in labels if name not in set_by_rule}


def _overlap(episode: Episode, firing: Firing, clock: Clock) -> bool:
    end = math.inf if episode.end is None else episode.end
    grid, span = clock.grid, firing.span
    return (
        grid.unix(span.first - _TICKS_APART) <= end
        and grid.unix(span.end + _TICKS_APART) >= episode.start
    )
