"""Operators: what is compared, divided and joined, and the labels that are left."""

from __future__ import annotations

from typing import Any

from model.declared import suggestion
from rules.raw.facts import UNKNOWN_LABELS, Facts, Reader, Type, shown

_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "atan2"})
_SETS = frozenset({"and", "or", "unless"})


def binary(node: Any, reader: Reader) -> Facts:
    """The facts of two parts with an operator between."""
    operator = str(node.op).lower()
    left = reader.read(node.lhs)
    token = reader.word(operator)
    at = token.start if token else None
    right = reader.read(node.rhs)
    if operator in _SETS:
        return _set(node, operator, left, right, reader, at)
    if operator in _COMPARISONS:
        return _comparison(node, operator, left, right, reader, at)
    if operator in _ARITHMETIC:
        return _arithmetic(node, operator, left, right, reader, at)
    reader.mistake(f"the operator {operator} is not understood", at)
    return Facts(sure=UNKNOWN_LABELS, possible=UNKNOWN_LABELS)


def negated(node: Any, reader: Reader) -> Facts:
    """The facts of a part with a sign before it."""
    reader.word("-")
    inner = reader.read(node.expr)
    number = -inner.number if inner.number is not None else None
    return Facts(inner.type, inner.sure, inner.possible, inner.counters,
                 conditional=inner.conditional, nonzero=inner.nonzero,
                 unguarded=inner.unguarded, number=number)  # fmt: skip


def _comparison(
    node: Any, operator: str, left: Facts, right: Facts, reader: Reader, at: int | None
) -> Facts:
    for counter in sorted(left.counters | right.counters):
        reader.mistake(
            f"{counter} is a counter: compare its rate or increase, not its value",
            reader.place_of(counter),
        )
    sure, possible = _joined(node, operator, left, right, reader, at)
    returns_bool = node.modifier is not None and node.modifier.return_bool
    is_vector = Type.VECTOR in (left.type, right.type)
    return Facts(
        Type.VECTOR if is_vector else Type.SCALAR,
        sure,
        possible,
        conditional=not returns_bool or left.conditional or right.conditional,
        nonzero=not returns_bool and _keeps_zero_out(operator, left, right),
        unguarded=left.unguarded + right.unguarded,
    )


def _keeps_zero_out(operator: str, left: Facts, right: Facts) -> bool:
    """Whether a comparison lets no 0 through."""
    if left.nonzero and left.number is None:
        return True
    number, flipped = (right.number, False) if right.number is not None else (left.number, True)
    if number is None:
        return False
    if flipped:
        operator = operator.translate(str.maketrans("<>", "><"))
    holds = {
        "==": number == 0,
        "!=": number != 0,
        "<": number > 0,
        "<=": number >= 0,
        ">": number < 0,
        ">=": number <= 0,
    }
    return not holds[operator]


def _arithmetic(
    node: Any, operator: str, left: Facts, right: Facts, reader: Reader, at: int | None
) -> Facts:
    sure, possible = _joined(node, operator, left, right, reader, at)
    is_vector = Type.VECTOR in (left.type, right.type)
    unguarded = left.unguarded + right.unguarded
    if operator == "/" and not right.nonzero:
        if right.number == 0:
            reader.mistake(f"{shown(node)} divides by 0", at)
        else:
            unguarded += ((at, f"{shown(node.lhs)} / {shown(node.rhs)}"),)
    return Facts(
        Type.VECTOR if is_vector else Type.SCALAR,
        sure,
        possible,
        left.counters | right.counters,
        conditional=left.conditional or right.conditional,
        nonzero=operator in "*/" and left.nonzero and right.nonzero,
        unguarded=unguarded,
    )


