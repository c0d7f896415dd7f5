"""What every expression is: a tree that knows its labels, its arithmetic and its comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import ClassVar

from model.declared import report

# What an expression is compared and calculated with: a length of time stands for its seconds.
Number = Decimal | int | str | timedelta
# How tightly operators bind, loosest first. Source: Prometheus, binary operator precedence.
SETS, COMPARING, ADDING, MULTIPLYING, ATOM = range(5)


class Comparison(StrEnum):
    """A comparison that filters."""

    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


class Operator(StrEnum):
    """An operator of arithmetic; division is `Ratio`, which has a guard."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"


@dataclass(frozen=True)
class Expr:
    """A PromQL expression of type instant vector (or scalar where `labels` is empty).

    `<`, `<=`, `>`, `>=` compare it with a number; `+`, `-` and `*` calculate with a number or with
    an expression of the same labels. Write numbers as int, Decimal, text or a length of time.
    """

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

    @property
    def uncollapsed(self) -> str | None:
        """The name of the metric of which it has one result for each replica that observes it."""
        return next((child.uncollapsed for child in self.children() if child.uncollapsed), None)

    @property
    def is_condition(self) -> bool:
        """Whether it has results only while something is wrong, as an alert's has to."""
        return False

    def children(self) -> tuple[Expr, ...]:
        """The expressions that it is made of, in the order of its fields."""
        return self._children

    @cached_property
    def _children(self) -> tuple[Expr, ...]:
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Expr))

    def walk(self) -> Iterator[Expr]:
        """This expression and all inside it, outermost first."""
        yield self
        for child in self.children():
            yield from child.walk()

    def __lt__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.LESS, decimal("the threshold", threshold))

    def __le__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.LESS_OR_EQUAL, decimal("the threshold", threshold))

    def __gt__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.GREATER, decimal("the threshold", threshold))

    def __ge__(self, threshold: Number) -> Threshold:
        return Threshold(self, Comparison.GREATER_OR_EQUAL, decimal("the threshold", threshold))

    def __add__(self, other: Expr | Number) -> Expr:
        return _calculated(self, Operator.ADD, other)

    def __sub__(self, other: Expr | Number) -> Expr:
        return _calculated(self, Operator.SUBTRACT, other)

    def __mul__(self, other: Expr | Number) -> Expr:
        return _calculated(self, Operator.MULTIPLY, other)

    def __radd__(self, other: Number) -> Expr:
        return WithNumber(self, Operator.ADD, decimal("the number", other))

    def __rsub__(self, other: Number) -> Expr:
        return WithNumber(self, Operator.SUBTRACT, decimal("the number", other), number_first=True)

    def __rmul__(self, other: Number) -> Expr:
        return WithNumber(self, Operator.MULTIPLY, decimal("the number", other))

    def __truediv__(self, other: Expr | Number) -> Expr:
        divisor = str(other) if isinstance(other, Expr) else repr(other)
        report(
            f"{self} is divided by {divisor} without a guard: write Ratio(…, …, at_least=…), or "
            "multiply by a number"
        )
        return self

    def __rtruediv__(self, other: Number) -> Expr:
        return self.__truediv__(other)


@dataclass(frozen=True)
class Threshold(Expr):
    """A comparison with a number: the condition of most alerts."""

    precedence: ClassVar[int] = COMPARING
    inner: Expr
    comparison: Comparison
    threshold: Decimal

    def __post_init__(self) -> None:
        refuse_counters("compare", self.inner)
        if self.inner.uncollapsed:
            report(
                f"{self.inner.uncollapsed} has one result for each replica of the exporter, so "
                "that one fault would be several alerts: write observed(…) or collapsed(…)"
            )

    @property
    def is_condition(self) -> bool:
        return True

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        return f"{operand(self.inner, self)} {self.comparison.value} {self.threshold:f}"


@dataclass(frozen=True)
class WithNumber(Expr):
    """An expression plus, minus or times a number: `x * 2`, `1 - x`."""

    inner: Expr
    operator: Operator
    number: Decimal
    number_first: bool = False

    @property
    def precedence(self) -> int:  # type: ignore[override]
        return _binds(self.operator)

    @property
    def bare_counter(self) -> str | None:
        return self.inner.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        inner, number = operand(self.inner, self), f"{self.number:f}"
        left, right = (number, inner) if self.number_first else (inner, number)
        return f"{left} {self.operator.value} {right}"


@dataclass(frozen=True)
class Combined(Expr):
    """Two expressions of the same labels, added, subtracted or multiplied: `hits + misses`."""

    left: Expr
    operator: Operator
    right: Expr

    def __post_init__(self) -> None:
        refuse_unequal_labels(self.operator.value, self.left, self.right)

    @property
    def precedence(self) -> int:  # type: ignore[override]
        return _binds(self.operator)

    @property
    def bare_counter(self) -> str | None:
        return self.left.bare_counter or self.right.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.left.labels

    def __str__(self) -> str:
        left, right = operand(self.left, self), operand(self.right, self)
        return f"{left} {self.operator.value} {right}"


def operand(expr: Expr, beside: Expr) -> str:
    """An expression as an operand of another, in parentheses where it would be torn apart."""
    return str(expr) if expr.precedence > beside.precedence else f"({expr})"


def refuse_counters(what: str, *exprs: Expr) -> None:
    """Report a counter that is used as it is: it only rises, and falls to 0 at a restart."""
    for expr in exprs:
        if expr.bare_counter is not None:
            report(f"{expr.bare_counter} is a counter: {what} its rate or increase, not its value")


def refuse_unequal_labels(what: str, left: Expr, right: Expr) -> None:
    """Report two sides that Prometheus would not match, so that there were never a result."""
    if left.labels != right.labels:
        report(
            f"{what}: {left} has the labels {named(left.labels)}, {right} has "
            f"{named(right.labels)}: aggregate both by the same labels, or match them by on=(…)"
        )


def named(labels: frozenset[str]) -> str:
    """Labels as a message lists them."""
    return ", ".join(sorted(labels)) or "none"


def decimal(what: str, given: object) -> Decimal:
    """A number of the config as Decimal; one that is none is a mistake of the config."""
    if isinstance(given, Expr):
        report(f"{what} is an expression: compare a difference (a - b) or a Ratio with a number")
        return Decimal(0)
    if isinstance(given, float):
        report(f"{what} {given} is a float; write Decimal('{given}')")
    if isinstance(given, timedelta):
        given = Decimal(given // timedelta(milliseconds=1)) / 1000
    return number(what, str(given))


def number(what: str, text: str) -> Decimal:
    """A finite number that a text says; one that it does not is a mistake of the config."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if found.is_finite():
        return found
    report(f"{what} {text!r} is not a number")
    return Decimal(0)


def _calculated(expr: Expr, operator: Operator, other: Expr | Number) -> Expr:
    if isinstance(other, Expr):
        return Combined(expr, operator, other)
    return WithNumber(expr, operator, decimal("the number", other))


def _binds(operator: Operator) -> int:
    return MULTIPLYING if operator is Operator.MULTIPLY else ADDING
