"""The proof that promtool's unit tests pass: by file, those that are new to it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from rules.bundles.run import Promtool
from rules.bundles.run import proved as bundled
from rules.memory import Memory, proof_key
from rules.output import Files
from rules.proof import Proof, call, objections

_DIRECTORY = PurePosixPath("rules/generated")
_PARALLEL = 2
# Go collects garbage too often for a process of a second: a third of the time, for 150 MB. And with
# as many processes as are run here, threads of each only get in the others' way.
SETTINGS = {"GOGC": "400", "GOMAXPROCS": "1"}


def unit_tests_pass(
    promtool: Path,
    root: Path,
    files: Files,
    alerts: int,
    memory: Memory,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Proof:
    """Every unit test passes, now or before with the same rules, tests and promtool.

    `names` are texts that differ from one config to another, and what stands for them in both:
    where rules and tests have only other ones, both sides of every comparison are renamed alike.
    """
    tests = {path: text for path, text in files.items() if path.endswith(".test.yml")}
    keys = {
        path: proof_key(
            promtool,
            "test rules",
            *(_renamed(part, names) for part in (text, *_rules(text, files))),
        )
        for path, text in tests.items()
    }
    new = {path: text for path, text in tests.items() if not memory.holds(keys[path])}
    packed = root / "bundles"
    passed = bundled(new, rule_texts(files), asking(promtool), packed) if new else set()
    memory.keep(keys[path] for path in sorted(passed))
    # The longest first, each by itself: whoever is free takes the next one.
    paths = sorted(new.keys() - passed, key=lambda path: -len(new[path]))

    def prove(path: str) -> list[str]:
        said = _run(promtool, root, path)
        if not said:
            memory.keep([keys[path]])
        return said

    with ThreadPoolExecutor(_PARALLEL) as pool:
        found = [text for said in pool.map(prove, paths) for text in said]
    before = _count(tests) - _count(new)
    claim = f"promtool test rules: {_count(tests)} tests of {alerts} alerts"
    return Proof(f"{claim}, {before} proved before" if before else claim, found)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    for name, stands_for_it in names.items():
        text = text.replace(name, stands_for_it)
    return text


def _rules(test: str, files: Files) -> Iterator[str]:
    """The names and texts of the rule files that a test is about."""
    for line in test.partition("rule_files:\n")[2].splitlines():
        if not line.startswith("- "):
            return
        yield line
        yield files.get(str(_DIRECTORY / line.removeprefix("- ")), "")


def rule_texts(files: Files) -> dict[str, str]:
    """The files of rules by the names that tests have for them."""
    return {
        PurePosixPath(path).name: text
        for path, text in files.items()
        if path.endswith(".rules.yml")
    }


def asking(promtool: Path) -> Promtool:
    """How a promtool is asked whether tests pass."""
    return lambda directory, names: _called(promtool, directory, names).returncode == 0


def _run(promtool: Path, root: Path, path: str) -> list[str]:
    return objections(_called(promtool, root / _DIRECTORY, [PurePosixPath(path).name]), root)


def _called(promtool: Path, directory: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    return call([str(promtool), "test", "rules", *names], directory, {**SETTINGS, **os.environ})


def _count(tests: Files) -> int:
    return sum(text.count("eval_time:") for text in tests.values())