def _set(
    node: Any, operator: str, left: Facts, right: Facts, reader: Reader, at: int | None
) -> Facts:
    _check_join(node, operator, left, right, reader, at)
    if operator == "or":
        return Facts(
            Type.VECTOR,
            left.sure & right.sure,
            left.possible | right.possible,
            left.counters | right.counters,
            conditional=left.conditional and right.conditional,
            nonzero=left.nonzero and right.nonzero,
            unguarded=left.unguarded + right.unguarded,
        )
    # What the other side asks for, such as a volume, decides whether a division counts.
    left_unguarded = () if _guards(right) else left.unguarded
    right_unguarded = () if operator == "and" and _guards(left) else right.unguarded
    return Facts(
        Type.VECTOR,
        left.sure,
        left.possible,
        left.counters,
        conditional=operator == "unless" or left.conditional or right.conditional,
        nonzero=left.nonzero,
        unguarded=left_unguarded + right_unguarded,
    )


def _guards(side: Facts) -> bool:
    return side.conditional and not side.unguarded


# --- matching -----------------------------------------------------------------------------------


def _joined(
    node: Any, operator: str, left: Facts, right: Facts, reader: Reader, at: int | None
) -> tuple[frozenset[str], frozenset[str]]:
    """The labels of the results of two vectors that are matched one to one, or many to one."""
    if left.type is not Type.VECTOR or right.type is not Type.VECTOR:
        side = left if left.type is Type.VECTOR else right
        return side.sure, side.possible
    _check_join(node, operator, left, right, reader, at)
    modifier = node.modifier
    card = str(modifier.card).rpartition(".")[2] if modifier else "OneToOne"
    if card in ("ManyToOne", "OneToMany"):
        many, one = (left, right) if card == "ManyToOne" else (right, left)
        return _grouped(node, many, one, reader)
    if modifier is None or modifier.matching is None:
        return left.sure, left.possible
    listed = frozenset(modifier.matching.labels)
    if _is_on(modifier):
        return listed, listed
    return left.sure - listed, left.possible - listed


def _grouped(
    node: Any, many: Facts, one: Facts, reader: Reader
) -> tuple[frozenset[str], frozenset[str]]:
    extra = list(node.modifier.group_labels or [])
    places = reader.listed(("group_left", "group_right"), extra) if extra else {}
    for label in extra:
        if label not in one.possible and one.possible != UNKNOWN_LABELS:
            near = suggestion(label, sorted(one.possible))
            reader.mistake(
                f'group_left ({label}): the other side has no label "{label}" to give{near}',
                places.get(label),
            )
    return many.sure | frozenset(extra), many.possible | frozenset(extra)


def _check_join(
    node: Any, operator: str, left: Facts, right: Facts, reader: Reader, at: int | None
) -> None:
    """Whether the sides have the labels by which they are matched."""
    sides = ((left, right, shown(node.lhs)), (right, left, shown(node.rhs)))
    if any(side.possible == UNKNOWN_LABELS for side in (left, right)):
        return
    matching = node.modifier.matching if node.modifier else None
    if matching is not None and _is_on(node.modifier):
        places = reader.listed(("on",), list(matching.labels))
        for label in matching.labels:
            for side, _, text in sides:
                if label not in side.possible:
                    near = suggestion(label, sorted(side.possible))
                    reader.mistake(
                        f'{operator} on ({label}): {text} has no label "{label}"{near}',
                        places.get(label, at),
                    )
        return
    ignored = frozenset(matching.labels if matching is not None else ())
    places = reader.listed(("ignoring",), list(ignored)) if ignored else {}
    for label in sorted(ignored - left.possible - right.possible):
        near = suggestion(label, sorted(left.possible | right.possible))
        reader.mistake(
            f'{operator} ignoring ({label}): neither side has a label "{label}"{near}',
            places.get(label, at),
        )
    if operator == "or":
        return
    for side, other, text in sides:
        lost = sorted(side.sure - ignored - other.possible)
        if lost:
            names = ", ".join(lost)
            reader.mistake(
                f"{operator} never matches: {text} has the labels {names}, which the other side "
                f"lacks; match on (…) labels that both have, or ignoring ({names})",
                at,
            )


def _is_on(modifier: Any) -> bool:
    return str(modifier.matching.type).endswith("Include")
