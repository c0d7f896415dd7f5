"""Replays an alert with one set of settings after another."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from types import MappingProxyType

from model.platform import Platform
from model.promql import Comparison, Expr
from rules.alerts import rule_labels
from rules.backtest.asked import Asked, Settings
from rules.backtest.clock import Clock, Firing
from rules.backtest.condition import is_downward, rule_text, thresholds, with_thresholds
from rules.backtest.history import History
from rules.backtest.judged import seen
from rules.backtest.ledger import Episode
from rules.backtest.outcome import Variant
from rules.backtest.prometheus import Labels
from rules.backtest.replay import Span

# Where a condition held, by the labels of its results.
Held = Mapping[Labels, Sequence[Span]]

_BEYOND: Mapping[Comparison, Callable[[float, float], bool]] = MappingProxyType(
    {
        Comparison.LESS: operator.lt,
        Comparison.LESS_OR_EQUAL: operator.le,
        Comparison.GREATER: operator.gt,
        Comparison.GREATER_OR_EQUAL: operator.ge,
    }
)


@dataclass(frozen=True)
class Replay:
    """What does not change between the variants of an alert."""

    asked: Asked
    platform: Platform
    history: History
    clock: Clock
    window: Span
    expr: Expr
    episodes: Sequence[Episode] | None

    async def held(self, *settings: Settings) -> list[Held]:
        """Where the condition held with each of these settings. Raises PrometheusError."""
        compared = thresholds(self.expr)
        if len(compared) != 1:
            return [await self._alone(one) for one in settings]
        # What is beyond the stricter number is among what is beyond the other one.
        own, comparison = compared[0].threshold, compared[0].comparison
        numbers = [one.thresholds[own] for one in settings]
        widest = max(numbers) if is_downward(self.expr) else min(numbers)
        beyond = _BEYOND[comparison]
        return list(
            await self.history.active(
                self._text({own: widest}),
                [partial(_flipped, beyond, float(number)) for number in numbers],
            )
        )

    def variant(self, name: str, settings: Settings, held: Held) -> Variant:
        """When the alert fires of a condition that held so, and what people made of it."""
        firings = sorted(
            (
                within
                for labels, spans in held.items()
                for one in self.clock.replay(labels, spans, settings.for_, settings.keep_firing_for)
                if (within := _within(one, self.window)) is not None
            ),
            key=lambda one: (one.span.first, one.labels),
        )
        told = None
        if self.episodes is not None:
            set_by_rule = frozenset(rule_labels(self.asked.alert, self.platform))
            told = seen(self.episodes, firings, self.clock, set_by_rule)
        return Variant(name, settings, firings, told)

    async def _alone(self, settings: Settings) -> Held:
        (found,) = await self.history.active(self._text(settings.thresholds), [_always])
        return found

    def _text(self, numbers: Mapping[Decimal, Decimal]) -> str:
        condition = with_thresholds(self.expr, numbers)
        return rule_text(condition, self.asked.alert, self.platform)


def _always(_: float) -> bool:
    return True


def _flipped(beyond: Callable[[float, float], bool], number: float, value: float) -> bool:
    return beyond(value, number)


def _within(firing: Firing, window: Span) -> Firing | None:
    span = firing.span.cut(window)
    if not span:
        return None
    before = firing.began_before or firing.span.first < window.first
    return replace(firing, span=span, began_before=before)
