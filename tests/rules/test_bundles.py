"""Unit tests that are packed anew for promtool say what the generated files say, at less cost."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.durations import seconds
from model.load import load
from programs import find
from rules import alerts, unit_tests
from rules.bundles.blocks import blocks
from rules.bundles.bundle import Bundle, bundles
from rules.bundles.needs import Rules
from rules.bundles.run import proved
from rules.memory import Memory
from rules.mutate.changes import mutants
from rules.output import yaml_file
from rules.prove_unit_tests import unit_tests_pass

HERE = Path(__file__).resolve().parent
INTERVAL = seconds(5)
_ASKED = re.compile(r"^Unit Testing:\s+(\S+)$", re.MULTILINE)
_PASSED = re.compile(r"^Unit Testing:\s+(\S+)\n  SUCCESS$", re.MULTILINE)

Texts = Mapping[str, str]


@cache
def generated() -> tuple[Texts, Texts]:
    """The tests and the rules of a platform with an alert of each shape, by their file's names."""
    platform = load(HERE / "blocks_config.py")
    files = {
        Path(path).name: text
        for part in (alerts, unit_tests)
        for path, text in part.build(platform).items()
    }
    tests = {name: text for name, text in files.items() if name.endswith(".test.yml")}
    return tests, {name: text for name, text in files.items() if name not in tests}


def run(directory: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    """promtool's verdict on files of tests."""
    return subprocess.run(
        [str(find("promtool")), "test", "rules", *names],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def asked(directory: Path, names: list[str]) -> bool:
    return run(directory, names).returncode == 0


def passing(directory: Path, tests: Texts, rules: Texts) -> set[str]:
    """The files of tests of which promtool says that they pass, as they were generated."""
    directory.mkdir()
    for name, text in {**tests, **rules}.items():
        (directory / name).write_text(text)
    said = run(directory, list(tests)).stdout
    assert set(_ASKED.findall(said)) == tests.keys()
    return set(_PASSED.findall(said))


def changed(rules: Texts, seed: int) -> Texts:
    """The rules, some of which have been changed in one place."""
    choice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    found = {}
    for name, text in rules.items():
        document = yaml.safe_load(text)
        for group in document["groups"]:
            for number, rule in enumerate(group["rules"]):
                other = mutants(rule, interval=INTERVAL, coarse=False)
                if other and choice.random() < 0.2:
                    group["rules"][number] = choice.choice(other).rule
        found[name] = yaml_file(document)
    return found


def packed(tests: Texts, rules: Texts) -> list[Bundle]:
    known = Rules.of(rules)
    found = [block for name, text in tests.items() for block in blocks(name, text) or ()]
    needed = [(block, known.need(block)) for block in found]
    return bundles((block, need) for block, need in needed if need)


# --- the verdict --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_of_changed_rules_nothing_is_proved_that_fails_by_itself(seed: int, tmp_path: Path) -> None:
    tests, rules = generated()
    wrong = changed(rules, seed)
    by_themselves = passing(tmp_path / "plain", tests, wrong)
    assert tests.keys() > by_themselves > set()
    in_bundles = proved(tests, wrong, asked, tmp_path / "bundles")
    assert in_bundles <= by_themselves, "a bundle has said yes to what is wrong"
    # One that fails takes those with it that share its bundle; they are asked of again.
    assert in_bundles


def test_all_generated_tests_are_proved_in_bundles(tmp_path: Path) -> None:
    tests, rules = generated()
    assert proved(tests, rules, asked, tmp_path / "bundles") == tests.keys()


def test_what_fails_is_told_of_the_generated_file(tmp_path: Path) -> None:
    tests, rules = generated()
    name = "ratios.test.yml"
    wrong = {"ratios.rules.yml": rules["ratios.rules.yml"].replace("> 0.1\n", "> 0.101\n")}
    files = {f"rules/generated/{path}": text for path, text in {**tests, **rules, **wrong}.items()}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "proved").mkdir()
    memory = Memory(tmp_path / "proved")
    found = unit_tests_pass(find("promtool"), tmp_path, files, 1, memory).objections
    assert any(name in line for line in found)
    assert not any("bundles" in line for line in found)


def test_bundles_are_few_and_evaluate_few_rules() -> None:
    tests, rules = generated()
    count, evaluated = 0, 0
    for text in tests.values():
        for block in blocks("", text) or ():
            every = sum(rules[name].count("\n    expr: ") for name in block.rule_files)
            count, evaluated = count + 1, evaluated + block.steps * every
    made = packed(tests, rules)
    assert len(made) < count / 2
    assert sum(bundle.cost for bundle in made) < evaluated / 2


# --- what a bundle is made of -------------------------------------------------------------------

RULES = """\
groups:
- name: one
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels:
      of: jobs
  - alert: Down
    expr: up < 1
    labels:
      severity: critical
    annotations:
      summary: '{{ $labels.job }} is down'
      threshold: < 1
  - alert: Gone
    expr: job:up:sum{of="jobs"} < 1
  - alert: Others
    expr: job:up:sum{of="others"} < 1
  - alert: AnyDown
    expr: count(ALERTS{alertname="Down"}) > 0
  - alert: AnyAlert
    expr: count(ALERTS) > 0
  - alert: Full
    expr: used{up="up"} > on (target) up
"""
NAMELESS = """\
groups:
- name: one
  rules:
  - alert: Nameless
    expr: '{__name__=~"up|down"} < 1'
"""
UP, USED = 'up{job="x"}', 'used{up="up"}'

Asked = tuple[str, list[str]]


def written(*groups: Asked, at: str = "1m", texts: Mapping[str, str] | None = None) -> str:
    """A file of tests: of each group an alert, and the series that it is fed.

    With `texts` the alert is to fire with these annotations.
    """
    fired = [{"exp_labels": {"job": "x"}, "exp_annotations": texts}] if texts else []
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": series, "values": "0x3"} for series in fed],
            "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": fired}],
        }
        for alert, fed in groups
    ]
    return yaml_file({"rule_files": ["r"], "evaluation_interval": "1m", "tests": tests})


