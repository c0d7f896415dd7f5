"""Selectors: metrics of the catalogue, their labels, and matchers that can match something."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from model.declared import suggestion
from model.durations import prometheus
from rules import scrape
from rules.raw.facts import UNKNOWN_LABELS, Facts, Reader, Selected, Type

_SYMBOLS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def vector(node: Any, reader: Reader) -> Facts:
    """The facts of an instant selector."""
    name, matchers = _named(node)
    if node.matchers.or_matchers:
        reader.mistake("`or` among matchers is not PromQL: write =~ with alternatives")
    if name is None:
        reader.mistake("a selector without a metric's name: write which metric it is about")
        return Facts(sure=UNKNOWN_LABELS, possible=UNKNOWN_LABELS)
    token = reader.word(name)
    at = token.start if token else None
    selected = reader.series(name, at)
    _check_offset(node, reader, at)
    braces = reader.matchers(token)
    places = {label.text: label.start for label, _, _ in braces.matchers} if braces else {}
    if selected is None:
        return Facts(sure=UNKNOWN_LABELS, possible=UNKNOWN_LABELS)
    for label, match, value in matchers:
        _check_matcher(selected, label, match, value, reader, places.get(label, at))
    _check_together(matchers, reader, at)
    counters = frozenset({name}) if selected.is_counter else frozenset[str]()
    return Facts(
        sure=selected.labels, possible=selected.labels, counters=counters, selected=selected
    )


def matrix(node: Any, reader: Reader) -> Facts:
    """The facts of a range selector."""
    facts = vector(node.vector_selector, reader)
    return Facts(Type.MATRIX, facts.sure, facts.possible, facts.counters, facts.selected,
                 length=node.range)  # fmt: skip


def subquery(node: Any, reader: Reader) -> Facts:
    """The facts of a subquery: those of what it evaluates, but a series' own no more."""
    facts = reader.read(node.expr)
    _check_offset(node, reader, None)
    step = node.step or reader.platform.watched_by.evaluation_interval
    if step and node.range < 4 * step:
        reader.mistake(
            f"[{prometheus(node.range)}:{prometheus(step)}] has less than four steps; "
            f"write at least [{prometheus(4 * step)}:{prometheus(step)}]"
        )
    bare = node.expr if facts.selected and type(node.expr).__name__ == "VectorSelector" else None
    return Facts(
        Type.MATRIX,
        facts.sure,
        facts.possible,
        facts.counters,
        facts.selected if bare is not None else None,
        unguarded=facts.unguarded,
    )


def equalities(node: Any) -> frozenset[str]:
    """The labels that `absent` gives its result: those that a selector fixes."""
    _, matchers = _named(node)
    labels = [label for label, _, _ in matchers]
    return frozenset(
        label for label, match, _ in matchers if match == "=" and labels.count(label) == 1
    )


def _named(node: Any) -> tuple[str | None, list[tuple[str, str, str]]]:
    """A selector's metric, and its other matchers."""
    matchers = [
        (one.name, _SYMBOLS[str(one.op).rpartition(".")[2]], one.value)
        for one in node.matchers.matchers
    ]
    fixed = [value for label, match, value in matchers if (label, match) == ("__name__", "=")]
    rest = [one for one in matchers if one[0] != "__name__"]
    return node.name or (fixed[0] if fixed else None), rest


def _check_offset(node: Any, reader: Reader, at: int | None) -> None:
    if node.offset is not None and node.offset < timedelta(0):
        reader.mistake("offset looks into the future, where there are no samples", at)


def _check_matcher(
    selected: Selected, label: str, match: str, value: str, reader: Reader, at: int | None
) -> None:
    shown = f'{label}{match}"{value}"'
    if label not in selected.labels:
        near = suggestion(label, sorted(selected.labels))
        reader.mistake(f'{selected.name} has no label "{label}"{near}', at)
        return
    if _matches(match, value, "") and not _matches(match, value, "x"):
        reader.mistake(f"{shown} never matches: each series of {selected.name} has a {label}", at)
        return
    values = _values(label, reader)
    if values is None or (match == "!=" and value == ""):
        return
    kept = [one for one in values if _matches(match, value, one)]
    near = suggestion(value, values)
    if not kept:
        reader.mistake(f"{shown} never matches: no {label} of this config does{near}", at)
    elif match.startswith("!") and len(kept) == len(values):
        reader.mistake(f"{shown} keeps nothing out: no {label} of this config is that{near}", at)


def _check_together(matchers: list[tuple[str, str, str]], reader: Reader, at: int | None) -> None:
    fixed: dict[str, str] = {}
    for label, match, value in matchers:
        if match == "=" and fixed.setdefault(label, value) != value:
            reader.mistake(
                f'{label}="{fixed[label]}" and {label}="{value}" together never match', at
            )


def _matches(match: str, value: str, candidate: str) -> bool:
    if match in ("=", "!="):
        return (value == candidate) is (match == "=")
    try:
        return bool(re.fullmatch(value, candidate, re.DOTALL)) is (match == "=~")
    except re.error:
        return True  # Go's syntax has more than Python's; the parser has read it


def _values(label: str, reader: Reader) -> list[str] | None:
    """The values that a label has on this platform, None if the config does not say."""
    match label:
        case "target":
            return [target.name for target in reader.platform.targets]
        case "kind":
            return list(dict.fromkeys(target.kind for target in reader.platform.targets))
        case "job":
            return scrape.job_names(reader.platform)
        case _:
            return None
