"""Arithmetic on expressions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from model.declared import report
from model.promql.base import ADDING, Expr, operand


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
class OrZero(Expr):
    """The expression, or 0 where it has no result: for one that keeps no label."""

    inner: Expr

    def __post_init__(self) -> None:
        if self.inner.labels:
            kept = ", ".join(sorted(self.inner.labels))
            report(f"or_zero: {self.inner} keeps the labels {kept}, which a bare zero would lack")

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        return f"({self.inner} or vector(0))"
