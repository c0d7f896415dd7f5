"""Run an alert's unit tests against changed rules: one promtool for all changes of an alert.

Each change is an alert of its own in one rules file, and the tests ask for every one of them, so
that series are fed once and not once a change.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from model.durations import parse
from programs import find
from rules.mutate.changes import Mutant, Rule, mutants
from rules.output import Files
from rules.raw.tokens import names

_PARALLEL = 2
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
    """An alert: its rule, the rules that it reads, and its unit tests alone."""

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
    """What became of an alert's mutants: the changes that its tests noticed, and the others."""

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
    recorded = [rule for _, group in groups for rule in group["rules"] if "record" in rule]
    tests: dict[str, list[Test]] = {}
    for path, text in sorted(files.items()):
        if path.endswith(".test.yml"):
            document = yaml.load(text, yaml.CSafeLoader)
            for test in document["tests"]:
                for alert in {_asked(one) for one in _asking(test) if _asked(one)}:
                    timed = {**test, _EVALUATED: document.get("evaluation_interval", "1m")}
                    tests.setdefault(alert, []).append(timed)
    return [
        _subject(rule, group["interval"], recorded, tests.get(rule["alert"], []))
        for _, group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]


def _subject(rule: Rule, interval: str, recorded: list[Rule], tests: list[Test]) -> Subject:
    """An alert with only what it reads: the other alerts' series cost time."""
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
    return Subject(rule, interval, ordered, tuple(own))


def run(found: list[Subject], raw: frozenset[str], *, quick: bool) -> Iterator[Outcome]:
    """Try every change of every alert; `raw` are the alerts whose tests come from people.

    `quick` tries the first change of each kind only.

    Raises UnfitError, and MissingProgramError where there is no promtool.
    """
    promtool = str(find("promtool"))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        changes = (mutants(one.rule, interval=_step(one), coarse=one.name in raw) for one in found)
        chosen = map(_first_of_each_kind, changes) if quick else changes
        yield from pool.map(lambda one, tried: _try(promtool, one, tried), found, chosen)


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
    numbered = {_name(subject, i): mutant for i, mutant in enumerate(tried, 1)}
    original = _name(subject, 0)
    left = {original: Mutant("", subject.rule), **numbered}
    with TemporaryDirectory(prefix="mutate-") as directory:
        failed: set[str] = set()
        # An expression that cannot be evaluated ends the test that it is in, and hides the others.
        while broken := _objections(promtool, subject, left, Path(directory), failed):
            failed |= broken
            left = {name: mutant for name, mutant in left.items() if name not in broken}
    if original in failed:
        raise UnfitError(f"{subject.name}: its unit tests object to the rule as it is")
    return Outcome(
        subject.name,
        tuple(mutant.what for name, mutant in numbered.items() if name in failed),
        tuple(mutant.what for name, mutant in numbered.items() if name not in failed),
    )


def _name(subject: Subject, number: int) -> str:
    return f"{subject.name}_{number}"


def _objections(
    promtool: str, subject: Subject, left: dict[str, Mutant], directory: Path, failed: set[str]
) -> set[str]:
    """Add those that fail a test to `failed`; the result are those that cannot be evaluated."""
    _write(directory / "x.rules.yml", _rules(subject, left))
    paths = []
    for interval in sorted({_evaluated(test, subject) for test in subject.tests}):
        paths.append(f"x-{interval}.test.yml")
        _write(directory / paths[-1], _tests(subject, left, interval))
    done = subprocess.run(
        [promtool, "test", "rules", *paths],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    new = {name for found in _FAILED.findall(said) for name in found} & left.keys()
    broken = set(_BROKEN.findall(said)) & left.keys()
    if done.returncode != 0 and not new | broken:
        raise UnfitError(f"{subject.name}: promtool says: {said.strip()[:1000]}")
    failed |= new
    return broken


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
    constant = {name: value for name, value in rule.get("labels", {}).items() if "{{" not in value}
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
