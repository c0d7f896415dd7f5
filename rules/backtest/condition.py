"""A condition's thresholds, how another one is put in, and the value that is held against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import ClassVar

from model.alerts import Alert
from model.platform import Platform
from model.promql import And, Comparison, Expr, Or, Threshold, Unless, operand
from model.promql.base import SETS
from rules.alerts import expression
from rules.maintenance import outside_maintenance
from rules.series.thresholds import downward


@dataclass(frozen=True)
class Farther(Expr):
    """Of two values of the same labels the one that is farther from making a condition true."""

    precedence: ClassVar[int] = SETS
    left: Expr
    right: Expr
    comparison: Comparison
    on: tuple[str, ...] | None = None

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.left.labels

    def __str__(self) -> str:
        left, right = operand(self.left, self), operand(self.right, self)
        on = "" if self.on is None else f" on ({', '.join(self.on)})"
        nearer = (
            "<=" if self.comparison in (Comparison.GREATER, Comparison.GREATER_OR_EQUAL) else ">="
        )
        return f"({left} {nearer}{on} {right}) or{on} ({right} and{on} {left})"


def thresholds(expr: Expr) -> list[Threshold]:
    """The comparisons that a person means by an alert's threshold.

    Of `a and b` and `a unless b` it is `a` that the alert is about; `b` counts if it is compared
    with the same number, as both windows of a burn rate are. Of `a or b` it is both.
    """
    return list(_thresholds(expr))


def with_thresholds(expr: Expr, changed: Mapping[Decimal, Decimal]) -> Expr:
    """The condition with other thresholds, by those that it has."""
    match expr:
        case Threshold():
            return replace(expr, threshold=changed.get(expr.threshold, expr.threshold))
        case Or():
            left, right = with_thresholds(expr.left, changed), with_thresholds(expr.right, changed)
            return replace(expr, left=left, right=right)
        case And() if _is_shared(expr):
            left, right = with_thresholds(expr.left, changed), with_thresholds(expr.right, changed)
            return replace(expr, left=left, right=right)
        case And() | Unless():
            return replace(expr, left=with_thresholds(expr.left, changed))
        case _:
            return expr


def values(expr: Expr) -> list[Expr]:
    """What is held against the thresholds: the condition is true where one of them is beyond its.

    They are in the order of `thresholds`, but that two which are compared with the same number
    because both must be beyond it are one here.
    """
    match expr:
        case Threshold():
            return [expr.inner]
        case Or():
            return [*values(expr.left), *values(expr.right)]
        case And() if _is_shared(expr):
            comparison = thresholds(expr)[0].comparison
            return [
                Farther(left, right, comparison, expr.on)
                for left in values(expr.left)
                for right in values(expr.right)
            ]
        case And() | Unless():
            return [replace(expr, left=value) for value in values(expr.left)]
        case _:
            return []


def limits(expr: Expr) -> list[tuple[Comparison, Decimal]]:
    """The comparisons and numbers of the thresholds, each once."""
    return list(dict.fromkeys((one.comparison, one.threshold) for one in thresholds(expr)))


def rule_text(condition: Expr, alert: Alert, platform: Platform) -> str:
    """A condition as the alert's rule would have it: without what is in maintenance."""
    changed = alert.model_copy(update={"expr": condition})
    return expression(outside_maintenance(changed), platform)


def is_downward(expr: Expr) -> bool:
    """Whether it is small values that a condition with thresholds is about."""
    return downward(thresholds(expr)[0])


def _thresholds(expr: Expr) -> Iterator[Threshold]:
    match expr:
        case Threshold():
            yield expr
        case Or():
            yield from _thresholds(expr.left)
            yield from _thresholds(expr.right)
        case And():
            yield from _thresholds(expr.left)
            if _is_shared(expr):
                yield from _thresholds(expr.right)
        case Unless():
            yield from _thresholds(expr.left)
        case _:
            return


def _is_shared(expr: And) -> bool:
    """Whether both sides are compared with one and the same number."""
    left = {(one.comparison, one.threshold) for one in _thresholds(expr.left)}
    right = {(one.comparison, one.threshold) for one in _thresholds(expr.right)}
    return len(left) == 1 and left == right
