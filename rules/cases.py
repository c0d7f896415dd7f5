"""The cases of every alert with one exporter: both sides of the threshold, of `for` and of data."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from model.alerts import Alert
from model.platform import Platform
from model.promql import Expr, OverRange, Threshold
from rules.case import (
    Case,
    Expected,
    Fed,
    begin,
    fired,
    firing,
    inner,
    interval,
    just_over,
    just_under,
    lasting,
    quiet,
)
from rules.series import Feed, Series, is_rate, missing, series


def single_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert that one exporter decides."""
    yield _fires(alert, platform)
    yield from _recovers(alert, platform)
    yield from _outlives_its_series(alert, platform)
    yield from _stays_quiet(alert, platform)
    yield _without_data(alert, platform)


def harmless(expr: Expr, feed: Feed) -> list[Series]:
    """Series on the quiet side of the threshold, or with what the condition misses there."""
    if isinstance(expr, Threshold):
        return series(expr.inner, just_under(expr), feed)
    return missing(expr, feed)


def _fires(alert: Alert, platform: Platform) -> Case:
    feed, value = Feed(platform), just_over(alert.expr)
    found = series(inner(alert.expr), value, feed)
    return firing(alert, lasting(alert, found, platform), value, feed)


def _recovers(alert: Alert, platform: Platform) -> Iterator[Case]:
    """What makes it fire ends: it fires on for as long as it is to, and no longer.

    Its series end, or, where that would not end it, come over to the quiet side.
    """
    feed, value, step = Feed(platform), just_over(alert.expr), interval(platform)
    found = series(inner(alert.expr), value, feed)
    if not alert.keep_firing_for or not found:
        return
    lasts = int((begin(alert.expr, platform) + alert.for_) / step) + 1
    afterwards = {one.notation(): one for one in harmless(alert.expr, feed)}

    def values(one: Series) -> str:
        before = one.values(lasts, step)
        if alert.no_data == "quiet":
            return f"{before} stale"
        return f"{before} {afterwards[one.notation()].values(lasts, step)}"

    held = lasts * step + alert.keep_firing_for
    yield Case(
        alert,
        [Fed(one, values(one)) for one in found],
        [Expected(held, fired(alert, value, feed)), Expected(held + 2 * step, ())],
    )


def _outlives_its_series(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A condition that looks back does not end with the series that it looks at."""
    looks_back = any(isinstance(part, OverRange) for part in alert.expr.walk())
    if not looks_back or is_rate(alert.expr):
        return
    feed, value = Feed(platform), just_over(alert.expr)
    found = series(inner(alert.expr), value, feed)
    ended = [Fed(one, f"{one.values(0, interval(platform))} stale") for one in found]
    yield firing(alert, ended, value, feed)


def _stays_quiet(alert: Alert, platform: Platform) -> Iterator[Case]:
    """On the quiet side of the threshold, or with what it misses there: never firing."""
    found = harmless(alert.expr, Feed(platform))
    if found:
        yield quiet(alert, lasting(alert, found, platform), platform)


def _without_data(alert: Alert, platform: Platform) -> Case:
    if alert.no_data == "quiet":
        return quiet(alert, [], platform)
    value = Decimal(0) if isinstance(alert.expr, Threshold) else Decimal(1)
    return firing(alert, [], value, Feed(platform))
