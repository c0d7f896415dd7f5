"""Set operators: results that have, or lack, a counterpart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from model.promql.arithmetic import refuse_missing
from model.promql.base import SETS, Expr, operand, refuse_unequal_labels


@dataclass(frozen=True)
class _Set(Expr):
    """Two sides, matched by the labels `on`, or by all of them where it is None."""

    precedence: ClassVar[int] = SETS
    word: ClassVar[str]
    left: Expr
    right: Expr
    on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.on is None:
            refuse_unequal_labels(self.word, self.left, self.right)
        else:
            refuse_missing(self.word, self.on, self.left, self.right)

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.left.labels

    def __str__(self) -> str:
        on = "" if self.on is None else f" on ({', '.join(self.on)})"
        return f"{operand(self.left, self)} {self.word}{on} {operand(self.right, self)}"


@dataclass(frozen=True)
class And(_Set):
    """Results of the left side that have a counterpart on the right, which is a condition.

    `And(waiting > 0, free <= 0, on=("target",))`. The value is the left side's.
    """

    word: ClassVar[str] = "and"

    @property
    def is_condition(self) -> bool:
        return self.left.is_condition or self.right.is_condition


@dataclass(frozen=True)
class Or(_Set):
    """Results of the left side, and those of the right that have no counterpart on the left.

    Both have the same labels: `Or(errors, requests * 0)`, `Or(lag > 60, lag_bytes > 10**9)`.
    """

    word: ClassVar[str] = "or"

    @property
    def is_condition(self) -> bool:
        return self.left.is_condition and self.right.is_condition

    def __post_init__(self) -> None:
        refuse_unequal_labels(self.word, self.left, self.right)
        super().__post_init__()


@dataclass(frozen=True)
class Unless(_Set):
    """Results of the left side that have no counterpart on the right."""

    word: ClassVar[str] = "unless"

    @property
    def is_condition(self) -> bool:
        return True


@dataclass(frozen=True)
class Always(Expr):
    """Always one result: the condition of an alert that is never to stop."""

    @property
    def is_condition(self) -> bool:
        return True

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        return "vector(1)"
