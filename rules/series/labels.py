"""Which label sets the results of an expression carry, under what `rules/series` feeds it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import singledispatch

from model.alerts import Alert
from model.jobs import JOB, SERVICES_JOB
from model.platform import Platform
from model.promql import (
    Aggregate,
    Always,
    And,
    Combined,
    Count,
    Expr,
    Joined,
    Match,
    Matcher,
    Named,
    Or,
    OrZero,
    Ratio,
    Recorded,
    Selector,
)
from model.raw import Fires, Raw
from rules.series.feed import OTHER, Feed, Labels
from rules.untestable import UntestableError

_FREE_VALUES = (OTHER, "another")
# A matcher that lists values, such as service=~"shop|web".
_LIST = re.compile(r"[\w-]+(?:\|[\w-]+)*")
# Stands for a dot that is meant as such while the others are replaced.
_DOT = "\0"


def results(expr: Expr, feed: Feed) -> list[Labels]:
    """The label sets of the results that `series` feeds an expression with."""
    return feed.once(expr, _results)


def every_result(alert: Alert, platform: Platform) -> list[Labels]:
    """The label sets of an alert's results with all targets. Raises UntestableError."""
    return platform.once(_every_result, alert)


def _every_result(alert: Alert, platform: Platform) -> list[Labels]:
    return results(alert.expr, Feed(platform))


@singledispatch
def _results(expr: Expr, feed: Feed) -> list[Labels]:
    inner = expr.children()
    return results(inner[0], feed) if inner else [{}]


@_results.register
def _(expr: Selector, feed: Feed) -> list[Labels]:
    return label_sets(expr, feed)


@_results.register
def _(expr: Recorded, feed: Feed) -> list[Labels]:
    found = results(expr.recording.expr, inside(expr, feed))
    return [{**labels, **expr.recording.labels} for labels in found]


@_results.register
def _(expr: Aggregate, feed: Feed) -> list[Labels]:
    # A histogram's `le` is no label of what people see.
    kept = [name for name in expr.by if name != "le"]
    found = ({name: labels[name] for name in kept} for labels in results(expr.inner, feed))
    return distinct(found)


@_results.register
def _(expr: And, feed: Feed) -> list[Labels]:
    return _matched(results(expr.left, feed), results(expr.right, feed), expr.on)


@_results.register
def _(expr: Ratio, feed: Feed) -> list[Labels]:
    return _matched(results(expr.numerator, feed), results(expr.denominator, feed), expr.on)


@_results.register
def _(expr: Combined, feed: Feed) -> list[Labels]:
    return _matched(results(expr.left, feed), results(expr.right, feed), None)


@_results.register
def _(expr: Or, feed: Feed) -> list[Labels]:
    return distinct((*results(expr.left, feed), *results(expr.right, feed)))


@_results.register
def _(expr: Named, feed: Feed) -> list[Labels]:
    return [{**labels, expr.label: expr.value} for labels in results(expr.inner, feed)]


@_results.register
def _(expr: Joined, feed: Feed) -> list[Labels]:
    values = joined_values(expr, feed)
    return [{**labels, **values} for labels in results(expr.left, feed)]


@_results.register
def _(expr: Raw, _feed: Feed) -> list[Labels]:
    return distinct(example.labels for example in expr.cases if isinstance(example, Fires))


@_results.register(Count)
@_results.register(OrZero)
@_results.register(Always)
def _(_expr: Expr, _feed: Feed) -> list[Labels]:
    return [{}]


def _matched(left: list[Labels], right: list[Labels], on: tuple[str, ...] | None) -> list[Labels]:
    """Those of the left side that have a counterpart on the right, by some labels or by all."""

    def told(labels: Labels) -> frozenset[tuple[str, str]]:
        return frozenset(
            (name, labels[name]) for name in (labels if on is None else on) if labels.get(name)
        )

    there = {told(labels) for labels in right}
    return [labels for labels in left if told(labels) in there]


def joined_values(expr: Joined, feed: Feed) -> Labels:
    """The values of the labels that are joined."""
    info = results(expr.info, feed)[0]
    return {label: info[label] for label in expr.joined}


def distinct(found: Iterable[Labels]) -> list[Labels]:
    """The label sets, each once and in their order."""
    return [dict(pairs) for pairs in dict.fromkeys(tuple(labels.items()) for labels in found)]


def inside(expr: Recorded, feed: Feed) -> Feed:
    """What the expression of a recording rule is fed, so that it records what is selected."""
    known = expr.recording.expr.labels
    return feed.pin({label: value for label, value in expr.fixed.items() if label in known})


def label_sets(selector: Selector, feed: Feed) -> list[Labels]:
    """One label set a subject and replica."""
    listed = _listed(selector, feed)
    of_targets = "target" in selector.metric.labels
    of_services = feed.tells_of_services(selector) and not any("service" in one for one in listed)
    subjects = feed.subjects(selector) if of_targets or of_services else [""]
    if not subjects:
        return []
    common, open_ = _common(selector, feed), _open(selector, feed)
    found: list[Labels] = []
    for position, subject in enumerate(subjects):
        own = open_.of(subject, feed)
        for replica in _probed_by(position, feed):
            if open_.instance:
                own["instance"] = replica
            found.extend([{**common, **own, **chosen} for chosen in listed])
    return found


