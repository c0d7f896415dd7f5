"""Input series that make an expression have a wished-for value, or no result at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import singledispatch

from model.metric import Collapse, MetricType
from model.promql import (
    EXTRAPOLATING,
    Age,
    Aggregate,
    Always,
    And,
    Combined,
    Count,
    Expr,
    HistogramQuantile,
    Joined,
    Match,
    Named,
    Operator,
    Or,
    OrZero,
    OverRange,
    Ratio,
    Recorded,
    Selector,
    Threshold,
    TimeUntil,
    Unless,
    Usual,
    WithNumber,
)
from rules.series.feed import Feed, Labels, Series, one
from rules.series.labels import distinct, free_labels, inside, results
from rules.series.quantiles import of_quantile
from rules.series.ratios import parts
from rules.series.thresholds import compared, just_over, just_under, within
from rules.series.windows import changed_after, deep, earlier_times
from rules.untestable import UntestableError


def series(expr: Expr, value: Decimal, feed: Feed) -> list[Series]:
    """Series under which every result of an expression has this value.

    Of a condition it is the value that is compared. Series that two parts of an expression read
    are as the first part needs them.
    """
    return _distinct(_series(expr, value, feed))


def harmless(expr: Expr, feed: Feed) -> list[Series]:
    """Series on the quiet side of the threshold, or with what the condition misses there."""
    return _distinct(_harmless(expr, feed))


def well_within(expr: Expr, feed: Feed) -> list[Series]:
    """Series on the quiet side of the threshold, and not at it."""
    return _distinct(_well_within(expr, feed))


def missing(expr: Expr, feed: Feed) -> list[Series]:
    """Series under which an expression has no result, although its metrics exist."""
    return _distinct(_missing(expr, feed))


def is_rate(expr: Expr) -> bool:
    """Whether it needs two samples before it has a value."""
    return any(
        isinstance(part, OverRange)
        and part.inner.metric.type in (MetricType.COUNTER, MetricType.HISTOGRAM)
        for part in deep(expr)
    )


def _distinct(found: list[Series]) -> list[Series]:
    return list({(fed.name, fed.labels, fed.shift): fed for fed in reversed(found)}.values())[::-1]


# --- a value for every result -------------------------------------------------------------------


@singledispatch
def _series(expr: Expr, _value: Decimal, _feed: Feed) -> list[Series]:
    raise UntestableError(f"{type(expr).__name__} has no inverse: add it to rules/series/values.py")


@_series.register
def _(expr: Selector, value: Decimal, feed: Feed) -> list[Series]:
    return [one(expr, labels, value) for labels in results(expr, feed)]


@_series.register
def _(expr: Recorded, value: Decimal, feed: Feed) -> list[Series]:
    if feed.direct:
        return [one(expr, labels, value) for labels in results(expr, feed)]
    found = _series(expr.recording.expr, value, inside(expr, feed))
    return [fed.at(expr.offset) for fed in found]


@_series.register
def _(expr: OverRange, value: Decimal, feed: Feed) -> list[Series]:
    found = _series(expr.inner, value, feed)
    if isinstance(expr.inner, Recorded) and expr.function in EXTRAPOLATING | {"changes"}:
        raise UntestableError(f"{expr.function} of what is recorded; record the {expr.function}")
    seconds = Decimal(str(expr.length.total_seconds()))
    match expr.function:
        case "rate":
            return [replace(fed, start=Decimal(0), per_second=value) for fed in found]
        case "increase":
            return [replace(fed, start=Decimal(0), per_second=value / seconds) for fed in found]
        case "delta":
            return [replace(fed, per_second=value / seconds) for fed in found]
        case "deriv":
            return [replace(fed, start=Decimal(0), per_second=value) for fed in found]
        case "changes":
            after = changed_after(expr, feed.step)
            return [
                replace(fed, start=Decimal(0), changes=int(value), changed_after=after)
                for fed in found
            ]
        case _:
            return found


@_series.register
def _(expr: Aggregate, value: Decimal, feed: Feed) -> list[Series]:
    if "instance" in expr.inner.labels and "instance" not in expr.by:
        return _of_replicas(expr, value, feed)
    dropped = _dropped(expr, dict(feed.pinned))
    if dropped is None:
        return _shared_out(expr, value, feed)
    label, values = dropped
    shares = _shares(expr.operator, value, len(values))
    return [
        fed
        for share, chosen in zip(shares, values, strict=True)
        for fed in _shared_out(expr, share, feed.pin({label: chosen}))
    ]


def _of_replicas(expr: Aggregate, value: Decimal, feed: Feed) -> list[Series]:
    """Replicas, or instances of a service, that come to this value together."""
    several = len(feed.replicas) > 1 and not feed.sharded
    if not several:
        return _shared_out(expr, value, feed)
    if expr.operator is Collapse.SUM:
        # Two halves, so that a sum of them is told from the greatest, and a rest that adds nothing.
        shares = [value / 2, value / 2, *[Decimal(0)] * (len(feed.replicas) - 2)]
    elif feed.spread:
        shares = _shares(expr.operator, value, len(feed.replicas))
    else:
        return _shared_out(expr, value, feed)
    return [
        fed
        for share, replica in zip(shares, feed.replicas, strict=True)
        for fed in _shared_out(expr, share, replace(feed, replicas=(replica,)))
    ]


def _shared_out(expr: Aggregate, value: Decimal, feed: Feed) -> list[Series]:
    """The inner results, so that those which are added come to this value."""
    if expr.operator is not Collapse.SUM:
        return _series(expr.inner, value, feed)
    added = len(results(expr.inner, feed)) // max(1, len(results(expr, feed)))
    return _series(expr.inner, value / max(1, added), feed)


def _shares(operator: Collapse, value: Decimal, count: int) -> list[Decimal]:
    """Different values that come to one by an aggregation, and to another by any other."""
    aside = abs(value) or Decimal(1)
    match operator:
        case Collapse.SUM:
            return [value / 4, value - value / 4, *[Decimal(0)] * (count - 2)]
        case Collapse.MAX:
            return [value, *[value - aside / 2] * (count - 1)]
        case Collapse.MIN:
            return [value, *[value + aside] * (count - 1)]
        case Collapse.AVG:
            return [value - aside / 2, value + aside / 2, *[value] * (count - 2)]


def _dropped(expr: Aggregate, pinned: Labels) -> tuple[str, tuple[str, str]] | None:
    """A label of many values that the aggregation drops, so that values of it can differ."""
    for part in deep(expr.inner):
        if isinstance(part, Selector) and not isinstance(part, Recorded):
            for label in free_labels(part):
                if label in expr.inner.labels and label not in (*expr.by, *pinned):
                    return label, ("other", "another")
    return None


@_series.register
def _(expr: Count, value: Decimal, feed: Feed) -> list[Series]:
    counted = results(expr.inner, feed)
    if value > len(counted):
        raise UntestableError(f"{expr} cannot be {value}: there are only {len(counted)}")
    kept: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for labels in counted[: int(value)]:
        kept.setdefault(tuple(labels), set()).add(tuple(labels.values()))
    # Twos tell a count from a sum, and unlike zeros they are no fault that makes other alerts fire,
    # on which promtool spends its time.
    each = Decimal(0) if expr.inner.is_condition else Decimal(2)
    found = [fed for fed in _series(expr.inner, each, feed) if _is_among(dict(fed.labels), kept)]
    return found or missing(expr.inner, feed)


def _is_among(labels: Labels, kept: Mapping[tuple[str, ...], set[tuple[str, ...]]]) -> bool:
    """Whether a label set has all labels of one that is kept: by their names, their values."""
    return any(tuple(labels.get(name) for name in names) in found for names, found in kept.items())


@_series.register
def _(expr: TimeUntil, value: Decimal, feed: Feed) -> list[Series]:
    # A test's clock starts at 0, so a time that stays `value` ahead moves with it.
    ahead = value + Decimal(str(feed.lead.total_seconds()))
    return [replace(fed, per_second=Decimal(1)) for fed in _series(expr.inner, ahead, feed)]


@_series.register
def _(expr: Age, value: Decimal, feed: Feed) -> list[Series]:
    behind = Decimal(str(feed.lead.total_seconds())) - value
    return [replace(fed, per_second=Decimal(1)) for fed in _series(expr.inner, behind, feed)]


@_series.register
def _(expr: OrZero, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.inner, value, feed)


@_series.register
def _(expr: WithNumber, value: Decimal, feed: Feed) -> list[Series]:
    match expr.operator:
        case Operator.ADD:
            return _series(expr.inner, value - expr.number, feed)
        case Operator.SUBTRACT:
            left = expr.number - value if expr.number_first else value + expr.number
            return _series(expr.inner, left, feed)
        case Operator.MULTIPLY if expr.number:
            return _series(expr.inner, value / expr.number, feed)
    raise UntestableError(f"{expr} is 0 whatever its input is")


@_series.register
def _(expr: Combined, value: Decimal, feed: Feed) -> list[Series]:
    if expr.operator is Operator.ADD:
        left, right = value / 4, value - value / 4
    elif expr.operator is Operator.SUBTRACT:
        right = 2 * abs(value) + 1
        left = value + right
    else:
        left, right = value / 2, Decimal(2)
    found, others = _series(expr.left, left, feed), _series(expr.right, right, feed)
    refuse_shared(expr, found, others)
    return found + others


@_series.register
def _(expr: Ratio, value: Decimal, feed: Feed) -> list[Series]:
    return [
        fed
        for part, wanted, inner in parts(expr, value, feed)
        for fed in _series(part, wanted, inner)
    ]


@_series.register
def _(expr: Joined, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.left, value, feed) + _series(expr.info, Decimal(1), feed)


@_series.register
def _(expr: Usual, value: Decimal, feed: Feed) -> list[Series]:
    present = earlier_times(expr, feed.present)
    count = len(present)
    if expr.method == "avg":
        values = [value] * count
    else:
        # A median is told from an average by values that are further up than others are down.
        low, middle = (count - 1) // 2, 2 - count % 2
        values = [value / 2] * low + [value] * middle + [value * 3] * low
    return [
        fed.at(by)
        for by, earlier in zip(present, values, strict=False)
        for fed in _series(expr.inner, earlier, feed)
    ]


@_series.register
def _(expr: Threshold, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.inner, value, feed)


@_series.register
def _(expr: And, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.left, value, feed) + _series(expr.right, just_over(expr.right), feed)


@_series.register
def _(expr: Unless, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.left, value, feed)


@_series.register
def _(expr: Or, value: Decimal, feed: Feed) -> list[Series]:
    """Both sides; of what both read, the left one decides."""
    right = just_over(expr.right) if compared(expr.right) else value
    return _series(expr.left, value, feed) + _series(expr.right, right, feed)


@_series.register
def _(expr: Named, value: Decimal, feed: Feed) -> list[Series]:
    return _series(expr.inner, value, feed)


@_series.register
def _(_expr: Always, _value: Decimal, _feed: Feed) -> list[Series]:
    return []


@_series.register
def _(expr: HistogramQuantile, value: Decimal, feed: Feed) -> list[Series]:
    return of_quantile(expr, value, feed)


def refuse_shared(expr: Expr, left: list[Series], right: list[Series]) -> None:
    """Raise UntestableError where both sides read the same series."""
    both = {fed.notation() for fed in left} & {fed.notation() for fed in right}
    if both:
        raise UntestableError(f"both sides of {expr} read {min(both)}")


# --- the quiet side -----------------------------------------------------------------------------


@singledispatch
def _harmless(expr: Expr, feed: Feed) -> list[Series]:
    return _missing(expr, feed)


@_harmless.register
def _(expr: Threshold, feed: Feed) -> list[Series]:
    return _series(expr.inner, just_under(expr), feed)


@_harmless.register
def _(expr: And, feed: Feed) -> list[Series]:
    return _harmless(expr.left, feed) + _series(expr.right, just_over(expr.right), feed)


@_harmless.register
def _(expr: Or, feed: Feed) -> list[Series]:
    return _harmless(expr.left, feed) + _harmless(expr.right, feed)


@_harmless.register
def _(expr: Unless, feed: Feed) -> list[Series]:
    """The left side is quiet; where it is no condition, all of it has a counterpart instead."""
    return _harmless(expr.left, feed) if expr.left.is_condition else _missing(expr, feed)


def _well_within(expr: Expr, feed: Feed) -> list[Series]:
    match expr:
        case Threshold():
            return _series(expr.inner, within(expr), feed)
        case And():
            holding = _series(expr.right, just_over(expr.right), feed)
            return _well_within(expr.left, feed) + holding
        case Or():
            return _well_within(expr.left, feed) + _well_within(expr.right, feed)
        case _:
            return _harmless(expr, feed)


# --- no result, although the metrics exist ------------------------------------------------------


@singledispatch
def _missing(expr: Expr, feed: Feed) -> list[Series]:
    return [fed for child in expr.children() for fed in _missing(child, feed)]


@_missing.register
def _(expr: Selector, feed: Feed) -> list[Series]:
    """Series that only the matchers keep out, where there are such."""
    kept_out = {m.label: m.value for m in expr.matchers if m.match is Match.NOT_EQUAL}
    if not kept_out:
        return []
    values = {name: feed.settled(value) for name, value in kept_out.items()}
    return [one(expr, {**labels, **values}, Decimal(1)) for labels in results(expr, feed)]


@_missing.register
def _(expr: Unless, feed: Feed) -> list[Series]:
    """Every result of the left side has its counterpart on the right."""
    left, right = just_over(expr.left), just_over(expr.right)
    on = tuple(sorted(expr.labels)) if expr.on is None else expr.on
    counterparts = [
        fed
        for labels in distinct(
            {label: one[label] for label in on} for one in results(expr.left, feed)
        )
        for fed in _series(expr.right, right, feed.pin(labels))
    ]
    return _series(expr.left, left, feed) + counterparts
