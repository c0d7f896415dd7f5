"""Labels that an expression adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from model.declared import report
from model.promql.base import Expr
from model.promql.selectors import quoted


@dataclass(frozen=True)
class Named(Expr):
    """The results of an expression with a label added that has one value."""

    inner: Expr
    label: str
    value: str

    def __post_init__(self) -> None:
        if self.label in self.inner.labels:
            report(f'named "{self.label}": {self.inner} has that label already')

    @property
    def is_condition(self) -> bool:
        return self.inner.is_condition

    @property
    def bare_counter(self) -> str | None:
        return self.inner.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels | {self.label}

    def __str__(self) -> str:
        # Of no label at all every expression matches the empty one.
        added = f'{quoted(self.label)}, {quoted(self.value)}, "", ""'
        return f"label_replace({self.inner}, {added})"
