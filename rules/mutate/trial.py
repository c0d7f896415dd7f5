"""Run an alert's unit tests against changed rules: one promtool for many changes of an alert.

Each change is an alert of its own in one rules file, and the tests ask for every one of them, so
that series are fed once and not once a change. Most changes are noticed by the first tests, and the
others are run for those alone that are left.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from model.durations import parse
from programs import find
from rules.mutate.changes import Mutant, Rule, mutants
from rules.output import Files
from rules.prove_unit_tests import SETTINGS
from rules.raw.tokens import names

_PARALLEL = 2
# As many changes at once as promtool tries in a minute where an alert looks back over a week.
_AT_ONCE = 30
_IN_TIME = 600
_FAILED = re.compile(
    r'^\s*(?:alertname: (\S+), time:|expr: "ALERTS\{alertname=\\"(\w+)\\")', re.MULTILINE
)
_BROKEN = re.compile(r"^\s*rule: (\S+), time: .*err:", re.MULTILINE)
# The two ways in which a test asks for an alert: by its name, and by what ALERTS says of it.
_KINDS = ("alert_rule_test", "promql_expr_test")
# Where a test notes how often its file has rules evaluated.
_EVALUATED = "evaluation_interval"
_ALERTNAME = re.compile(r'(?<=alertname=")\w+(?=")')
Test = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """An alert: its rule, the rules that it reads, and its unit tests alone.

    `title` is its name, and what tells it from others of that name.
    """

    title: str
    rule: Rule
    interval: str
    recorded: tuple[Rule, ...]
    tests: tuple[Test, ...]

    @property
    def name(self) -> str:
        """The alert's name."""
        return str(self.rule["alert"])


@dataclass(frozen=True)
class Outcome:
    """What became of an alert's mutants: the changes that its tests noticed, and the others.

    `alert` is the title of the subject.
    """

    alert: str
    caught: tuple[str, ...]
    survived: tuple[str, ...]


class UnfitError(Exception):
    """Unit tests that object to the rules as they were generated."""


def subjects(files: Files) -> list[Subject]:
    """Every alert in the generated rules."""
    groups = [
        (path, group)
        for path, text in sorted(files.items())
        if path.endswith(".rules.yml")
        for group in yaml.load(text, yaml.CSafeLoader)["groups"]
    ]
    rules = [rule for _, group in groups for rule in group["rules"]]
    recorded = [rule for rule in rules if "record" in rule]
    named = Counter(rule["alert"] for rule in rules if "alert" in rule)
    tests: dict[str, list[Test]] = {}
    for path, text in sorted(files.items()):
        if path.endswith(".test.yml"):
            document = yaml.load(text, yaml.CSafeLoader)
            for test in document["tests"]:
                for alert in {_asked(one) for one in _asking(test) if _asked(one)}:
                    timed = {**test, _EVALUATED: document.get("evaluation_interval", "1m")}
                    tests.setdefault(alert, []).append(timed)
    return [
        _subject(
            _title(rule) if named[rule["alert"]] > 1 else rule["alert"],
            rule,
            group["interval"],
            recorded,
            tests.get(rule["alert"], []),
        )
        for _, group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]


def _title(rule: Rule) -> str:
    """An alert's name and its constant labels: `HighMemoryUsage{severity="warning"}`."""
    told = sorted((k, v) for k, v in _constant(rule).items() if k != "service")
    labels = ",".join(f'{name}="{value}"' for name, value in told)
    return f"{rule['alert']}{{{labels}}}"


def _constant(rule: Rule) -> dict[str, str]:
    """The labels that are the same for all of an alert's results."""
    return {name: value for name, value in rule.get("labels", {}).items() if "{{" not in value}


