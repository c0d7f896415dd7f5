"""What the two sides of a ratio have to be, where they may read the same series."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from model.promql import Combined, Expr, Operator, Or, Ratio, Recorded, Selector
from rules.series.feed import Feed
from rules.series.labels import free_values, lets_pass
from rules.series.windows import range_of
from rules.untestable import UntestableError

Part = tuple[Expr, Decimal, Feed]


def parts(ratio: Ratio, value: Decimal, feed: Feed) -> Iterator[Part]:
    """The expressions inside that are to have which values under what feed, for this quotient.

    Raises UntestableError.
    """
    whole = feed.volume if feed.volume is not None else _ample(ratio, value, feed)
    share, rest = value * whole, whole - value * whole
    numerator, denominator = _present(ratio.numerator), ratio.denominator
    match numerator:
        case Combined(left, Operator.SUBTRACT, right) if left == denominator:
            for one, wanted, inner in _whole(denominator, right, whole, share, feed):
                yield one, _not_negative(wanted, ratio, value), inner
            yield right, _not_negative(rest, ratio, value), feed
            return
    yield numerator, share, feed
    match denominator:
        case Combined(left, Operator.ADD, right) if numerator in (left, right):
            other = right if numerator == left else left
            yield other, _not_negative(rest, ratio, value), feed
            return
    for one, wanted, inner in _whole(denominator, numerator, whole, rest, feed):
        yield one, _not_negative(wanted, ratio, value), inner


def _whole(
    denominator: Expr, part: Expr, whole: Decimal, others: Decimal, feed: Feed
) -> Iterator[Part]:
    """The denominator, all of it or, where it counts what a part of it does, the others alone."""
    above, below = _only_selector(part), _only_selector(denominator)
    if above is None or below is None or not _reads_what(below, above):
        yield denominator, whole, feed
    else:
        yield denominator, others, _beside(above, below, feed)


def _ample(ratio: Ratio, value: Decimal, feed: Feed) -> Decimal:
    """A denominator over the least, such that numerators are whole numbers a sample."""
    over = range_of(ratio)
    decimals = max(0, -int(value.normalize().as_tuple().exponent))
    least, exponent = 2 * ratio.minimum, max(3, decimals + 2)
    if over is None:
        return _power(exponent, least)
    step, length = (Decimal(str(time.total_seconds())) for time in (feed.step, over.length))
    if over.function == "rate":
        return _power(exponent, least * length) / step
    return _power(exponent, least) * length / step


def _power(exponent: int, least: Decimal) -> Decimal:
    while Decimal(10) ** exponent < least:
        exponent += 1
    return Decimal(10) ** exponent


def _present(numerator: Expr) -> Expr:
    """Without what takes its place where it has no result."""
    return numerator.left if isinstance(numerator, Or) else numerator


def _only_selector(expr: Expr) -> Selector | None:
    found = [part for part in expr.walk() if isinstance(part, Selector)]
    return found[0] if len({(part.series_name, part.matchers) for part in found}) == 1 else None


def _reads_what(below: Selector, above: Selector) -> bool:
    """Whether the denominator counts what the numerator does, and more."""
    if isinstance(below, Recorded) or isinstance(above, Recorded):
        return False
    same = (below.series_name, below.offset) == (above.series_name, above.offset)
    return same and set(below.matchers) < set(above.matchers)


def _beside(above: Selector, below: Selector, feed: Feed) -> Feed:
    """What the denominator counts beyond the numerator: another value of what narrows that."""
    for matcher in above.matchers:
        if matcher in below.matchers:
            continue
        for value in free_values(matcher.label, below.matchers):
            if not lets_pass(matcher, value):
                return feed.pin({matcher.label: value})
    raise UntestableError(f"nothing is known that {below} selects and {above} does not")


def _not_negative(rest: Decimal, ratio: Ratio, value: Decimal) -> Decimal:
    if rest < 0:
        raise UntestableError(f"{ratio} can never be {value}: it is the share of a whole")
    return rest
