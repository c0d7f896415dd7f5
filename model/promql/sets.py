"""Set operators: results that have, or lack, a counterpart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from model.declared import report
from model.promql.base import SETS, Expr, operand


@dataclass(frozen=True)
class Unless(Expr):
    """Results of the left side that have no counterpart, by the labels `on`, on the right."""

    precedence: ClassVar[int] = SETS
    left: Expr
    right: Expr
    on: tuple[str, ...]

    def __post_init__(self) -> None:
        for side in (self.left, self.right):
            for label in self.on:
                if label not in side.labels:
                    report(f'unless on "{label}": {side} has no such label')

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.left.labels

    def __str__(self) -> str:
        on = f"unless on ({', '.join(self.on)})"
        return f"{operand(self.left, self)} {on} {operand(self.right, self)}"


@dataclass(frozen=True)
class Or(Expr):
    """Results of both sides; the left one's where both have one with the same labels."""

    precedence: ClassVar[int] = SETS
    left: Expr
    right: Expr

    def __post_init__(self) -> None:
        if self.left.labels != self.right.labels:
            report(f"or: {self.left} and {self.right} have different labels")

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.left.labels

    def __str__(self) -> str:
        return f"{operand(self.left, self)} or {operand(self.right, self)}"


@dataclass(frozen=True)
class Always(Expr):
    """Always one result: the condition of an alert that is never to stop."""

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        return "vector(1)"
