"""What an expression was at earlier times."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

from model.declared import report
from model.durations import days, prometheus
from model.promql.base import SETS, Expr, named
from model.promql.selectors import Selector

# The same hour on each of the last seven days, and on the same day of the last four weeks.
EACH_DAY = tuple(days(n) for n in range(1, 8))
EACH_WEEK = tuple(days(7 * n) for n in range(1, 5))
_LABEL = "earlier"


def earlier(expr: Expr, by: timedelta) -> Expr:
    """The same expression so long ago: every selector in it gets an `offset`."""
    if by <= timedelta(0):
        report("earlier: write a length of time over 0")
    return _moved(expr, by)


@dataclass(frozen=True)
class Usual(Expr):
    """What an expression usually is at this time of day: the median of what it was `at` offsets.

    No result unless `at_least` so many of them have a value. Record what is costly to calculate:

        Ratio(recorded(REQUESTS), Usual(recorded(REQUESTS)), at_least=5) > 3
    """

    precedence: ClassVar[int] = SETS
    inner: Expr
    at: tuple[timedelta, ...] = EACH_DAY
    at_least: int = 3
    method: Literal["median", "avg"] = "median"

    def __post_init__(self) -> None:
        if "instance" in self.inner.labels:
            report(
                f"Usual: {self.inner} has the labels {named(self.inner.labels)}: instances of "
                "earlier days are other ones; aggregate them away"
            )
        if len(set(self.at)) < len(self.at) or not all(by > timedelta(0) for by in self.at):
            report("Usual: at: write different lengths of time, each over 0")
        if not 1 <= self.at_least <= len(self.at):
            report(f"Usual: at_least: {self.at_least} is not between 1 and {len(self.at)}")

    @property
    def bare_counter(self) -> str | None:
        return self.inner.bare_counter

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def each(self) -> tuple[Expr, ...]:
        """The expression at each of the earlier times."""
        return tuple(earlier(self.inner, by) for by in self.at)

    def __str__(self) -> str:
        every = " or ".join(
            f'label_replace({expr}, "{_LABEL}", "{prometheus(by)}", "", "")'
            for by, expr in zip(self.at, self.each(), strict=True)
        )
        kept = ", ".join(sorted(self.labels))
        by, on = (f" by ({kept}) ", f"on ({kept})") if kept else ("", "on ()")
        middle = f"avg{by}({every})" if self.method == "avg" else f"quantile{by}(0.5, {every})"
        return f"{middle} and {on} count{by}({every}) >= {self.at_least}"


def _moved(expr: Expr, by: timedelta) -> Expr:
    if isinstance(expr, Selector):
        return replace(expr, offset=expr.offset + by)
    parts = {field.name: getattr(expr, field.name) for field in fields(cast("Any", expr))}
    moved = {name: _moved(part, by) for name, part in parts.items() if isinstance(part, Expr)}
    return cast("Expr", replace(cast("Any", expr), **moved))
