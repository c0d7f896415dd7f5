"""Hold raw PromQL to the catalogue: every mistake that can be decided, with its place.

What Prometheus would accept and never say: an unknown metric is no error to it, only silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import promql_parser

from model.alerts import Alert
from model.declared import Problem
from model.platform import Platform
from model.raw import Raw
from rules.raw.aggregations import aggregate
from rules.raw.calls import call, unknown_function
from rules.raw.examples import example_mistakes
from rules.raw.facts import UNKNOWN_LABELS, Facts, Reader, Type
from rules.raw.joins import binary, negated
from rules.raw.selectors import matrix, subquery, vector
from rules.raw.tokens import Kind, UnreadableError, position, tokens


def problems(platform: Platform) -> Iterator[Problem]:
    """Every mistake in the raw expressions of a config."""
    for alert in platform.alerts:
        if isinstance(alert.expr, Raw) and not alert.broken:
            checked = check(alert.expr.text, platform)
            for mistake in checked.mistakes:
                yield Problem(f'Alert "{alert.name}": expr, {mistake}', alert.expr.place)
            lost = alert.lost_labels(checked.labels) if not checked.mistakes else []
            for mistake in [*lost, *_bad_examples(alert, checked, platform)]:
                yield Problem(f'Alert "{alert.name}": {mistake}', alert.expr.place)


@dataclass(frozen=True)
class Checked:
    """What was found in an expression."""

    mistakes: tuple[str, ...] = ()
    # The labels that all of its results have, and those that some have.
    labels: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    # The names of the series that it reads.
    reads: frozenset[str] = frozenset()


def check(text: str, platform: Platform) -> Checked:
    """Hold an alert's whole expression to the catalogue."""
    try:
        reader = Reader(platform, text, _READERS)
        parsed: Any = promql_parser.parse(text)
    except UnreadableError as error:
        return Checked((f"{position(text, error.at)}: {error}",))
    except ValueError as error:
        return Checked((_syntax(text, str(error)),))
    facts = reader.read(parsed)
    _check_condition(parsed, facts, reader)
    for at, division in facts.unguarded:
        reader.mistake(
            f"{division} divides by what may be 0: one event in a quiet hour would be 100 %. "
            "Write … / (… > N) with the least volume that counts, or (…) and on (…) … > N",
            at,
        )
    reads = frozenset(selected.name for selected in reader.selected)
    return Checked(tuple(dict.fromkeys(reader.mistakes)), facts.sure, facts.possible, reads)


def _bad_examples(alert: Alert, checked: Checked, platform: Platform) -> list[str]:
    labels = None if checked.mistakes else (checked.labels, checked.possible)
    return list(example_mistakes(alert, labels, platform))


def _syntax(text: str, error: str) -> str:
    unknown = re.fullmatch(r"unknown function with name '(\w+)'", error)
    if unknown:
        words = (token for token in tokens(text) if token.kind is Kind.WORD)
        at = next((word.start for word in words if word.text == unknown[1]), 0)
        return f"{position(text, at)}: {unknown_function(unknown[1])}"
    return f"syntax error: {error}"


def _check_condition(parsed: Any, facts: Facts, reader: Reader) -> None:
    """An alert fires for each result, so there must be none where all is well."""
    if facts.type is not Type.VECTOR:
        reader.mistake(f"the expression is a {facts.type.value}; an alert needs an instant vector")
    elif not facts.conditional and facts.possible != UNKNOWN_LABELS:
        at = None
        if _returns_bool(parsed):
            at = reader.place_of("bool")
            what = "bool turns the comparison into 0 or 1, and 0 fires as well: leave it out"
        else:
            what = (
                "nothing is compared, so that it fires whatever the value is: "
                "compare it with a threshold, such as … > 0"
            )
        reader.mistake(what, at)


def _returns_bool(node: Any) -> bool:
    while type(node).__name__ == "ParenExpr":
        node = node.expr
    modifier = getattr(node, "modifier", None)
    return type(node).__name__ == "BinaryExpr" and bool(modifier and modifier.return_bool)


def _parentheses(node: Any, reader: Reader) -> Facts:
    return reader.read(node.expr)


def _number(node: Any, _reader: Reader) -> Facts:
    return Facts(Type.SCALAR, number=node.val, nonzero=node.val != 0)


def _string(_node: Any, _reader: Reader) -> Facts:
    return replace(Facts(), type=Type.STRING)


# Every kind of node that is understood.
_READERS = {
    "AggregateExpr": aggregate,
    "BinaryExpr": binary,
    "Call": call,
    "MatrixSelector": matrix,
    "NumberLiteral": _number,
    "ParenExpr": _parentheses,
    "StringLiteral": _string,
    "SubqueryExpr": subquery,
    "UnaryExpr": negated,
    "VectorSelector": vector,
}
