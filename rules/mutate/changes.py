"""What is changed in a rule, one thing at a time: the mistakes that its unit tests must notice.

Works on the generated text, so that it does not matter how an expression came to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from model.durations import parse, prometheus
from rules.raw.tokens import Braces, Kind, Token, braces, in_braces, tokens

Rule = dict[str, Any]

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_AGGREGATIONS = ("avg", "count", "max", "min", "sum")
_SETS = ("and", "or", "unless")
# Functions that are mistaken for one another.
_FUNCTIONS = (
    ("rate", "irate", "increase"),
    ("delta", "idelta", "deriv"),
    ("avg_over_time", "max_over_time", "min_over_time", "last_over_time", "sum_over_time"),
    ("absent", "count"),
    ("ceil", "floor"),
    ("clamp_max", "clamp_min"),
)
_OPPOSITE = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}


@dataclass(frozen=True)
class Mutant:
    """A rule with one thing changed; `what` names the change, and no other of the same rule."""

    what: str
    rule: Rule


def mutants(rule: Rule, *, interval: timedelta, coarse: bool) -> list[Mutant]:
    """Every change of a rule that is evaluated so often.

    `coarse` is for what people wrote tests of by hand: thresholds move by a tenth then, else by as
    little as generated tests have to tell apart.
    """
    changed = [*_of_expression(rule, coarse=coarse)]
    if "record" in rule:
        changed += _of_labels(rule)
    else:
        changed += _of_length(rule, "for", interval)
        changed += _of_length(rule, "keep_firing_for", interval)
    seen: Counter[str] = Counter()
    numbered = []
    for mutant in changed:
        seen[mutant.what] += 1
        nth = seen[mutant.what]
        what = mutant.what if nth == 1 else f"{mutant.what} ({nth})"
        numbered.append(Mutant(what, mutant.rule))
    return numbered


def _of_length(rule: Rule, setting: str, interval: timedelta) -> Iterator[Mutant]:
    """One evaluation longer or shorter, and not at all."""
    length = parse(rule.get(setting, "0s"))
    yield Mutant(f"{setting} +", {**rule, setting: prometheus(length + interval)})
    if length > interval:
        yield Mutant(f"{setting} -", {**rule, setting: prometheus(length - interval)})
    if length:
        yield Mutant(f"{setting} 0", {k: v for k, v in rule.items() if k != setting})


def _of_labels(rule: Rule) -> Iterator[Mutant]:
    """Another value of each label that is recorded."""
    labels = rule.get("labels", {})
    for label, value in labels.items():
        yield Mutant(f"label {label}", {**rule, "labels": {**labels, label: f"{value}x"}})


def _of_expression(rule: Rule, *, coarse: bool) -> Iterator[Mutant]:
    text = rule["expr"]
    found = tokens(text)
    for index, token in enumerate(found):
        for what, replacement in _changes(found, index, text, coarse=coarse):
            yield _with(rule, what, token, replacement)
    for one in braces(found):
        yield from _of_matchers(rule, one)


def _with(rule: Rule, what: str, token: Token, replacement: str) -> Mutant:
    text = rule["expr"]
    return Mutant(what, {**rule, "expr": text[: token.start] + replacement + text[token.end :]})


def _changes(
    found: list[Token], index: int, text: str, *, coarse: bool
) -> Iterator[tuple[str, str]]:
    """What else may stand in a word's place: pairs of the change's name and the other word."""
    token = found[index]
    if in_braces(found, index):
        return
    before = found[index - 1].text if index else ""
    after = found[index + 1].text if index + 1 < len(found) else ""
    if token.kind is Kind.SIGN and token.text in _COMPARISONS:
        yield from _others(token.text, _COMPARISONS)
    elif (
        token.kind is Kind.WORD and token.text in _AGGREGATIONS and after in ("(", "by", "without")
    ):
        yield from _others(token.text, _AGGREGATIONS)
    elif token.kind is Kind.WORD and token.text in _SETS:
        yield from _others(token.text, _SETS)
    elif token.kind is Kind.WORD and after == "(":
        group = next((group for group in _FUNCTIONS if token.text in group), ())
        yield from _others(token.text, group)
    elif token.kind is Kind.DURATION:
        where = "offset" if before == "offset" else "step" if before == ":" else "range"
        yield f"{where} doubled", prometheus(parse(token.text) * 2)
        yield f"{where} halved", prometheus(parse(token.text) / 2)
        if where == "offset":
            yield "offset gone", "1ms"  # Prometheus 2.42 reads no 0s
    elif token.kind is Kind.NUMBER:
        compared = {before, after} & {*_COMPARISONS, "bool"}
        yield from _numbers(token.text, text, compared=bool(compared), coarse=coarse)


def _others(word: str, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for other in words:
        if other != word:
            yield f"{word} -> {other}", other


def _numbers(number: str, text: str, *, compared: bool, coarse: bool) -> Iterator[tuple[str, str]]:
    value = Decimal(number)
    what = "threshold" if compared else "number"
    step = _step(value, text, coarse=coarse) if compared else abs(value) / 10 or Decimal(1)
    yield f"{what} +", f"{value + step:f}"
    if value or compared:
        yield f"{what} -", f"{value - step:f}"


def _step(threshold: Decimal, text: str, *, coarse: bool) -> Decimal:
    """By how much a threshold moves: as little as matters."""
    whole = threshold == threshold.to_integral()
    if "count" in text or (coarse and whole and threshold <= 10):
        return Decimal(1)
    # Interpolation between buckets is no exact arithmetic.
    parts = 8 if coarse or "histogram_quantile" in text else 500
    return abs(threshold) / parts or Decimal("0.002")


def _of_matchers(rule: Rule, selector: Braces) -> Iterator[Mutant]:
    """Another operator, another value, and no matcher at all."""
    text = rule["expr"]
    for label, sign, value in selector.matchers:
        opposite = _OPPOSITE[sign.text]
        yield _with(rule, f"{label.text}{sign.text} -> {opposite}", sign, opposite)
        other = f"{value.text[:-1]}x{value.text[-1]}"
        yield _with(rule, f"{label.text} another value", value, other)
        gone = f'{label.text}=~".*"'
        changed = text[: label.start] + gone + text[value.end :]
        yield Mutant(f"{label.text} any value", {**rule, "expr": changed})
