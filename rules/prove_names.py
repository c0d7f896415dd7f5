"""Proofs that everything which is named exists: metrics and labels, in rules and on dashboards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from model.declared import suggestion
from model.platform import Platform
from rules.inferred import Labels, label_mistakes, result_labels, selectors
from rules.proof import Proof
from rules.raw.facts import known as known_series
from rules.read_back import ReadBack, Rule

# What Prometheus writes of every alert, with all of the alert's labels.
_OF_ALERTS = ("ALERTS", "ALERTS_FOR_STATE")
_USED = re.compile(r"\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)")


class _Text(NamedTuple):
    place: str
    expr: str


def metrics_exist(platform: Platform, written: ReadBack) -> Proof:
    """Every expression asks for metrics of the catalogue, or for what a rule records."""
    known = _known(platform, written)
    objections = []
    asked: set[str] = set()
    for place, expr in _texts(written):
        try:
            named = {one.name for one in selectors(expr)}
        except ValueError as error:
            objections.append(f"{place}: is not PromQL: {error}")
            continue
        asked |= named
        objections += [
            f'{place}: there is no metric "{name}"{suggestion(name, known)}'
            for name in sorted(named - known.keys())
        ]
    return Proof(f"metrics: {len(asked)} are asked for, and all are in the catalogue", objections)


def labels_exist(platform: Platform, written: ReadBack) -> Proof:
    """Every label that is matched, grouped, joined or put into a text is there."""
    known = _known(platform, written)
    objections: list[str] = []
    texts = _texts(written)
    for place, expr in texts:
        try:
            objections += [f"{place}: {mistake}" for mistake in label_mistakes(expr, known)]
        except ValueError as error:
            objections.append(f"{place}: is not PromQL: {error}")
    for rule in written.rules:
        objections += _lost(rule, known)
    claim = f"labels: all that {len(texts)} expressions and their texts name are there"
    return Proof(claim, list(dict.fromkeys(objections)))


def _texts(written: ReadBack) -> list[_Text]:
    rules = [_Text(rule.place, rule.expr) for rule in written.rules]
    return rules + [_Text(p.place, query) for p in written.panels for query in p.queries]


def _lost(rule: Rule, known: dict[str, Labels]) -> Iterator[str]:
    """Labels that a text of an alert puts in, and that its results do not have."""
    try:
        there = result_labels(rule.expr, known)
    except ValueError:
        return  # told already
    if there is None:
        return
    # An alert's own labels are there for its annotations, but not for one another.
    texts = [(name, text, there) for name, text in rule.labels.items()]
    texts += [(name, text, there | {*rule.labels}) for name, text in rule.annotations.items()]
    for name, text, labels in texts:
        for label in dict.fromkeys(_USED.findall(text)):
            if label not in labels:
                near = suggestion(label, sorted(labels))
                yield f'{rule.place}: {name} uses "{label}", which no result has{near}'


def _known(platform: Platform, written: ReadBack) -> dict[str, Labels]:
    """The labels of every series that there is, recorded ones among them."""
    found = {name: series.labels for name, series in known_series(platform).items()}
    rules = written.rules
    added = frozenset(label for rule in rules if not rule.records for label in rule.labels)
    for name in _OF_ALERTS:
        if name in found:
            found[name] |= added | {"alertname"}
    for rule in rules:
        if rule.records:
            try:
                labels = result_labels(rule.expr, found)
            except ValueError:
                labels = None
            # Rules may share a name, as an objective's do, and tell of different things.
            before = found.get(rule.name, frozenset())
            found[rule.name] = before | (labels or frozenset()) | {*rule.labels}
    return found
