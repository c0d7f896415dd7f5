"""Makes a backtest: asks Prometheus and the ledger, and replays each variant."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from model.durations import hours
from model.platform import Platform
from rules.alerts import group_interval
from rules.backtest import ledger
from rules.backtest.asked import Asked, Settings
from rules.backtest.choose import title
from rules.backtest.clock import Clock, Grid
from rules.backtest.condition import rule_text
from rules.backtest.history import History
from rules.backtest.judged import about, known
from rules.backtest.known import known_clock
from rules.backtest.ledger import Episode
from rules.backtest.outcome import Outcome
from rules.backtest.prometheus import Progress, Prometheus, connected
from rules.backtest.recorded import readable
from rules.backtest.replay import Span, ticks
from rules.backtest.suggestion import Suggestion
from rules.backtest.values import drawn, judged
from rules.backtest.variants import Replay

_AMPLE = hours(1)


async def backtest(
    asked: Asked, platform: Platform, now: datetime, progress: Progress, *, picture: bool
) -> Outcome:
    """Replay an alert. Raises PrometheusError, LedgerError and CannotInlineError."""
    grid = Grid(group_interval(asked.alert.group, platform))
    end = int(now.timestamp() // grid.interval.total_seconds()) + 1
    window = Span(end - ticks(asked.since, grid.interval), end)
    settings = [asked.today, *([asked.proposed] if asked.proposed else [])]
    # What is active when the window begins has to be known from its beginning on, also for a longer
    # `for` that is suggested.
    lead = max(_AMPLE, *(one.for_ + one.keep_firing_for for one in settings))
    asked_of = Span(window.first - ticks(lead, grid.interval) - 1, window.end)
    async with connected(asked.prometheus) as session:
        server = Prometheus(session, asked.prometheus.url, progress)
        history = History(server, grid, asked_of)
        notes: list[str] = []
        expr = await readable(asked.alert.expr, platform, history, notes)
        clock = await known_clock(expr, asked, platform, history, window, notes)
        episodes = await _episodes(asked, platform, clock, window)
        replay = Replay(asked, platform, history, clock, window, expr, episodes)
        outcome = await _variants(replay)
        if picture:
            outcome = replace(outcome, drawn=await drawn(outcome, expr, platform, history))
        notes += [f"Prometheus warns: {one}" for one in server.warnings]
    return replace(outcome, notes=tuple(notes))


async def _variants(replay: Replay) -> Outcome:
    asked = replay.asked
    settings = {"today": asked.today}
    if asked.proposed is not None:
        settings["proposed"] = asked.proposed
    held = await replay.held(*settings.values())
    variants = [
        replay.variant(name, one, spans)
        for (name, one), spans in zip(settings.items(), held, strict=True)
    ]
    outcome = Outcome(
        asked=asked,
        title=title(asked.alert, replay.platform),
        condition=rule_text(replay.expr, asked.alert, replay.platform),
        clock=replay.clock,
        window=replay.window,
        variants=variants,
        suggestion=None,
        drawn=None,
        notes=(),
    )
    if replay.episodes is None:
        return outcome
    suggestion = await judged(outcome, held[0], replay.expr, replay.platform, replay.history)
    suggested = _with(asked.today, suggestion)
    if suggested not in settings.values():
        same = suggested.thresholds == asked.today.thresholds
        spans = held[0] if same else (await replay.held(suggested))[0]
        variants.append(replay.variant("suggested", suggested, spans))
    return replace(outcome, variants=variants, suggestion=suggestion)


def _with(settings: Settings, suggestion: Suggestion) -> Settings:
    """Settings with what is suggested for them."""
    found = settings
    if suggestion.threshold is not None:
        (own,) = settings.thresholds
        found = replace(found, thresholds={own: suggestion.threshold})
    return found if suggestion.for_ is None else replace(found, for_=suggestion.for_)


async def _episodes(
    asked: Asked, platform: Platform, clock: Clock, window: Span
) -> list[Episode] | None:
    if asked.ledger is None:
        return None
    grid, alert = clock.grid, asked.alert
    begin, end = grid.time(window.first), grid.time(window.end)
    found = await ledger.episodes(asked.ledger, alert.name, begin, end)
    namesakes = sum(one.name == alert.name for one in platform.alerts) > 1
    return known(about(alert, found, namesakes), clock)
