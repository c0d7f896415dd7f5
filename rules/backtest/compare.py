"""Makes a backtest: asks Prometheus and the ledger, and replays each variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from model.durations import prometheus
from model.platform import Platform
from model.promql import Expr
from rules.alerts import group_interval, rule_labels
from rules.backtest import ledger
from rules.backtest.asked import Asked, Settings
from rules.backtest.choose import title
from rules.backtest.clock import Clock, Firing, Grid
from rules.backtest.condition import rule_text, with_thresholds
from rules.backtest.history import History, common, united
from rules.backtest.judged import about, known, seen
from rules.backtest.ledger import Episode
from rules.backtest.outcome import Outcome, Variant
from rules.backtest.prometheus import Labels, Progress, Prometheus, PrometheusError, connected
from rules.backtest.recorded import readable
from rules.backtest.replay import Span, ticks
from rules.backtest.values import drawn, judged
from rules.inferred import selectors


@dataclass(frozen=True)
class _Replay:
    """What does not change between the variants of an alert."""

    asked: Asked
    platform: Platform
    history: History
    clock: Clock
    window: Span
    expr: Expr
    episodes: Sequence[Episode] | None

    async def variant(
        self, name: str, settings: Settings, active: Mapping[Labels, Sequence[Span]] | None = None
    ) -> tuple[Variant, Mapping[Labels, Sequence[Span]]]:
        """One variant, and where its condition held; `active` where that is known already."""
        if active is None:
            condition = with_thresholds(self.expr, settings.thresholds)
            active = await self.history.active(
                rule_text(condition, self.asked.alert, self.platform)
            )
        firings = sorted(
            (
                within
                for labels, held in active.items()
                for one in self.clock.replay(labels, held, settings.for_, settings.keep_firing_for)
                if (within := _within(one, self.window)) is not None
            ),
            key=lambda one: (one.span.first, one.labels),
        )
        told = None
        if self.episodes is not None:
            set_by_rule = frozenset(rule_labels(self.asked.alert, self.platform))
            told = seen(self.episodes, firings, self.clock, set_by_rule)
        return Variant(name, settings, firings, told), active


async def backtest(
    asked: Asked, platform: Platform, now: datetime, progress: Progress, *, picture: bool
) -> Outcome:
    """Replay an alert. Raises PrometheusError, LedgerError and CannotInlineError."""
    grid = Grid(group_interval(asked.alert.group, platform))
    end = int(now.timestamp() // grid.interval.total_seconds()) + 1
    window = Span(end - ticks(asked.since, grid.interval), end)
    settings = [asked.today, *([asked.proposed] if asked.proposed else [])]
    # What is active when the window begins has to be known from its beginning on.
    lead = max(ticks(one.for_ + one.keep_firing_for, grid.interval) for one in settings) + 1
    asked_of = Span(window.first - lead, window.end)
    async with connected(asked.prometheus) as session:
        server = Prometheus(session, asked.prometheus.url, progress)
        history = History(server, grid, asked_of)
        notes: list[str] = []
        expr = await readable(asked.alert.expr, platform, history, notes)
        clock = await _clock(expr, asked, platform, history, notes)
        episodes = await _episodes(asked, platform, clock, window)
        replay = _Replay(asked, platform, history, clock, window, expr, episodes)
        outcome = await _variants(replay)
        if picture:
            outcome = replace(outcome, drawn=await drawn(outcome, expr, platform, history))
        notes += [f"Prometheus warns: {one[:300]}" for one in server.warnings]
    return replace(outcome, notes=tuple(notes))


async def _variants(replay: _Replay) -> Outcome:
    asked = replay.asked
    today, active = await replay.variant("today", asked.today)
    variants = [today]
    if asked.proposed is not None:
        same = asked.proposed.thresholds == asked.today.thresholds
        proposed, _ = await replay.variant("proposed", asked.proposed, active if same else None)
        variants.append(proposed)
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
    suggestion = await judged(outcome, active, replay.expr, replay.platform, replay.history)
    settings = asked.today
    if suggestion.threshold is not None:
        (old,) = settings.thresholds
        settings = replace(settings, thresholds={old: suggestion.threshold})
    if suggestion.for_ is not None:
        settings = replace(settings, for_=suggestion.for_)
    if settings not in (asked.today, asked.proposed):
        same = settings.thresholds == asked.today.thresholds
        suggested, _ = await replay.variant("suggested", settings, active if same else None)
        variants.append(suggested)
    return replace(outcome, variants=variants, suggestion=suggestion)


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


async def _clock(
    expr: Expr, asked: Asked, platform: Platform, history: History, notes: list[str]
) -> Clock:
    """Which evaluations are known. Raises PrometheusError where none is."""
    alert = asked.alert
    condition = rule_text(expr, alert, platform)
    reads = list(dict.fromkeys(one.name for one in selectors(condition) if one.name))
    running = await history.running(reads)
    if not running:
        raise PrometheusError(
            f"{history.prometheus.url} has no history of the last {prometheus(asked.since)}: "
            f"neither of what it scrapes, nor of {', '.join(reads) or 'anything'}; ask one that "
            "has, or say another --since"
        )
    found = running
    if alert.no_data == "quiet" and reads:
        about = [one for one in own_reads(expr) if one in reads]
        found = await _since_there_is_data(about or reads, found, history, notes)
    if platform.sha256 in condition:
        found = common(found, await history.of_config(platform.sha256))
        notes.append(
            "the condition has the hash of this config in it: when another config was in use, what "
            "it would have done is unknown"
        )
        if not found:
            raise PrometheusError(
                f"{history.prometheus.url} has seen no exporter with this config, whose hash the "
                "condition has in it: nothing is known"
            )
    return Clock(history.grid, history.window, united(found))


def own_reads(expr: Expr) -> list[str]:
    """The series that the condition itself reads, not those of who is in maintenance."""
    return list(dict.fromkeys(one.name for one in selectors(str(expr)) if one.name))


async def _since_there_is_data(
    reads: Sequence[str], found: Sequence[Span], history: History, notes: list[str]
) -> list[Span]:
    """What is known from the first sample on of anything that is read."""
    firsts = [first for one in reads if (first := await history.since(one)) is not None]
    if not firsts:
        notes.append(
            f"Prometheus has no sample of {', '.join(reads)} in all this time: nothing can fire"
        )
        return list(found)
    return common(found, [Span(min(firsts), history.window.end)])


def _within(firing: Firing, window: Span) -> Firing | None:
    span = firing.span.cut(window)
    if not span:
        return None
    before = firing.began_before or firing.span.first < window.first
    return replace(firing, span=span, began_before=before)
