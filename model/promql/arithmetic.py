"""Quotients with a guard, ages, and values that labels are joined to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import ClassVar

from model.declared import report, suggestion
from model.promql.base import (
    ADDING,
    MULTIPLYING,
    Expr,
    Number,
    decimal,
    named,
    operand,
    refuse_counters,
    refuse_unequal_labels,
)


@dataclass(frozen=True)
class Ratio(Expr):
    """One expression divided by another, where that one is `at_least` so much; else no result.

    `at_least` is compulsory and over 0: with one payment at night, one failure is 100 %. Both
    sides have the same labels, or `on` names those to match by, which are all of the denominator's:

        failed = increase(select(HTTP_REQUESTS).where(Match.REGEX, status_code="5.."), minutes(5))
        every = increase(select(HTTP_REQUESTS), minutes(5))
        Ratio(sum_by(failed, "service"), sum_by(every, "service"), at_least=50) > "0.05"
    """

    precedence: ClassVar[int] = MULTIPLYING
    numerator: Expr
    denominator: Expr
    at_least: Number | None = None
    on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        refuse_counters("divide", self.numerator, self.denominator)
        if self.at_least is None:
            report(
                f"{self.numerator} / {self.denominator}: say at_least=…, the smallest denominator "
                "for which the quotient means something"
            )
        elif self.minimum <= 0:
            report(f"at_least: {self.minimum:f} guards nothing; write a number over 0")
        if self.on is None:
            refuse_unequal_labels("Ratio", self.numerator, self.denominator)
        else:
            refuse_missing("Ratio", self.on, self.numerator, self.denominator)
            self._refuse_several()

    def _refuse_several(self) -> None:
        further = self.denominator.labels - set(self.on or ())
        if further:
            report(
                f"Ratio on ({', '.join(self.on or ())}): {self.denominator} has further labels, "
                f"{named(further)}, so that several could match one numerator: aggregate them away"
            )

    @property
    def minimum(self) -> Decimal:
        """The smallest denominator for which there is a quotient."""
        return Decimal(0) if self.at_least is None else decimal("at_least", self.at_least)

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.numerator.labels

    def __str__(self) -> str:
        guarded = f"({operand(self.denominator, self)} >= {self.minimum:f})"
        return f"{operand(self.numerator, self)} /{self._matching()} {guarded}"

    def _matching(self) -> str:
        if self.on is None:
            return ""
        group = "" if self.numerator.labels == set(self.on) else " group_left ()"
        return f" on ({', '.join(self.on)}){group}"


@dataclass(frozen=True)
class TimeUntil(Expr):
    """Seconds from now to a unix time."""

    precedence: ClassVar[int] = ADDING
    inner: Expr

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        return f"{operand(self.inner, self)} - time()"


@dataclass(frozen=True)
class Age(Expr):
    """Seconds from a unix time to now: `Age(observed(LAST_BACKUP)) > days(1)`.

    A time of 0, which many exporters give for "never", is an age of more than 50 years.
    """

    precedence: ClassVar[int] = ADDING
    inner: Expr

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        return f"time() - {operand(self.inner, self)}"


@dataclass(frozen=True)
class Joined(Expr):
    """The left side with labels of an info metric, whose value is always 1, joined to it.

    Results without a counterpart are lost:

        Joined(observed(PG_UP), observed(PG_SETTINGS_INFO), on=("target",), labels=("version",))
    """

    precedence: ClassVar[int] = MULTIPLYING
    left: Expr
    info: Expr
    on: tuple[str, ...]
    joined: tuple[str, ...]

    def __post_init__(self) -> None:
        refuse_missing("join", self.on, self.left, self.info)
        refuse_missing("join", self.joined, self.info)
        if self.info.uncollapsed:
            report(f"join: {self.info.uncollapsed} has one result for each replica: collapse it")

    @property
    def bare_counter(self) -> str | None:
        return self.left.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.left.labels | set(self.joined)

    def __str__(self) -> str:
        matching = f"on ({', '.join(self.on)}) group_left ({', '.join(self.joined)})"
        return f"{operand(self.left, self)} * {matching} {operand(self.info, self)}"


@dataclass(frozen=True)
class OrZero(Expr):
    """The expression, or 0 where it has no result: for one that keeps no label."""

    inner: Expr

    def __post_init__(self) -> None:
        if self.inner.labels:
            kept = ", ".join(sorted(self.inner.labels))
            report(f"or_zero: {self.inner} keeps the labels {kept}, which a bare zero would lack")

    @property
    def bare_counter(self) -> str | None:
        return self.inner.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        return f"({self.inner} or vector(0))"


def refuse_missing(what: str, wanted: tuple[str, ...], *sides: Expr) -> None:
    """Report labels to match by that a side does not have."""
    for side in sides:
        for label in wanted:
            if label not in side.labels:
                near = suggestion(label, sorted(side.labels))
                report(f'{what} on "{label}": {side} has no such label{near}')
