"""Which labels the results of a PromQL text have, inferred from the text and the catalogue.

It shares nothing with `model/promql`, which knows the labels of what it builds, so that the one can
be held to the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser

from model.declared import suggestion

Labels = frozenset[str]
_SETS = frozenset({"and", "or", "unless"})


@dataclass(frozen=True, slots=True)
class Named:
    """A selector: the name of its series, and the labels that its matchers name.

    `equal` are those of them that must have a value, with it; nothing of a selector that joins its
    matchers by `or`.
    """

    name: str
    matched: tuple[str, ...]
    equal: tuple[tuple[str, str], ...] = ()


def selectors(text: str) -> list[Named]:
    """Every selector of an expression. Raises ValueError if it is no PromQL."""
    return list(selectors_in(promql_parser.parse(text)))


def result_labels(text: str, known: Mapping[str, Labels]) -> Labels | None:
    """The labels that results can have; None if that depends on what is not known."""
    return _labels(promql_parser.parse(text), known)


def label_mistakes(text: str, known: Mapping[str, Labels]) -> list[str]:
    """Matchers, `by`, `on` and their like that name a label which is not there."""
    return list(_mistakes(promql_parser.parse(text), known))


def selectors_in(node: Any) -> Iterator[Named]:
    """Every selector of a part that the parser has read."""
    if type(node).__name__ == "VectorSelector":
        matchers = node.matchers.matchers
        fixed = [one.value for one in matchers if one.name == "__name__"]
        labels = tuple(one.name for one in matchers if one.name != "__name__")
        equal = tuple(
            (one.name, one.value)
            for one in matchers
            if one.op == promql_parser.MatchOp.Equal and one.name != "__name__"
        )
        yield Named(node.name or (fixed[0] if fixed else ""), labels, equal)
    for child in _children(node):
        yield from selectors_in(child)


def _children(node: Any) -> list[Any]:
    match type(node).__name__:
        case "AggregateExpr":
            return [part for part in (node.expr, node.param) if part is not None]
        case "BinaryExpr":
            return [node.lhs, node.rhs]
        case "Call":
            return list(node.args)
        case "MatrixSelector":
            return [node.vector_selector]
        case "ParenExpr" | "SubqueryExpr" | "UnaryExpr":
            return [node.expr]
        case _:
            return []


def _labels(node: Any, known: Mapping[str, Labels]) -> Labels | None:
    match type(node).__name__:
        case "VectorSelector":
            (selector,) = selectors_in(node)
            return known.get(selector.name)
        case "NumberLiteral" | "StringLiteral":
            return frozenset()
        case "AggregateExpr":
            return _aggregated(node, known)
        case "BinaryExpr":
            return _joined(node, known)
        case "Call":
            return _called(node, known)
        case _:
            (inner,) = _children(node)
            return _labels(inner, known)


def _aggregated(node: Any, known: Mapping[str, Labels]) -> Labels | None:
    inner = _labels(node.expr, known)
    if str(node.op) in ("topk", "bottomk"):
        return inner
    if node.modifier is None:
        return frozenset()
    listed = frozenset(node.modifier.labels)
    if str(node.modifier.type).endswith("By"):
        return listed
    return None if inner is None else inner - listed


def _joined(node: Any, known: Mapping[str, Labels]) -> Labels | None:
    left, right = _labels(node.lhs, known), _labels(node.rhs, known)
    operator = str(node.op).lower()
    if operator in ("and", "unless"):
        return left
    if left is None or right is None:
        return None
    return left | right


def _called(node: Any, known: Mapping[str, Labels]) -> Labels | None:
    name, arguments = node.func.name, list(node.args)
    if name in ("vector", "time"):
        return frozenset()
    if name.startswith("absent"):
        return frozenset(label for one in selectors_in(arguments[0]) for label in one.matched)
    vectors = [one for one in arguments if type(one).__name__ not in _LITERALS]
    inner = _labels(vectors[0], known) if vectors else frozenset()
    if inner is None:
        return None
    if name in ("label_replace", "label_join"):
        return inner | {str(arguments[1].val)}
    return inner - {"le"} if name == "histogram_quantile" else inner


_LITERALS = frozenset({"NumberLiteral", "StringLiteral"})


def _mistakes(node: Any, known: Mapping[str, Labels]) -> Iterator[str]:
    kind = type(node).__name__
    if kind == "VectorSelector":
        (selector,) = selectors_in(node)
        yield from _missing(selector.matched, known.get(selector.name), selector.name)
    elif kind == "AggregateExpr" and node.modifier is not None:
        yield from _missing(node.modifier.labels, _labels(node.expr, known), str(node.expr))
    elif kind == "BinaryExpr" and (on := _matched_on(node)) is not None:
        for side in (node.lhs, node.rhs):
            yield from _missing(on, _labels(side, known), str(side))
    for child in _children(node):
        yield from _mistakes(child, known)


def _matched_on(node: Any) -> list[str] | None:
    matching = getattr(node.modifier, "matching", None)
    if matching is None or not str(matching.type).endswith("Include"):
        return None
    return list(matching.labels)


def _missing(labels: Any, there: Labels | None, what: str) -> Iterator[str]:
    if there is not None:
        for label in labels:
            if label not in there:
                yield f'{what} has no label "{label}"{suggestion(label, sorted(there))}'