def _listed(selector: Selector, feed: Feed) -> list[Labels]:
    """The values of labels that matchers list, and that nothing else settles."""
    found: list[Labels] = [{}]
    settled = {*dict(feed.pinned), *selector.fixed}
    for matcher in selector.matchers:
        is_list = matcher.match is Match.REGEX and _LIST.fullmatch(matcher.value)
        if is_list and matcher.label not in settled:
            values = matcher.value.split("|")
            found = [{**one, matcher.label: value} for one in found for value in values]
    return found


def free_labels(selector: Selector) -> list[str]:
    """The labels of a metric that take any value."""
    bound = {"target", "kind", "service", "job", "instance", "le"}
    bound |= {matcher.label for matcher in selector.matchers}
    return [label for label in selector.metric.labels if label not in bound]


def free_values(label: str, matchers: Sequence[Matcher]) -> list[str]:
    """Values for a label that all matchers let pass."""
    own = [matcher for matcher in matchers if matcher.label == label]
    tried = [m.value for m in own if m.match is Match.EQUAL]
    tried += [_sample(m.value) for m in own if m.match is Match.REGEX]
    return [v for v in (*tried, *_FREE_VALUES) if all(lets_pass(m, v) for m in own)]


def value_that_matches(label: str, matchers: Sequence[Matcher]) -> str:
    """A value for a label that all matchers let pass. Raises UntestableError."""
    found = free_values(label, matchers)
    if not found:
        own = ", ".join(str(matcher) for matcher in matchers if matcher.label == label)
        raise UntestableError(f"no value of {label} is known that matches {own}")
    return found[0]


def lets_pass(matcher: Matcher, value: str) -> bool:
    """Whether a matcher selects a label's value."""
    match matcher.match:
        case Match.EQUAL:
            return value == matcher.value
        case Match.NOT_EQUAL:
            return value != matcher.value
        case Match.REGEX:
            return re.fullmatch(matcher.value, value) is not None
        case Match.NOT_REGEX:
            return re.fullmatch(matcher.value, value) is None


def excluded_value(matcher: Matcher) -> str | None:
    """A value that only this matcher keeps out, None if it names none."""
    if matcher.match is Match.NOT_EQUAL:
        return matcher.value
    value = _sample(matcher.value)
    return value if matcher.match is Match.NOT_REGEX and not lets_pass(matcher, value) else None


def _sample(pattern: str) -> str:
    """A text that simple regular expressions match: their first alternative, with 0 for a dot."""
    first = pattern.strip("()").split("|")[0].replace(r"\.", _DOT)
    for written in (".*", ".+", r"\d", "."):
        first = first.replace(written, "0")
    return re.sub(r"\[(.)[^\]]*\]", r"\1", first).replace(_DOT, ".")


def _probed_by(position: int, feed: Feed) -> Sequence[str]:
    return [feed.replicas[position % len(feed.replicas)]] if feed.sharded else feed.replicas


def _common(selector: Selector, feed: Feed) -> dict[str, str]:
    """The labels of every series of a selector, in their order; empty those that are open."""
    told = feed.tells_of_services(selector)
    labels = {"job": SERVICES_JOB if feed.is_of_services(selector) else JOB, "instance": ""}
    for name in selector.metric.labels:
        if name in ("target", "kind") or (name == "service" and told):
            labels[name] = ""
        elif name not in labels:
            labels[name] = value_that_matches(name, selector.matchers)
    for matcher in selector.matchers:
        if matcher.match is Match.EQUAL:
            labels[matcher.label] = feed.settled(matcher.value)
        elif matcher.label == "le":
            labels["le"] = value_that_matches("le", selector.matchers)
    return labels | _pinned(selector, feed)


def _pinned(selector: Selector, feed: Feed) -> dict[str, str]:
    """The labels of a selector that are settled from outside of it."""
    known = {*selector.metric.labels, "le"} - selector.fixed.keys()
    return {name: value for name, value in feed.pinned if name in known}


@dataclass(frozen=True, slots=True)
class _Open:
    """The labels of a selector in which its series differ: by subject, by its kind, by replica."""

    subject: tuple[str, ...]
    kind: bool
    instance: bool

    def of(self, subject: str, feed: Feed) -> dict[str, str]:
        """Their values for a subject."""
        own = dict.fromkeys(self.subject, subject)
        if self.kind:
            own["kind"] = feed.platform.kinds.get(subject, "http")
        return own


def _open(selector: Selector, feed: Feed) -> _Open:
    settled = {*selector.fixed, *_pinned(selector, feed)}
    labels = [name for name in selector.metric.labels if name not in settled]
    told = feed.tells_of_services(selector)
    return _Open(
        tuple(name for name in labels if name == "target" or (name == "service" and told)),
        "kind" in labels,
        "instance" not in settled,
    )