def bundle(*groups: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
    """The one bundle that test groups make: its rules and its tests."""
    [made] = packed({"t": written(*groups)}, {"r": RULES})
    rules, tests = made.texts("r")
    return yaml.safe_load(rules), yaml.safe_load(tests)


def exprs(rules: dict[str, Any]) -> list[str]:
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_each_test_group_has_names_of_its_own_so_that_none_meets_another() -> None:
    rules, tests = bundle(("Down", [UP]), ("Down", []), ("Gone", [UP]), ("AnyDown", []))
    assert exprs(rules) == [
        "m0_up < 1",
        "m1_up < 1",
        "sum by (job) (m2_up)",
        'm2_job:up:sum{of="jobs"} < 1',
        "m3_up < 1",
        'count(ALERTS{alertname="m3_Down"}) > 0',
    ]
    [test] = tests["tests"]
    assert [one["series"] for one in test["input_series"]] == ['m0_up{job="x"}', 'm2_up{job="x"}']
    asked = [one["alertname"] for one in test["alert_rule_test"]]
    assert asked == ["m0_Down", "m1_Down", "m2_Gone", "m3_AnyDown"]
    groups = [group["name"] for group in rules["groups"]]
    assert groups == tests["group_eval_order"] == ["m0_one", "m1_one", "m2_one", "m3_one"]


def test_labels_and_their_values_keep_their_names_though_a_series_has_the_same() -> None:
    rules, tests = bundle(("Full", [USED]), ("Down", []))
    assert exprs(rules)[0] == 'm0_used{up="up"} > on (target) m0_up'
    assert tests["tests"][0]["input_series"][0]["series"] == 'm0_used{up="up"}'


def test_what_asks_for_alerts_of_any_name_is_run_by_itself() -> None:
    made = packed({"t": written(("AnyAlert", []), ("Down", [UP]))}, {"r": RULES})
    assert [len(one.blocks) for one in made] == [1, 1]
    assert any("count(ALERTS) > 0" in one.texts("r")[0] for one in made)


def test_a_bundle_has_the_rules_that_are_asked_for_and_those_that_they_read() -> None:
    rules, _ = bundle(("AnyDown", []))
    assert exprs(rules) == ["up < 1", 'count(ALERTS{alertname="Down"}) > 0']
    rules, _ = bundle(("Gone", []))
    assert exprs(rules) == ["sum by (job) (up)", 'job:up:sum{of="jobs"} < 1']
    # No rule records what this one reads.
    rules, _ = bundle(("Others", []))
    assert exprs(rules) == ['job:up:sum{of="others"} < 1']


def test_a_series_without_a_name_may_be_any_so_its_file_is_not_packed(tmp_path: Path) -> None:
    tests = {"t": written(("Nameless", [UP]))}
    assert proved(tests, {"r": NAMELESS}, asked, tmp_path / "bundles") == set()


@pytest.mark.parametrize("text", ["", "tests: []\n", "tests:\n- {interval: 1m}\n"])
def test_a_file_that_was_not_generated_is_not_packed(text: str) -> None:
    assert blocks("t", text) is None


def test_a_test_of_rules_that_are_not_there_is_not_packed(tmp_path: Path) -> None:
    assert proved({"t": written(("Down", [UP]))}, {}, asked, tmp_path / "bundles") == set()


def test_series_end_with_their_own_test_group() -> None:
    tests = {
        "long": written(("Down", [UP]), at="3m"),
        "short": written(("Full", [USED]), at="1m"),
    }
    [made] = packed(tests, {"r": RULES})
    fed = yaml.safe_load(made.texts("r")[1])["tests"][0]["input_series"]
    assert [one["values"] for one in fed] == ["0x3", "0x3 stale"]


def test_a_short_test_group_is_not_evaluated_for_as_long_as_a_long_one() -> None:
    tests = {
        "long": written(("Down", [UP]), at="10h"),
        "short": written(("Full", [USED]), at="1m"),
    }
    assert len(packed(tests, {"r": RULES})) == 2


# --- constant annotations -----------------------------------------------------------------------

TEXTS = {"summary": "x is down", "threshold": "< 1"}


@pytest.mark.parametrize(
    ("texts", "passes"),
    [
        (TEXTS, True),
        ({**TEXTS, "threshold": "< 2"}, False),
        ({"summary": "x is down"}, False),
        ({**TEXTS, "summary": "y is down"}, False),
    ],
)
def test_a_constant_annotation_is_left_out_only_where_it_is_what_the_rule_says(
    texts: dict[str, str], passes: bool, tmp_path: Path
) -> None:
    tests = {"t": written(("Down", [UP]), texts=texts)}
    rules = {"r": RULES.replace("    labels:\n      severity: critical\n", "")}
    found = proved(tests, rules, asked, tmp_path / "bundles")
    assert found == ({"t"} if passes else set())


def test_where_only_firing_is_asked_for_no_annotation_is_evaluated(tmp_path: Path) -> None:
    firing = 'ALERTS{alertname="Down",alertstate="firing"}'
    sample = 'ALERTS{alertname="Down",alertstate="firing",job="x",severity="critical"}'
    test = {
        "interval": "1m",
        "input_series": [{"series": UP, "values": "0x3"}],
        "promql_expr_test": [
            {"expr": firing, "eval_time": "1m", "exp_samples": [{"labels": sample, "value": 1}]}
        ],
    }
    document = {"rule_files": ["r"], "evaluation_interval": "1m", "tests": [test]}
    tests = {"t": yaml_file(document)}
    [made] = packed(tests, {"r": RULES})
    [group] = yaml.safe_load(made.texts("r")[0])["groups"]
    assert [rule.keys() for rule in group["rules"]] == [{"alert", "expr", "labels"}]
    assert proved(tests, {"r": RULES}, asked, tmp_path / "bundles") == {"t"}
