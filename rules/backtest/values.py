"""The value that is held against the thresholds: for a picture, and where people have judged."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from model.durations import prometheus
from model.platform import Platform
from model.promql import Expr
from rules.backtest.clock import Firing
from rules.backtest.condition import is_downward, limits, rule_text, thresholds, values
from rules.backtest.history import History, united
from rules.backtest.ledger import Judgement
from rules.backtest.outcome import Drawn, Outcome
from rules.backtest.prometheus import Labels, Series
from rules.backtest.replay import Span, ticks
from rules.backtest.suggestion import Judged, Suggestion, reached, suggest

# As many values from left to right as a picture can show.
_POINTS = 600

_Values = dict[Labels, dict[int, float]]


async def drawn(outcome: Outcome, expr: Expr, platform: Platform, history: History) -> Drawn | None:
    """What a picture shows of the value: of every few minutes what came nearest to firing.

    None where nothing is compared with a number. Raises PrometheusError.
    """
    if not thresholds(expr):
        return None
    downward = is_downward(expr)
    stride = ticks(outcome.asked.since, history.grid.interval * _POINTS)
    function = "min_over_time" if downward else "max_over_time"
    step, length = (prometheus(history.grid.length(count)) for count in (1, stride))
    lines: _Values = {}
    # Each value is the extreme of the ticks up to its own.
    window = Span(outcome.window.first + stride - 1, outcome.window.end + stride - 1)
    for value in values(expr):
        text = rule_text(value, outcome.asked.alert, platform)
        query = text if stride == 1 else f"{function}(({text})[{length}:{step}])"
        found = history.prometheus.range(query, history.grid, window, stride, each=stride)
        await _collect(found, lines, downward=downward)
    return Drawn(stride, lines)


async def judged(
    outcome: Outcome,
    active: Mapping[Labels, Sequence[Span]],
    expr: Expr,
    platform: Platform,
    history: History,
) -> Suggestion:
    """What the firings that people have judged suggest. Raises PrometheusError."""
    interval = history.grid.interval
    hold = outcome.asked.today.for_
    before = ticks(hold, interval)
    known = [
        (told.episode.judgement is Judgement.REAL, [_whole(one, before) for one in told.firings])
        for judgement in (Judgement.REAL, Judgement.FALSE)
        for told in outcome.today.seen(judgement)
    ]
    spans = [span for _, firings in known for _, span in firings]
    wanted = {labels for _, firings in known for labels, _ in firings}
    found = await _around(spans, wanted, outcome, expr, platform, history)
    downward = bool(thresholds(expr)) and is_downward(expr)
    nearest = min if downward else max
    cases = []
    for real, firings in known:
        went = [
            value
            for labels, span in firings
            if (value := reached(found.get(labels, {}), span, before, downward=downward))
            is not None
        ]
        held = max(len(one.cut(span)) for labels, span in firings for one in active.get(labels, ()))
        cases.append(Judged(real, nearest(went) if went else None, held))
    return suggest(cases, hold=hold, interval=interval, downward=downward)


def _whole(firing: Firing, before: int) -> tuple[Labels, Span]:
    """A firing with the time for which it was pending."""
    return firing.labels, Span(firing.span.first - before, firing.span.end)


async def _around(
    spans: Iterable[Span],
    wanted: set[Labels],
    outcome: Outcome,
    expr: Expr,
    platform: Platform,
    history: History,
) -> _Values:
    """Every value of some label sets in some spans; none where there are several thresholds."""
    found: _Values = {}
    if len(limits(expr)) != 1:
        return found
    downward = is_downward(expr)
    for value in values(expr):
        text = rule_text(value, outcome.asked.alert, platform)
        for span in united(spans):
            pieces = history.prometheus.range(text, history.grid, span)
            await _collect(pieces, found, downward=downward, wanted=wanted)
    return found


async def _collect(
    pieces: AsyncIterator[tuple[Span, list[Series]]],
    into: _Values,
    *,
    downward: bool,
    wanted: set[Labels] | None = None,
) -> None:
    """Take in values; of several for the same labels and tick what is nearer to firing."""
    async for _, series in pieces:
        for one in series:
            if wanted is not None and one.labels not in wanted:
                continue
            line = into.setdefault(one.labels, {})
            for tick, value in one.values.items():
                if math.isnan(value):
                    continue
                known = line.get(tick, value)
                line[tick] = min(known, value) if downward else max(known, value)
