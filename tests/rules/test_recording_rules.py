"""Recording rules have unit tests of their own, which notice another window, filter or volume."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from model.load import load
from programs import find
from rules.compile import compile_files
from rules.output import Files

CONFIG = Path(__file__).parent / "blocks_config.py"
GENERATED = "rules/generated/"


@cache
def generated() -> Files:
    files = compile_files(load(CONFIG))
    return {path.removeprefix(GENERATED): files[path] for path in files if GENERATED in path}


def asked_of(group: str) -> dict[str, str]:
    return {name: text for name, text in generated().items() if f"{group}-recorded-" in name}


def promtool(directory: Path, *tests: str) -> str:
    """What promtool says of files of unit tests; empty if they pass."""
    command = [str(find("promtool")), "test", "rules", *tests]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def objections(group: str, step: str, old: str, new: str, directory: Path) -> str:
    """What a file of tests of a group's recording rules says of a change of the rules."""
    rules, tests = f"{group}.rules.yml", f"{group}-recorded-{step}.test.yml"
    assert old in generated()[rules]
    (directory / rules).write_text(generated()[rules].replace(old, new))
    (directory / tests).write_text(generated()[tests])
    return promtool(directory, tests)


def recorded() -> list[tuple[str, str]]:
    """The groups and names of all recording rules that come from the config."""
    return sorted(
        {
            (name.removesuffix(".rules.yml"), rule["record"])
            for name, text in generated().items()
            if name.endswith(".rules.yml") and not name.startswith("escalation")
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
            if "record" in rule
        }
    )


@pytest.mark.parametrize(("group", "name"), recorded())
def test_each_is_asked_whether_its_value_is_over_another_and_is_not(group: str, name: str) -> None:
    asked = [
        one
        for text in asked_of(group).values()
        for test in yaml.safe_load(text)["tests"]
        for one in test["promql_expr_test"]
        if one["expr"].startswith((f"({name} ", f"({name}{{"))
    ]
    assert {bool(one["exp_samples"]) for one in asked} == {True, False}


def test_each_records_what_its_tests_say(tmp_path: Path) -> None:
    for name, text in generated().items():
        (tmp_path / name).write_text(text)
    tests = sorted(name for name in generated() if "-recorded-" in name)
    assert len(tests) > 5
    assert promtool(tmp_path, *tests) == ""


@pytest.mark.parametrize(
    ("group", "step", "old", "new"),
    [
        pytest.param("slo", "18m", "[6h]", "[7h]", id="a-window-that-is-longer"),
        pytest.param("slo", "18m", "[6h]", "[5h]", id="a-window-that-is-shorter"),
        pytest.param("slo", "18m", "avg_over_time", "max_over_time", id="the-worst-of-a-window"),
        pytest.param("slo", "18m", "slo: ", "slo: un", id="another-name-of-the-objective"),
        pytest.param("slo-budget", "1d12h", "[30d]", "[28d]", id="a-budget-of-another-period"),
        pytest.param("traffic", "3m", "rate(", "increase(", id="growth-in-place-of-a-rate"),
    ],
)
def test_a_change_is_noticed(group: str, step: str, old: str, new: str, tmp_path: Path) -> None:
    assert "FAILED" in objections(group, step, old, new, tmp_path)