def _subject(
    title: str, rule: Rule, interval: str, recorded: list[Rule], tests: list[Test]
) -> Subject:
    """An alert with only what it reads and what is asked of it: the rest costs time."""
    reads, used = set(names(rule["expr"])), list[Rule]()
    while more := [one for one in recorded if one["record"] in reads and one not in used]:
        used += more
        reads |= {name for one in more for name in names(one["expr"])}
    own = [
        {
            "interval": test["interval"],
            _EVALUATED: test[_EVALUATED],
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
    asked = tuple(test for test in own if any(_asking(test)))
    return Subject(title, rule, interval, ordered, asked)


def run(found: list[Subject], raw: frozenset[str], *, quick: bool) -> Iterator[Outcome]:
    """Try every change of every alert; `raw` are the alerts whose tests come from people.

    `quick` tries the first change of each kind only.

    Raises UnfitError, and MissingProgramError where there is no promtool.
    """
    promtool = str(find("promtool"))
    parts: list[tuple[Subject, list[Mutant]]] = []
    for one in found:
        changes = mutants(one.rule, interval=_step(one), coarse=one.name in raw)
        chosen = _first_of_each_kind(changes) if quick else changes
        parts += [(one, chosen[i : i + _AT_ONCE]) for i in range(0, len(chosen), _AT_ONCE)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        outcomes = pool.map(lambda part: _try(promtool, *part), parts)
        for title, own in groupby(outcomes, key=lambda outcome: outcome.alert):
            yield _together(title, list(own))


def _together(title: str, parts: list[Outcome]) -> Outcome:
    caught = tuple(what for part in parts for what in part.caught)
    return Outcome(title, caught, tuple(what for part in parts for what in part.survived))


def _step(subject: Subject) -> timedelta:
    """The least by which a change of a length of time can be noticed."""
    return max(
        parse(one) for one in (subject.interval, *(_evaluated(t, subject) for t in subject.tests))
    )


def _evaluated(test: Test, subject: Subject) -> str:
    """How far apart the evaluations of a test are."""
    return str(test.get(_EVALUATED, subject.interval))


def _first_of_each_kind(tried: list[Mutant]) -> list[Mutant]:
    return list({mutant.what.split()[0]: mutant for mutant in reversed(tried)}.values())


def _try(promtool: str, subject: Subject, tried: list[Mutant]) -> Outcome:
    original = _name(subject, 0)
    numbered = {_name(subject, i): mutant for i, mutant in enumerate(tried, 1)}
    left = {original: Mutant("", subject.rule), **numbered}
    with TemporaryDirectory(prefix="mutate-") as directory:
        for tests in _more_and_more(sorted(subject.tests, key=_telling)):
            some = replace(subject, tests=tests)
            # An expression that cannot be evaluated ends its test, and hides the others.
            hides = True
            while hides and left.keys() != {original}:
                failed, broken = _objections(promtool, some, left, Path(directory))
                if original in failed | broken:
                    raise UnfitError(f"{subject.title}: its unit tests object to the rule as it is")
                left = {k: mutant for k, mutant in left.items() if k not in failed | broken}
                hides = bool(broken)
    return Outcome(
        subject.title,
        tuple(mutant.what for name, mutant in numbered.items() if name not in left),
        tuple(mutant.what for name, mutant in numbered.items() if name in left),
    )


def _telling(test: Test) -> tuple[bool, int]:
    """The order of tests: those that fire on few series notice the most for the least."""
    fires = any(one.get("exp_alerts") or one.get("exp_samples") for one in _asking(test))
    return (not fires, len(test["input_series"]))


def _more_and_more(tests: list[Test]) -> Iterator[tuple[Test, ...]]:
    """One test, then two, then four: what the first ones notice need not be tried again."""
    begins, count = 0, 1
    while begins < len(tests):
        yield tuple(tests[begins : begins + count])
        begins, count = begins + count, 2 * count


def _name(subject: Subject, number: int) -> str:
    return f"{subject.name}_{number}"


def _objections(
    promtool: str, subject: Subject, left: dict[str, Mutant], directory: Path
) -> tuple[set[str], set[str]]:
    """Which of them fail a test, and which cannot be evaluated."""
    _write(directory / "x.rules.yml", _rules(subject, left))
    paths = []
    for interval in sorted({_evaluated(test, subject) for test in subject.tests}):
        paths.append(f"x-{interval}.test.yml")
        _write(directory / paths[-1], _tests(subject, left, interval))
    done = subprocess.run(
        [promtool, "test", "rules", *paths],
        cwd=directory,
        env={**SETTINGS, **os.environ},
        capture_output=True,
        text=True,
        timeout=_IN_TIME,
        check=False,
    )
    said = done.stdout + done.stderr
    failed = {name for found in _FAILED.findall(said) for name in found} & left.keys()
    broken = set(_BROKEN.findall(said)) & left.keys()
    if done.returncode != 0 and not failed | broken:
        raise UnfitError(f"{subject.title}: promtool says: {said.strip()[:1000]}")
    return failed, broken


def _rules(subject: Subject, left: dict[str, Mutant]) -> dict[str, Any]:
    changed = [{**mutant.rule, "alert": name} for name, mutant in left.items()]
    group = {"name": "x", "interval": subject.interval, "rules": [*subject.recorded, *changed]}
    return {"groups": [group]}


def _tests(subject: Subject, left: dict[str, Mutant], interval: str) -> dict[str, Any]:
    """The tests whose samples and evaluations are so far apart, each asked of all that is left."""
    return {
        "rule_files": ["x.rules.yml"],
        "evaluation_interval": interval,
        "tests": [
            {
                **{key: value for key, value in test.items() if key != _EVALUATED},
                **{
                    kind: [_renamed(one, name) for one in test.get(kind, ()) for name in left]
                    for kind in _KINDS
                },
            }
            for test in subject.tests
            if _evaluated(test, subject) == interval
        ],
    }


def _asking(test: Test) -> Iterator[Test]:
    for kind in _KINDS:
        yield from test.get(kind, ())


def _asked(one: Test) -> str:
    """The name of the alert that is asked for."""
    if "alertname" in one:
        return str(one["alertname"])
    found = _ALERTNAME.search(one["expr"])
    return found[0] if found else ""


def _is_about(one: Test, rule: Rule) -> bool:
    """Whether it asks for this alert, and not for another one of its name."""
    constant = _constant(rule)
    if _asked(one) != rule["alert"]:
        return False
    if "alertname" not in one:
        told = constant.keys() - {"service"}
        return all(f'{name}="{constant[name]}"' in one["expr"] for name in told)
    return all(
        alert.get("exp_labels", {}).get(name, value) == value
        for alert in one["exp_alerts"]
        for name, value in constant.items()
    )


def _renamed(one: Test, name: str) -> Test:
    if "alertname" in one:
        return {**one, "alertname": name}
    samples = [
        {**sample, "labels": _ALERTNAME.sub(name, sample["labels"])}
        for sample in one["exp_samples"]
    ]
    return {**one, "expr": _ALERTNAME.sub(name, one["expr"]), "exp_samples": samples}


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))
