"""Recording rules evaluated anew: where a rule is younger than the history that it is asked about.

What was recorded is read where there is history of it. Where there is none, what the rule would
have recorded is calculated: in a range by a subquery, which takes a value each evaluation, as the
rule does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, cast

from model.durations import prometheus
from model.promql import Expr, Match, OverRange, Recorded, Recording, earlier, quoted
from model.promql.base import ATOM, SETS
from model.promql.ranges import called

# How often a recording rule is evaluated.
Interval = Callable[[Recording], timedelta]


class CannotInlineError(Exception):
    """A recorded series that cannot be calculated anew; says why."""


@dataclass(frozen=True)
class Inlined(Expr):
    """What a recording rule would have recorded, of its series with some labels."""

    inner: Expr
    constant: tuple[tuple[str, str], ...]
    chosen: tuple[tuple[str, str], ...]
    known_labels: frozenset[str]

    @property
    def precedence(self) -> int:  # type: ignore[override]
        return SETS if self.chosen else ATOM

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.known_labels

    def __str__(self) -> str:
        text = f"({self.inner})"
        for label, value in self.constant:
            text = f'label_replace({text}, {quoted(label)}, {quoted(value)}, "", "")'
        if not self.chosen:
            return text
        only = "vector(1)"
        for label, value in self.chosen:
            only = f'label_replace({only}, {quoted(label)}, {quoted(value)}, "", "")'
        return f"{text} and on ({', '.join(label for label, _ in self.chosen)}) {only}"


@dataclass(frozen=True)
class Subquery(Expr):
    """A function over a range of what is calculated, a value every `step`."""

    function: str
    inner: Expr
    length: timedelta
    step: timedelta
    parameter: Decimal | None

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels

    def __str__(self) -> str:
        series = f"({self.inner})[{prometheus(self.length)}:{prometheus(self.step)}]"
        return called(self.function, series, self.parameter)


def recorded_in(expr: Expr) -> list[Recorded]:
    """Every recorded series that an expression reads, each once; not what those read in turn."""
    return list(dict.fromkeys(_recorded(expr)))


def inlined(expr: Expr, young: frozenset[tuple[str, ...]], interval: Interval) -> Expr:
    """The expression with the recording rules of these keys evaluated anew, the inner ones too.

    Raises CannotInlineError.
    """
    match expr:
        case OverRange(inner=Recorded() as selector) if selector.recording.key in young:
            step = interval(selector.recording)
            inner = _anew(selector, young, interval)
            return Subquery(expr.function, inner, expr.length, step, expr.parameter)
        case Recorded() if expr.recording.key in young:
            return _anew(expr, young, interval)
    parts = {field.name: getattr(expr, field.name) for field in fields(cast("Any", expr))}
    changed = {
        name: inlined(part, young, interval)
        for name, part in parts.items()
        if isinstance(part, Expr)
    }
    if all(changed[name] is parts[name] for name in changed):
        return expr
    return cast("Expr", replace(cast("Any", expr), **changed))


def _recorded(expr: Expr) -> Iterator[Recorded]:
    for part in expr.walk():
        if isinstance(part, Recorded):
            yield part


def _anew(selector: Recorded, young: frozenset[tuple[str, ...]], interval: Interval) -> Expr:
    recording = selector.recording
    constant = tuple(recording.labels.items())
    further = [one for one in selector.matchers if (one.label, one.value) not in constant]
    if any(one.match is not Match.EQUAL for one in further):
        raise CannotInlineError(
            f"{selector}: Prometheus has no history of {recording.name}, and what it would have "
            "recorded can be narrowed by equal labels alone"
        )
    inner = inlined(recording.expr, young, interval)
    if selector.offset:
        inner = earlier(inner, selector.offset)
    chosen = tuple((one.label, one.value) for one in further)
    return Inlined(inner, constant, chosen, selector.labels)
