"""Calls of functions: rates of counters alone, ranges with enough samples, labels that are made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.declared import suggestion
from model.durations import prometheus
from rules.raw.facts import UNKNOWN_LABELS, Facts, Reader, Type, shown
from rules.raw.functions import (
    DEVIATIONS_OVER_TIME,
    LATER,
    OF_CHANGES,
    OF_COUNTERS,
    OF_GAUGES,
    OF_TIMES,
    OLDEST,
    OTHERS_OVER_TIME,
    REMOVED,
    SCALARS,
    VALUE_BY_VALUE,
    VALUES_OVER_TIME,
)
from rules.raw.selectors import equalities

_OVER_TIME = VALUES_OVER_TIME | OTHERS_OVER_TIME | DEVIATIONS_OVER_TIME
_TWO_SAMPLES = OF_COUNTERS | OF_GAUGES | OF_CHANGES


def call(node: Any, reader: Reader) -> Facts:
    """The facts of a function's results."""
    name = node.func.name
    token = reader.word(name)
    at = token.start if token else None
    arguments = [reader.read(argument) for argument in node.args]
    if name in LATER:
        reader.mistake(
            f"{name} came with Prometheus {LATER[name]}; these rules are for {OLDEST} and newer", at
        )
        return Facts(sure=UNKNOWN_LABELS, possible=UNKNOWN_LABELS)
    of = next((one for one in arguments if one.type in (Type.VECTOR, Type.MATRIX)), Facts())
    if name in _TWO_SAMPLES | _OVER_TIME:
        return _over_range(name, of, reader, at)
    if name in VALUE_BY_VALUE:
        lifts = name == "clamp_min" and (arguments[-1].number or 0) > 0
        return replace(of, selected=None, nonzero=lifts or (name == "abs" and of.nonzero))
    if name in OF_TIMES:
        return Facts(Type.VECTOR, of.sure, of.possible, conditional=of.conditional)
    if name in SCALARS:
        return Facts(Type.SCALAR, nonzero=name != "scalar", unguarded=of.unguarded)
    made = _MADE.get(name)
    if made is None:
        reader.mistake(f"the function {name} is not understood", at)
        return Facts(sure=UNKNOWN_LABELS, possible=UNKNOWN_LABELS)
    return made(node, arguments, reader, at)


def unknown_function(name: str) -> str:
    """Why a function that the parser does not know is refused."""
    if name in REMOVED:
        return f"{name} does not exist in every supported version: {REMOVED[name]}"
    near = suggestion(name, sorted(_TWO_SAMPLES | _OVER_TIME | VALUE_BY_VALUE | OF_TIMES | SCALARS
                                   | _MADE.keys()))  # fmt: skip
    return f'there is no function "{name}"{near}'


# --- over a range -------------------------------------------------------------------------------


def _over_range(name: str, of: Facts, reader: Reader, at: int | None) -> Facts:
    if name in OF_COUNTERS:
        _check_is_counter(name, of, reader, at)
    elif name in OF_GAUGES:
        for counter in sorted(of.counters):
            reader.mistake(
                f"{name} of {counter}, which is a counter: a reset would be a fall; "
                "write rate or increase",
                at,
            )
    _check_length(name, of, reader, at)
    counters = of.counters if name in VALUES_OVER_TIME else frozenset[str]()
    return Facts(
        Type.VECTOR,
        of.sure,
        of.possible,
        counters,
        conditional=of.conditional,
        nonzero=name in OTHERS_OVER_TIME,
        unguarded=of.unguarded,
    )


def _check_is_counter(name: str, of: Facts, reader: Reader, at: int | None) -> None:
    if of.selected is not None:
        if of.selected.is_gauge:
            what = f"{name} of {of.selected.name}, which is a gauge, not a counter"
            reader.mistake(f"{what}; write delta or deriv", at)
    elif of.possible != UNKNOWN_LABELS:
        reader.mistake(
            f"{name} of a calculated value: it cannot see a counter's reset; "
            f"take the {name} of each series first, then aggregate: sum({name}(…))",
            at,
        )


def _check_length(name: str, of: Facts, reader: Reader, at: int | None) -> None:
    if of.selected is None or of.length is None:
        return
    scrape = reader.scraped_every(of.selected.metric)
    wanted, least = ("four scrapes", 4 * scrape) if name in _TWO_SAMPLES else ("a scrape", scrape)
    if of.length < least:
        reader.mistake(
            f"{name}({of.selected.name}[{prometheus(of.length)}]) spans less than {wanted}, "
            f"{prometheus(scrape)} apart; write at least [{prometheus(least)}]",
            at,
        )


# --- what makes labels --------------------------------------------------------------------------


def _histogram_quantile(node: Any, args: list[Facts], reader: Reader, at: int | None) -> Facts:
    share, of = args
    if share.number is not None and not 0 <= share.number <= 1:
        reader.mistake(f"histogram_quantile: {share.number:g} is not between 0 and 1", at)
    if "le" not in of.possible and of.possible != UNKNOWN_LABELS:
        reader.mistake(
            f"histogram_quantile needs the label le, which {shown(node.args[1])} lacks: "
            "write sum by (le, …) (rate(…_bucket[…]))",
            at,
        )
    for counter in sorted(of.counters):
        reader.mistake(
            f"histogram_quantile of {counter} is one of all time: write rate({counter}[…])", at
        )
    return Facts(Type.VECTOR, of.sure - {"le"}, of.possible - {"le"},
                 conditional=of.conditional, unguarded=of.unguarded)  # fmt: skip


def _label_replace(node: Any, args: list[Facts], reader: Reader, at: int | None) -> Facts:
    made, replacement, source = (_string(node.args[i]) for i in (1, 2, 3))
    _check_sources("label_replace", (source,), args[0], reader, at)
    of = args[0]
    if replacement == "":
        return replace(of, selected=None, sure=of.sure - {made})
    return replace(of, selected=None, sure=of.sure | {made}, possible=of.possible | {made})


def _label_join(node: Any, args: list[Facts], reader: Reader, at: int | None) -> Facts:
    made, *sources = (_string(node.args[i]) for i in (1, *range(3, len(node.args))))
    _check_sources("label_join", tuple(sources), args[0], reader, at)
    of = args[0]
    return replace(of, selected=None, sure=of.sure | {made}, possible=of.possible | {made})


def _check_sources(
    name: str, sources: tuple[str, ...], of: Facts, reader: Reader, at: int | None
) -> None:
    for source in sources:
        if source and source not in of.possible and of.possible != UNKNOWN_LABELS:
            near = suggestion(source, sorted(of.possible))
            reader.mistake(f'{name}: there is no label "{source}" to read{near}', at)


def _absent(node: Any, _args: list[Facts], _reader: Reader, _at: int | None) -> Facts:
    inner = _without_parentheses(node.args[0])
    selector = getattr(inner, "vector_selector", inner)
    is_selector = type(selector).__name__ == "VectorSelector"
    labels = equalities(selector) if is_selector else frozenset[str]()
    return Facts(Type.VECTOR, labels, labels, conditional=True, nonzero=True)


def _vector(_node: Any, args: list[Facts], _reader: Reader, _at: int | None) -> Facts:
    return Facts(Type.VECTOR, nonzero=args[0].nonzero, unguarded=args[0].unguarded)


def _without_parentheses(node: Any) -> Any:
    while type(node).__name__ == "ParenExpr":
        node = node.expr
    return node


def _string(node: Any) -> str:
    return str(getattr(node, "val", ""))


_MADE = {
    "absent": _absent,
    "absent_over_time": _absent,
    "histogram_quantile": _histogram_quantile,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "vector": _vector,
}
