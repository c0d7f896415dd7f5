"""What a PromQL text compares with which numbers, read back from the text.

Panels of conditions that are no building block's are drawn from it, and the proofs hold panels,
annotations and pages to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import promql_parser

from model import names
from model.jobs import JOB
from rules.inferred import selectors_in

_JOB = re.compile(rf'job="{re.escape(JOB)}",?')
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Compared:
    """A part of a condition as the parser prints it, and the number that it is compared with.

    `comparison` and `limit` are None where the part is compared with no number.
    """

    text: str
    comparison: str | None = None
    limit: Decimal | None = None


def compared_in(text: str) -> list[Compared]:
    """What a condition compares, outermost first. Raises ValueError if it is no PromQL.

    Of `a and b` and `a unless b` it is `a` that an alert is about; `b` counts if it is compared
    with the same number. Of `a or b` it is both.
    """
    return _compared(_outside_maintenance(_bare(promql_parser.parse(text))))


def own_condition(text: str) -> str:
    """A rule's condition as the parser prints it, so that layout makes no difference.

    Without what every rule has besides: that its target is not in maintenance, and by which job it
    is scraped. Raises ValueError if it is no PromQL.
    """
    return without_job(str(_outside_maintenance(_bare(promql_parser.parse(text)))))


def without_job(printed: str) -> str:
    """A printed expression over what any job brings."""
    return _JOB.sub("", printed).replace(",}", "}")


def _outside_maintenance(node: Any) -> Any:
    if type(node).__name__ != "BinaryExpr" or str(node.op).lower() != "unless":
        return node
    kept_out = {one.name for one in selectors_in(node.rhs)}
    return _bare(node.lhs) if names.MAINTENANCE.name in kept_out else node


def _compared(node: Any) -> list[Compared]:
    kind = type(node).__name__
    if kind == "ParenExpr":
        return _compared(node.expr)
    if kind == "BinaryExpr":
        operator = str(node.op).lower()
        if operator in COMPARISONS and (limit := _number(node.rhs)) is not None:
            return [Compared(str(_bare(node.lhs)), operator, limit)]
        if operator == "or":
            return [*_compared(node.lhs), *_compared(node.rhs)]
        if operator in ("and", "unless"):
            return _with_guard(node, operator)
    return [Compared(str(node))]


def _with_guard(node: Any, operator: str) -> list[Compared]:
    about = _compared(node.lhs)
    if any(part.limit is None for part in about):
        return [Compared(str(node))]
    limits = {(part.comparison, part.limit) for part in about}
    guard = _compared(node.rhs) if operator == "and" else []
    return about + [part for part in guard if (part.comparison, part.limit) in limits]


def _bare(node: Any) -> Any:
    return _bare(node.expr) if type(node).__name__ == "ParenExpr" else node


def _number(node: Any) -> Decimal | None:
    node = _bare(node)
    if type(node).__name__ == "NumberLiteral":
        return Decimal(repr(node.val)).normalize()
    if type(node).__name__ == "UnaryExpr" and (number := _number(node.expr)) is not None:
        return -number
    return None
