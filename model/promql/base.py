"""What every expression is: a tree that knows its labels, and its comparison with a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import ClassVar

from model.declared import report

# What an expression is compared with: a length of time stands for its seconds.
Number = Decimal | int | str | timedelta
# How tightly operators bind, loosest first. Source: Prometheus, binary operator precedence.
SETS, COMPARING, ADDING, MULTIPLYING, ATOM = range(5)


class Comparison(StrEnum):
    """A comparison that filters."""

    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True)
class Expr:
    """A PromQL expression of type instant vector (or scalar where `labels` is empty)."""

    # How tightly its outermost operator binds: a part that binds no tighter needs parentheses.
    precedence: ClassVar[int] = ATOM

    @cached_property
    def labels(self) -> frozenset[str]:
        """The labels that its results carry."""
        raise NotImplementedError

    @property
    def bare_counter(self) -> str | None:
        """The name of the counter whose value it shows as it is, None if it shows none."""
        return None

    def children(self) -> tuple[Expr, ...]:
        """The expressions that it is made of, in the order of its fields."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Expr))

    def walk(self) -> Iterator[Expr]:
        """This expression and all inside it, outermost first."""
        yield self
        for child in self.children():
            yield from child.walk()

    def __lt__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.LESS, decimal(threshold))

    def __le__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.LESS_OR_EQUAL, decimal(threshold))

    def __gt__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.GREATER, decimal(threshold))

    def __ge__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.GREATER_OR_EQUAL, decimal(threshold))


@dataclass(frozen=True)
class Threshold(Expr):
    """A comparison with a number: the condition of most alerts."""

    precedence: ClassVar[int] = COMPARING
    inner: Expr
    comparison: Comparison
    threshold: Decimal

    def __post_init__(self) -> None:
        counter = self.inner.bare_counter
        if counter is not None:
            report(f"{counter} is a counter: compare its rate or increase, not its value")

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        return f"{operand(self.inner, self)} {self.comparison.value} {self.threshold:f}"


def operand(expr: Expr, beside: Expr) -> str:
    """An expression as an operand of another, in parentheses where it would be torn apart."""
    return str(expr) if expr.precedence > beside.precedence else f"({expr})"


def decimal(threshold: Number) -> Decimal:
    if isinstance(threshold, float):
        report(f"the threshold {threshold} is a float; write Decimal('{threshold}')")
    if isinstance(threshold, timedelta):
        threshold = Decimal(threshold // timedelta(milliseconds=1)) / 1000
    return number("the threshold", str(threshold))


def number(what: str, text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if found.is_finite():
        return found
    report(f"{what} {text!r} is not a number")
    return Decimal(0)
