"""Run a rule's unit tests against changed rules: one promtool for many changes of a rule.

Each change is a rule of its own in one rules file, and the tests ask for every one of them, so
that series are fed once and not once a change. Most changes are noticed by the first tests, and the
others are run for those alone that are left.
"""

from __future__ import annotations

import os
import re
import subprocess
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
from rules.mutate.changes import Mutant, mutants
from rules.mutate.subjects import EVALUATED, Subject, Test, asking, changed, of_all
from rules.prove_unit_tests import SETTINGS

_PARALLEL = 2
# As many changes at once as promtool tries in a minute where an alert looks back over a week.
_AT_ONCE = 30
_IN_TIME_SECONDS = 3600
_FAILED = re.compile(
    r'^\s*(?:alertname: (\S+), time:|expr: "(?:ALERTS\{alertname=\\"(\w+)\\"|\(([\w:]+)))',
    re.MULTILINE,
)
_BROKEN = re.compile(r"^\s*rule: (\S+), time: .*err:", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of a rule's mutants: the changes that its tests noticed, and the others.

    `rule` is the title of the subject.
    """

    rule: str
    caught: tuple[str, ...]
    survived: tuple[str, ...]


class UnfitError(Exception):
    """Unit tests that object to the rules as they were generated, or that never end."""


def run(found: list[Subject], raw: frozenset[str], *, quick: bool) -> Iterator[Outcome]:
    """Try every change of every rule; `raw` are the alerts whose tests come from people.

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
        for title, own in groupby(outcomes, key=lambda outcome: outcome.rule):
            yield _together(title, list(own))


def _together(title: str, parts: list[Outcome]) -> Outcome:
    caught = tuple(what for part in parts for what in part.caught)
    return Outcome(title, caught, tuple(what for part in parts for what in part.survived))


def _step(subject: Subject) -> timedelta:
    """The least by which a change of a length of time can be noticed.

    That is by the tests that are evaluated most often.
    """
    every = (parse(_evaluated(test, subject)) for test in subject.tests)
    return min(every, default=parse(subject.interval))


def _evaluated(test: Test, subject: Subject) -> str:
    """How far apart the evaluations of a test are."""
    return str(test.get(EVALUATED, subject.interval))


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
    fires = any(one.get("exp_alerts") or one.get("exp_samples") for one in asking(test))
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
    try:
        done = subprocess.run(
            [promtool, "test", "rules", *paths],
            cwd=directory,
            env={**SETTINGS, **os.environ},
            capture_output=True,
            text=True,
            timeout=_IN_TIME_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        slow = f"promtool is not ready after {_IN_TIME_SECONDS} s, on a machine that does much else"
        raise UnfitError(f"{subject.title}: {slow}: try it alone, by its name") from error
    said = done.stdout + done.stderr
    failed = {name for found in _FAILED.findall(said) for name in found} & left.keys()
    broken = set(_BROKEN.findall(said)) & left.keys()
    if done.returncode != 0 and not failed | broken:
        raise UnfitError(f"{subject.title}: promtool says: {said.strip()[:1000]}")
    return failed, broken


def _rules(subject: Subject, left: dict[str, Mutant]) -> dict[str, Any]:
    rules = [rule for name, mutant in left.items() for rule in changed(subject, name, mutant.rule)]
    group = {"name": "x", "interval": subject.interval, "rules": [*subject.recorded, *rules]}
    return {"groups": [group]}


def _tests(subject: Subject, left: dict[str, Mutant], interval: str) -> dict[str, Any]:
    """The tests whose samples and evaluations are so far apart, each asked of all that is left."""
    return {
        "rule_files": ["x.rules.yml"],
        "evaluation_interval": interval,
        "tests": [
            of_all(test, subject, left)
            for test in subject.tests
            if _evaluated(test, subject) == interval
        ],
    }


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))
