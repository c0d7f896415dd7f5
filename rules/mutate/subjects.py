"""What is changed: every rule that is generated, and its unit tests alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from rules.mutate.changes import Rule
from rules.output import Files
from rules.raw.tokens import names, tokens

# The two ways in which a test asks for a rule: for an alert by its name, and for what it, or a
# recording rule, makes a series of.
_KINDS = ("alert_rule_test", "promql_expr_test")
# Where a test notes how often its file has rules evaluated.
EVALUATED = "evaluation_interval"
_ALERTNAME = re.compile(r'(?<=alertname=")\w+(?=")')
_RECORDED = re.compile(r"(?<=^\()[a-z][\w:]*")
Test = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A rule: those that it reads, and its unit tests alone.

    `title` is its name, and what tells it from others of that name. A recording rule without tests
    of its own has those of an alert that reads it, its `reader`.
    """

    title: str
    rule: Rule
    interval: str
    recorded: tuple[Rule, ...]
    tests: tuple[Test, ...]
    reader: Rule | None = None

    @property
    def rule_name(self) -> str:
        """The name of the rule that is changed."""
        return _name(self.rule)

    @property
    def name(self) -> str:
        """The name of the alert, or of what is recorded, that the tests ask for."""
        return _name(self.reader or self.rule)


def subjects(files: Files) -> list[Subject]:
    """Every alert and every recording rule in the generated rules."""
    groups = [
        group
        for path, text in sorted(files.items())
        if path.endswith(".rules.yml")
        for group in yaml.load(text, yaml.CSafeLoader)["groups"]
    ]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = [rule for rule in rules if "record" in rule]
    named = Counter(_name(rule) for rule in rules)
    tests = _tests(files)
    found = [
        _subject(
            _title(rule) if named[_name(rule)] > 1 else _name(rule),
            rule,
            group["interval"],
            recorded if "alert" in rule else [],
            tests.get(_name(rule), []),
        )
        for group in groups
        for rule in group["rules"]
    ]
    return [one if one.tests else _through_its_reader(one, found) for one in found]


def changed(subject: Subject, name: str, rule: Rule) -> list[Rule]:
    """The rules of which the tests ask for one of this name: a changed one, and its reader."""
    if subject.reader is None:
        return [{**rule, "record" if "record" in rule else "alert": name}]
    recorded = f"{_name(rule)}_{name}"
    text, pieces, end = subject.reader["expr"], list[str](), 0
    for token in tokens(text):
        if token.text == _name(subject.rule):
            pieces += [text[end : token.start], recorded]
            end = token.end
    reads = "".join([*pieces, text[end:]])
    return [{**rule, "record": recorded}, {**subject.reader, "expr": reads, "alert": name}]


def _through_its_reader(subject: Subject, found: list[Subject]) -> Subject:
    """What has no tests gets those of the alert that reads it and has most; alone if none does."""
    readers = [one for one in found if _name(subject.rule) in names(one.rule["expr"]) and one.tests]
    if "alert" in subject.rule or not readers:
        return subject
    reader = max(readers, key=lambda one: len(one.tests))
    others = tuple(rule for rule in reader.recorded if rule != subject.rule)
    return replace(subject, recorded=others, tests=reader.tests, reader=reader.rule)


def asking(test: Test) -> Iterator[Test]:
    """All that a test asks."""
    for kind in _KINDS:
        yield from test.get(kind, ())


def of_all(test: Test, subject: Subject, numbered: Mapping[str, Any]) -> Test:
    """A test that asks the same of rules of these names."""
    return {
        **{key: value for key, value in test.items() if key != EVALUATED},
        **{
            kind: [_renamed(one, subject, name) for one in test.get(kind, ()) for name in numbered]
            for kind in _KINDS
        },
    }


def _name(rule: Rule) -> str:
    return str(rule["record"] if "record" in rule else rule["alert"])


def _tests(files: Files) -> dict[str, list[Test]]:
    """The tests that ask for a rule, by its name."""
    tests: dict[str, list[Test]] = {}
    for path, text in sorted(files.items()):
        if path.endswith(".test.yml"):
            document = yaml.load(text, yaml.CSafeLoader)
            for test in document["tests"]:
                for name in {_asked(one) for one in asking(test) if _asked(one)}:
                    timed = {**test, EVALUATED: document.get("evaluation_interval", "1m")}
                    tests.setdefault(name, []).append(timed)
    return tests


def _title(rule: Rule) -> str:
    """A rule's name and its constant labels: `HighMemoryUsage{severity="warning"}`."""
    told = sorted((k, v) for k, v in _constant(rule).items() if k != "service")
    labels = ",".join(f'{name}="{value}"' for name, value in told)
    return f"{_name(rule)}{{{labels}}}"


def _constant(rule: Rule) -> dict[str, str]:
    """The labels that are the same for all of a rule's results."""
    return {name: value for name, value in rule.get("labels", {}).items() if "{{" not in value}


def _subject(
    title: str, rule: Rule, interval: str, recorded: list[Rule], tests: list[Test]
) -> Subject:
    """A rule with only what it reads and what is asked of it: the rest costs time."""
    reads, used = set(names(rule["expr"])), list[Rule]()
    while more := [one for one in recorded if one["record"] in reads and one not in used]:
        used += more
        reads |= {name for one in more for name in names(one["expr"])}
    own = [
        {
            "interval": test["interval"],
            EVALUATED: test[EVALUATED],
            "input_series": [
                one for one in test["input_series"] if one["series"].partition("{")[0] in reads
            ],
            **{
                kind: [one for one in test.get(kind, ()) if _is_about(one, rule)] for kind in _KINDS
            },
        }
        for test in tests
    ]
    ordered = tuple(one for one in recorded if one in used)
    asked = tuple(test for test in own if any(asking(test)))
    return Subject(title, rule, interval, ordered, asked)


def _asked(one: Test) -> str:
    """The name of the rule that is asked for."""
    if "alertname" in one:
        return str(one["alertname"])
    found = _ALERTNAME.search(one["expr"]) or _RECORDED.search(one["expr"])
    return found[0] if found else ""


def _is_about(one: Test, rule: Rule) -> bool:
    """Whether it asks for this rule, and not for another one of its name."""
    constant = _constant(rule)
    if _asked(one) != _name(rule):
        return False
    if "alertname" not in one:
        told = constant.keys() - ({"service"} if "alert" in rule else set())
        return all(f'{name}="{constant[name]}"' in one["expr"] for name in told)
    return all(
        alert.get("exp_labels", {}).get(name, value) == value
        for alert in one["exp_alerts"]
        for name, value in constant.items()
    )


def _renamed(one: Test, subject: Subject, name: str) -> Test:
    if "alertname" in one:
        return {**one, "alertname": name}
    if "record" in (subject.reader or subject.rule):
        return {**one, "expr": _RECORDED.sub(name, one["expr"])}
    samples = [
        {**sample, "labels": _ALERTNAME.sub(name, sample["labels"])}
        for sample in one["exp_samples"]
    ]
    return {**one, "expr": _ALERTNAME.sub(name, one["expr"]), "exp_samples": samples}
