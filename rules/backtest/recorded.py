"""Which recording rules have no history, and what is read in their place."""

from __future__ import annotations

from collections.abc import Iterable

from model.durations import hours
from model.platform import Platform
from model.promql import Expr, Recording
from model.promql.recording import every
from rules.alerts import expression, group_interval
from rules.backtest.history import History
from rules.backtest.inline import inlined
from rules.backtest.replay import ticks
from rules.inferred import selectors

# A rule over a range has its first result somewhat later than what it reads has its first sample.
_LATER = hours(1)


async def readable(expr: Expr, platform: Platform, history: History, notes: list[str]) -> Expr:
    """The condition, with recording rules that are younger than what they read evaluated anew.

    Raises CannotInlineError and PrometheusError.
    """
    young: dict[tuple[str, ...], Recording] = {}
    for recording in every([expr]):
        if recording.key not in young and await _is_young(recording, platform, history):
            young[recording.key] = recording
    if not young:
        return expr
    listed = ", ".join(_shown(one) for one in young.values())
    notes.append(f"not recorded for all of this time, so calculated anew: {listed}")
    return inlined(
        expr, frozenset(young), lambda recording: group_interval(recording.group, platform)
    )


async def _is_young(recording: Recording, platform: Platform, history: History) -> bool:
    recorded = await history.since(_shown(recording))
    raw = [await history.since(name) for name in _raw(recording, platform)]
    there = [first for first in raw if first is not None]
    if not there:
        return False
    return recorded is None or recorded - min(there) > ticks(_LATER, history.grid.interval)


def _raw(recording: Recording, platform: Platform) -> Iterable[str]:
    """The series that were scraped which a recording rule reads, by way of others too."""
    whole = inlined(
        recording.expr,
        frozenset(one.key for one in every([recording.expr])),
        lambda one: group_interval(one.group, platform),
    )
    text = expression(whole, platform)
    return dict.fromkeys(one.name for one in selectors(text) if one.name)


def _shown(recording: Recording) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(recording.labels.items()))
    return f"{recording.name}{{{labels}}}" if labels else recording.name
