"""Aggregations: the labels they keep and lose, and counters that are summed without a rate."""

from __future__ import annotations

from typing import Any

from model.declared import suggestion
from rules.raw.facts import UNKNOWN_LABELS, Facts, Reader, Type, shown
from rules.raw.functions import LATER, OLDEST

_OF_VALUES = frozenset({"sum", "avg", "min", "max", "stddev", "stdvar", "quantile"})
# These pass whole series on.
_OF_SERIES = frozenset({"topk", "bottomk"})
_OF_PRESENCE = frozenset({"count", "group", "count_values"})


def aggregate(node: Any, reader: Reader) -> Facts:
    """The facts of an aggregation."""
    operator = str(node.op).lower()
    token = reader.word(operator)
    at = token.start if token else None
    if operator in LATER:
        reader.mistake(
            f"{operator} came with Prometheus {LATER[operator]}; these rules are for {OLDEST} "
            "and newer",
            at,
        )
        return Facts(sure=UNKNOWN_LABELS, possible=UNKNOWN_LABELS)
    if operator not in _OF_VALUES | _OF_SERIES | _OF_PRESENCE:
        reader.mistake(f"the aggregation {operator} is not understood", at)
        return Facts(sure=UNKNOWN_LABELS, possible=UNKNOWN_LABELS)
    if type(node.param).__name__ in reader.table:
        reader.read(node.param)
    inner = reader.read(node.expr)
    if inner.counters and operator not in _OF_PRESENCE:
        reader.mistake(
            f"{operator} of {', '.join(sorted(inner.counters))}, which is a counter: "
            f"write {operator}(rate(…)), or a counter that is reset looks like a fall",
            at,
        )
    sure, possible = _kept(node, operator, inner, reader)
    return Facts(
        Type.VECTOR,
        sure,
        possible,
        conditional=inner.conditional,
        nonzero=inner.nonzero or operator in _OF_PRESENCE,
        unguarded=inner.unguarded,
    )


def _kept(
    node: Any, operator: str, inner: Facts, reader: Reader
) -> tuple[frozenset[str], frozenset[str]]:
    labels = list(node.modifier.labels) if node.modifier else []
    without = node.modifier is not None and str(node.modifier.type).endswith("Without")
    keyword = "without" if without else "by"
    places = reader.listed((keyword,), labels) if node.modifier else {}
    for label in labels:
        if label not in inner.possible and inner.possible != UNKNOWN_LABELS:
            near = suggestion(label, sorted(inner.possible))
            reader.mistake(
                f'{operator} {keyword} ({label}): {shown(node.expr)} has no label "{label}"{near}',
                places.get(label),
            )
    if operator in _OF_SERIES:
        return inner.sure, inner.possible
    listed = frozenset(labels)
    added = frozenset({_text(node.param)}) if operator == "count_values" else frozenset[str]()
    if inner.possible == UNKNOWN_LABELS:
        kept = inner.possible if without else listed
        return kept | added, kept | added
    if without:
        return inner.sure - listed | added, inner.possible - listed | added
    # A label that there is not was reported where it stands, and not wherever it is used.
    return listed - (inner.possible - inner.sure) | added, listed | added


def _text(param: Any) -> str:
    return str(getattr(param, "val", param)).strip('"')
