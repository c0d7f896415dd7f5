"""Which evaluations are known, as far as Prometheus can tell."""

from __future__ import annotations

from collections.abc import Sequence

from model.durations import prometheus
from model.platform import Platform
from model.promql import Expr
from rules.backtest.asked import Asked
from rules.backtest.clock import Clock
from rules.backtest.condition import rule_text
from rules.backtest.history import History, common, united
from rules.backtest.prometheus import PrometheusError
from rules.backtest.replay import Span
from rules.inferred import selectors


async def known_clock(
    expr: Expr,
    asked: Asked,
    platform: Platform,
    history: History,
    window: Span,
    notes: list[str],
) -> Clock:
    """Which evaluations are known. Raises PrometheusError where none of the window is."""
    alert = asked.alert
    condition = rule_text(expr, alert, platform)
    reads = list(dict.fromkeys(one.name for one in selectors(condition) if one.name))
    running = await history.running(reads)
    if not any(one.cut(window) for one in running):
        raise PrometheusError(
            f"{history.prometheus.url} has no history of the last {prometheus(asked.since)}: "
            f"neither of what it scrapes, nor of {', '.join(reads) or 'anything'}; ask one that "
            "has, or say another --since"
        )
    found = running
    if alert.no_data == "quiet" and reads:
        about = [one for one in _own_reads(expr) if one in reads]
        found = await _since_there_is_data(about or reads, found, history, notes)
    if platform.sha256 in condition:
        found = common(found, await history.of_config(platform.sha256))
        notes.append(
            "the condition has the hash of this config in it: when another config was in use, what "
            "it would have done is unknown"
        )
        if not any(one.cut(window) for one in found):
            raise PrometheusError(
                f"{history.prometheus.url} has seen no exporter with this config, whose hash the "
                "condition has in it: nothing is known"
            )
    return Clock(history.grid, history.window, united(found))


def _own_reads(expr: Expr) -> list[str]:
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
