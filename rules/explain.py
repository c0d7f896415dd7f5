"""`python -m rules explain <alert>`: all that is known of an alert, on one screen."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from model.declared import suggestion
from model.durations import prometheus
from model.platform import Platform
from rules import runbooks, yaml_text
from rules.comparisons import compared_in
from rules.inferred import selectors
from rules.label_sets import label_sets
from rules.on_call import OnCall, listed, read_on_call
from rules.output import Files
from rules.read_back import Rule

_WIDTH = 100
_INDENT = " " * 2
_COLUMN = 15
# Values of a test are shown where they say something: few, and no curves.
_FEW, _SHORT = 2, 24
_INSTANCE = re.compile(r'instance="([^"]*)"')
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class UnknownAlertError(Exception):
    """There is no alert of that name; the message says which was probably meant."""


def explain(name: str, platform: Platform, files: Files) -> str:
    """All that is known of an alert. Raises UnknownAlertError."""
    on_call = read_on_call(files)
    rules = [rule for rule in on_call.alerts if rule.name == name]
    if not rules:
        near = suggestion(name, [rule.name for rule in on_call.alerts])
        raise UnknownAlertError(f'there is no alert "{name[:100]}"{near}')
    lines = [line for rule in rules for line in (*_one(rule, platform, on_call), "")]
    lines += ["Unit tests", *_tests(name, on_call, files), ""]
    lines += ["Runbook", *_field("page", runbooks.path(name))]
    lines += _field("served at", rules[0].annotations.get("runbook_url", "nowhere"))
    return "\n".join(lines)


def _one(rule: Rule, platform: Platform, on_call: OnCall) -> Iterator[str]:
    severity = rule.labels.get("severity")
    yield f"{rule.name}{f' ({severity})' if severity else ''}"
    yield from _wrapped(rule.annotations.get("summary", ""))
    yield ""
    yield "Fires when"
    yield from _wrapped(rule.expr)
    yield from _condition(rule, platform)
    yield ""
    yield "Who is told"
    yield from _told(rule, platform, on_call)
    yield from _ladder(severity, on_call)
    yield ""
    yield "Inhibition"
    yield from _inhibition(rule, platform, on_call)


def _condition(rule: Rule, platform: Platform) -> Iterator[str]:
    limits = [
        f"{part.comparison} {part.limit:f}"
        for part in compared_in(rule.expr)
        if part.limit is not None
    ]
    yield from _field("threshold", " or ".join(dict.fromkeys(limits)) or "none: it is there or not")
    kept = f", keeps firing for {rule.keep_firing_for}" if rule.keep_firing_for != "0s" else ""
    evaluated = prometheus(platform.watched_by.evaluation_interval)
    yield from _field("for", f"{rule.for_}{kept}; evaluated every {evaluated}")
    yield from _field("stands in", rule.path)


def _told(rule: Rule, platform: Platform, on_call: OnCall) -> Iterator[str]:
    severity = next((s for s in platform.severities if s.name == rule.labels.get("severity")), None)
    if severity is not None:
        within = severity.response_time
        yield from _field("respond", f"within {prometheus(within)}" if within else "not at all")
    for moment, words in on_call.told(rule).items():
        yield from _field(moment, listed(words))
    for route in on_call.routes(rule)[-1:]:
        options = route.options
        yield from _field(
            "sent",
            f"{options['group_wait']} after it fires, one message for each "
            f"{' and '.join(options['group_by'])}; again every {options['repeat_interval']}",
        )


def _ladder(severity: str | None, on_call: OnCall) -> Iterator[str]:
    for step in on_call.ladder(severity):
        yield f"{_INDENT}not acknowledged for {prometheus(step.after)}: {step.rule.name}"
        for moment, words in on_call.told(step.rule).items():
            yield from _field(moment, listed(words), level=2)


def _inhibition(rule: Rule, platform: Platform, on_call: OnCall) -> Iterator[str]:
    inhibitions = on_call.tree.inhibitions
    named = {c.label for one in inhibitions for c in (*one.source, *one.target)}
    equal = {label for one in inhibitions for label in one.equal}
    sets = label_sets(platform, frozenset({*named, *equal, "severity", "alertname"}))
    own = [sent for sent in sets if sent.name == rule.name]
    own = [one for one in own if one.labels.get("severity") == rule.labels.get("severity")]
    by, silences = set(), set()
    for one in inhibitions:
        for other in sets:
            agree = "of the same " + " and ".join(one.equal)
            for sent in own:
                if one.silences(other.labels, sent.labels):
                    by.add(f"{other.name} {agree}")
                if one.silences(sent.labels, other.labels):
                    silences.add(f"{other.name} {agree}")
    yield from _field("silenced by", "; ".join(sorted(by)) or "nothing")
    yield from _field("silences", "; ".join(sorted(silences)) or "nothing")


# --- unit tests ---------------------------------------------------------------------------------


def _tests(name: str, on_call: OnCall, files: Files) -> Iterator[str]:
    read = _read(name, on_call)
    count = 0
    for path, text in files.items():
        if not path.endswith(".test.yml"):
            continue
        for test in yaml_text.read(text)["tests"]:
            expected = [t for t in test.get("alert_rule_test", ()) if t["alertname"] == name]
            # Alerts that share a name are asked for by their labels.
            firing = f'ALERTS{{alertname="{name}",'
            expected += [
                t for t in test.get("promql_expr_test", ()) if t["expr"].startswith(firing)
            ]
            if expected:
                count += 1
                given, then = _given(test, read), _then(expected)
                yield from _wrapped(f"{count}. {given}: {then}", hanging=3)
    if not count:
        yield f"{_INDENT}none"


def _read(name: str, on_call: OnCall) -> set[str]:
    """The series that an alert reads, by way of what is recorded too."""
    records = {rule.name: rule for rule in on_call.rules if rule.records}
    found: set[str] = set()
    waiting = [rule for rule in on_call.rules if rule.name == name]
    while waiting:
        for one in selectors(waiting.pop().expr):
            if one.name in records and one.name not in found:
                waiting.append(records[one.name])
            found.add(one.name)
    return found


def _given(test: dict[str, Any], read: set[str]) -> str:
    fed = [
        one
        for one in test["input_series"]
        if (metric := _METRIC.match(one["series"])) is not None and metric[0] in read
    ]
    if not fed:
        return "without any data"
    exporters = {found[1] for one in fed if (found := _INSTANCE.search(one["series"])) is not None}
    by = f" of {_many(len(exporters), 'instance')}" if exporters else ""
    ending = sum("stale" in str(one["values"]) for one in fed)
    ends = f", {ending} of which end" if ending else ""
    values = list(dict.fromkeys(str(one["values"]) for one in fed))
    told = len(values) <= _FEW and all(len(text) <= _SHORT for text in values)
    shown = f" ({' and '.join(values)})" if told else ""
    return f"{_many(len(fed), 'series', 'series')}{by}{ends}{shown}"


def _then(expected: list[dict[str, Any]]) -> str:
    said = []
    for one in expected:
        firing = len(one.get("exp_alerts") or one.get("exp_samples") or ())
        state = _many(firing, "fires", "fire") if firing else "quiet"
        said.append(f"{state} at {one['eval_time']}")
    return ", ".join(said)


def _many(count: int, one: str, several: str | None = None) -> str:
    return f"{count} {one if count == 1 else several or f'{one}s'}"


# --- layout -------------------------------------------------------------------------------------


def _field(title: str, text: str, level: int = 1) -> list[str]:
    start = f"{_INDENT * level}{title:<{_COLUMN}} "
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrapped(text: str, hanging: int = 0) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
