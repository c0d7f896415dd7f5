"""Which label sets the results of an expression carry, under what `rules/series` feeds it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from model.promql import (
    CONFIG_SHA256,
    Aggregate,
    Always,
    Count,
    Expr,
    Match,
    Named,
    Or,
    OrZero,
    Selector,
)
from model.raw import Fires, Raw
from rules.series.feed import OTHER, Feed, Labels


def results(expr: Expr, feed: Feed) -> list[Labels]:
    """The label sets of the results that `series` feeds an expression with."""
    return _results(expr, feed)


@singledispatch
def _results(expr: Expr, feed: Feed) -> list[Labels]:
    inner = expr.children()
    return _results(inner[0], feed) if inner else [{}]


@_results.register
def _(expr: Selector, feed: Feed) -> list[Labels]:
    return [labels for labels, _ in label_sets(expr, feed)]


@_results.register
def _(expr: Aggregate, feed: Feed) -> list[Labels]:
    # A histogram's `le` is no label of what people see.
    kept = [name for name in expr.by if name != "le"]
    found = [{name: labels[name] for name in kept} for labels in _results(expr.inner, feed)]
    return [labels for i, labels in enumerate(found) if labels not in found[:i]]


@_results.register
def _(expr: Raw, _feed: Feed) -> list[Labels]:
    found = [dict(example.labels) for example in expr.cases if isinstance(example, Fires)]
    return [labels for i, labels in enumerate(found) if labels not in found[:i]]


@_results.register(Count)
@_results.register(OrZero)
@_results.register(Always)
def _(_expr: Expr, _feed: Feed) -> list[Labels]:
    return [{}]


@_results.register
def _(expr: Or, feed: Feed) -> list[Labels]:
    return [*_results(expr.left, feed), *_results(expr.right, feed)]


@_results.register
def _(expr: Named, feed: Feed) -> list[Labels]:
    return [{**labels, expr.label: expr.value} for labels in _results(expr.inner, feed)]


def label_sets(selector: Selector, feed: Feed) -> list[tuple[Labels, str]]:
    """One label set a subject and replica; the second of each pair is the subject."""
    subjects = feed.subjects(selector) if "target" in selector.metric.labels else [""]
    return [
        ({**_labels(selector, subject, replica, feed), **chosen}, subject)
        for position, subject in enumerate(subjects)
        for replica in _probed_by(position, feed)
        for chosen in _alternatives(selector)
    ]


def _alternatives(selector: Selector) -> list[Labels]:
    """The values of a label that a matcher lists, such as `service=~"shop|web"`."""
    listed = [matcher for matcher in selector.matchers if matcher.match is Match.REGEX]
    found: list[Labels] = [{}]
    for matcher in listed:
        values = matcher.value.split("|")
        found = [{**chosen, matcher.label: value} for chosen in found for value in values]
    return found


def _probed_by(position: int, feed: Feed) -> Sequence[str]:
    return [feed.replicas[position % len(feed.replicas)]] if feed.sharded else feed.replicas


def _labels(selector: Selector, subject: str, replica: str, feed: Feed) -> Labels:
    kinds = {target.name: target.kind for target in feed.platform.targets}
    labels = {"job": "monitoring-service", "instance": replica}
    for name in selector.metric.labels:
        if name == "target":
            labels[name] = subject
        elif name == "kind":
            labels[name] = kinds.get(subject, "http")
        elif name not in labels:
            labels[name] = OTHER
    for matcher in selector.matchers:
        if matcher.match is Match.EQUAL:
            # Hashing a config takes a while.
            hashed = CONFIG_SHA256 in matcher.value
            sha256 = feed.platform.sha256 if hashed else ""
            labels[matcher.label] = matcher.value.replace(CONFIG_SHA256, sha256)
    return labels
