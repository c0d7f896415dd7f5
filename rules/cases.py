"""The cases of every alert with one exporter: both sides of the threshold, of `for` and of data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from model.alerts import Alert
from model.platform import Platform
from model.promql import Count, Expr, HistogramQuantile, OverRange, Selector, Threshold, Unless
from rules.case import (
    Case,
    Expected,
    Fed,
    begin,
    downward,
    fired,
    firing,
    inner,
    interval,
    just_over,
    just_under,
    lasting,
    quiet,
    within,
)
from rules.series import Feed, Series, is_rate, missing, series

# A test is evaluated step by step until the series are forgotten.
_LONGEST_LOOK_BACK = timedelta(hours=2)


def single_cases(alert: Alert, platform: Platform) -> Iterator[Case]:
    """The cases of an alert that one exporter decides."""
    yield _fires(alert, platform)
    yield from _recovers(alert, platform)
    yield from _outlives_its_series(alert, platform)
    yield from _stays_quiet(alert, platform)
    yield from _well_within(alert, platform)
    yield from _kept_out(alert, platform)
    yield from _in_bursts(alert, platform)
    yield _without_data(alert, platform)


def harmless(expr: Expr, feed: Feed) -> list[Series]:
    """Series on the quiet side of the threshold, or with what the condition misses there."""
    if isinstance(expr, Threshold):
        return series(expr.inner, just_under(expr), feed)
    return missing(expr, feed)


def _few(alert: Alert, platform: Platform, most: int = 3) -> Feed:
    """Few targets where one is as good as another: promtool's time grows with them."""
    counts = any(isinstance(part, Count) for part in alert.expr.walk())
    return Feed(platform, most=None if counts else most)


def _fires(alert: Alert, platform: Platform) -> Case:
    feed, value = Feed(platform), just_over(alert.expr)
    found = series(inner(alert.expr), value, feed)
    return firing(alert, lasting(alert, found, platform), value, feed)


def _recovers(alert: Alert, platform: Platform) -> Iterator[Case]:
    """What makes it fire ends: it fires on for as long as it is to, and no longer.

    Its series end, or, where that would not end it, come over to the quiet side. A condition that
    looks back sees them for its whole range.
    """
    feed, value, step = _few(alert, platform, 1), just_over(alert.expr), interval(platform)
    found = series(inner(alert.expr), value, feed)
    looks_back = _looks_back(alert.expr)
    if not found or looks_back is None or looks_back > _LONGEST_LOOK_BACK:
        return
    lasts = int((begin(alert.expr, platform) + alert.for_) / step) + 1
    afterwards = {one.notation(): one for one in harmless(alert.expr, feed)}

    def values(one: Series) -> str:
        before = one.values(lasts, step)
        if alert.no_data == "quiet":
            return f"{before} stale"
        return f"{before} {afterwards[one.notation()].values(lasts, step)}"

    # Whether a sample at the very edge of a range is in it differs between versions, and a rate
    # needs two of them.
    edge = 2 * step if looks_back else timedelta(0)
    held = lasts * step + looks_back + alert.keep_firing_for
    ended = held if is_rate(alert.expr) else held + step
    yield Case(
        alert,
        [Fed(one, values(one)) for one in found],
        [Expected(held - edge, fired(alert, value, feed)), Expected(ended, ())],
    )


def _looks_back(expr: Expr) -> timedelta | None:
    """For how long a condition goes on having the value that its series ended with.

    None if it has another value soon: a rate is one of the whole range.
    """
    ranges = [part for part in expr.walk() if isinstance(part, OverRange)]
    shares = any(isinstance(part, HistogramQuantile) for part in expr.walk())
    if any(part.function != "max_over_time" for part in ranges) and not shares:
        return None
    return max((part.length for part in ranges), default=timedelta(0))


def _kept_out(alert: Alert, platform: Platform) -> Iterator[Case]:
    """Series that its matchers keep out are none of its business, however ill they are."""
    feed = _few(alert, platform)
    selectors = [part for part in alert.expr.walk() if isinstance(part, Selector)]
    fixed = {label for selector in selectors for label in selector.fixed}
    fires = alert.no_data == "fires"
    found = harmless(alert.expr, feed) if fires else _faulty(alert, feed)
    others = [_other(one, fixed) for one in found]
    if not fixed or not others or others == found:
        return
    fed = lasting(alert, list(dict.fromkeys(others)), platform)
    yield _as_without_data(alert, fed, platform) if fires else quiet(alert, fed, platform)


def _other(one: Series, labels: set[str]) -> Series:
    """A series with another value of these labels."""
    changed = {name: "other" if name in labels else value for name, value in one.labels}
    return replace(one, labels=tuple(changed.items()))


def _faulty(alert: Alert, feed: Feed) -> list[Series]:
    return series(inner(alert.expr), just_over(alert.expr), feed)


def _well_within(alert: Alert, platform: Platform) -> Iterator[Case]:
    """On the quiet side and not at the threshold: never firing, which tells < from !=."""
    expr, feed = alert.expr, _few(alert, platform)
    if not isinstance(expr, Threshold) or within(expr) == just_under(expr):
        return
    if not isinstance(expr.inner, Count):
        found = series(expr.inner, within(expr), feed)
    elif downward(expr):
        found = harmless(expr, feed)
        found += [_other(one, {"target"}) for one in found[-1:]]
    else:
        return
    yield quiet(alert, lasting(alert, found, platform), platform)


def _in_bursts(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A quantile is one of the whole range, not of the last two samples."""
    if not isinstance(inner(alert.expr), HistogramQuantile):
        return
    feed, value, step = _few(alert, platform), just_over(alert.expr), interval(platform)
    count = int(alert.for_ / step) + 4

    def values(one: Series) -> str:
        grows = one.per_second * Decimal(str(step.total_seconds())) * 2
        return " ".join(f"{one.start + grows * ((i + 1) // 2):f}" for i in range(count))

    yield firing(alert, [Fed(one, values(one)) for one in _faulty(alert, feed)], value, feed)


def _outlives_its_series(alert: Alert, platform: Platform) -> Iterator[Case]:
    """A condition that looks back does not end with the series that it looks at."""
    if not any(isinstance(part, OverRange) for part in alert.expr.walk()) or is_rate(alert.expr):
        return
    feed, value = Feed(platform), just_over(alert.expr)
    found = series(inner(alert.expr), value, feed)
    ended = [Fed(one, f"{one.values(0, interval(platform))} stale") for one in found]
    yield firing(alert, ended, value, feed)


def _stays_quiet(alert: Alert, platform: Platform) -> Iterator[Case]:
    """On the quiet side of the threshold, or with what it misses there: never firing."""
    feed = _few(alert, platform)
    for found in (harmless(alert.expr, feed), *_excused(alert.expr, feed)):
        if found:
            yield quiet(alert, lasting(alert, found, platform), platform)


def _excused(expr: Expr, feed: Feed) -> Iterator[list[Series]]:
    """Of what is excused for one of several reasons, those that the outermost one hides."""
    if isinstance(expr, Unless) and isinstance(expr.left, Unless):
        yield missing(expr.left, feed)
        yield from _excused(expr.left, feed)


def _without_data(alert: Alert, platform: Platform) -> Case:
    if alert.no_data == "quiet":
        return quiet(alert, [], platform)
    return _as_without_data(alert, [], platform)


def _as_without_data(alert: Alert, fed: list[Fed], platform: Platform) -> Case:
    value = Decimal(0) if isinstance(alert.expr, Threshold) else Decimal(1)
    return firing(alert, fed, value, Feed(platform))
