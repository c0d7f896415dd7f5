"""Every building block of expressions has an inverse, which promtool confirms."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from model import And, Ratio, max_by, metrics, observed
from model.load import load
from model.platform import Platform
from model.promql import Expr
from programs import find
from rules import alerts, unit_tests
from rules.compile import compile_files
from rules.output import Files
from rules.series import Feed, results

BLOCKS = Path(__file__).resolve().parent / "blocks_config.py"


@cache
def platform() -> Platform:
    return load(BLOCKS)


@cache
def files() -> Files:
    return {**alerts.build(platform()), **unit_tests.build(platform())}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("blocks")
    for path, text in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root / "rules/generated"


def promtool(directory: Path, *arguments: str) -> str:
    """What promtool objects to, empty if to nothing."""
    done = subprocess.run(
        [find("promtool"), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_prometheus_reads_every_block(directory: Path) -> None:
    rules = [path.name for path in directory.glob("*.rules.yml")]
    assert promtool(directory, "check", "rules", "--lint=all", "--lint-fatal", *rules) == ""


@pytest.mark.parametrize(
    "name", sorted(path.rpartition("/")[2] for path in files() if path.endswith(".test.yml"))
)
def test_each_block_fires_and_stays_quiet_as_its_inverse_says(directory: Path, name: str) -> None:
    assert promtool(directory, "test", "rules", name) == ""


@pytest.mark.parametrize(
    ("group", "old", "new"),
    [
        ("ratios", "> 0.1\n", "> 0.101\n"),
        ("ratios", ">= 50)", ">= 60)"),
        ("ratios", "sum(max by (target, status)", "max(max by (target, status)"),
        ("arithmetic", "time() - max", "time() - min"),
        ("sets", "and on (target)", "unless on (target)"),
        ("sets", "(redis_blocked_clients) > 5", "(redis_blocked_clients) > 6"),
        ("over-time", "changes(redis_up[10m])", "delta(redis_up[10m])"),
    ],
)
def test_a_changed_block_fails_the_unit_tests(
    group: str, old: str, new: str, directory: Path, tmp_path: Path
) -> None:
    for path in directory.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    rules = tmp_path / f"{group}.rules.yml"
    text = rules.read_text()
    assert old in text
    rules.write_text(text.replace(old, new))
    tests = sorted(path.name for path in tmp_path.glob(f"{group}*.test.yml"))
    assert "FAILED" in promtool(tmp_path, "test", "rules", *tests)


# --- recording rules ----------------------------------------------------------------------------


def recorded_in(group: str) -> list[str]:
    document = yaml.safe_load(files()[f"rules/generated/{group}.rules.yml"])
    return [rule["record"] for rule in document["groups"][0]["rules"] if "record" in rule]


def test_a_recording_rule_stands_after_those_that_it_reads() -> None:
    assert recorded_in("traffic") == [
        "service:http_requests:rate1h",
        "service:http_requests:double1h",
    ]


def test_a_recording_rule_stands_once_however_many_alerts_read_it() -> None:
    names = recorded_in("slo")
    # Seven windows of one objective of requests, one of them in two pairs, and as many of uptime.
    assert names.count("slo:sli_error:ratio_rate6h") == 2
    assert len(names) == 2 * 7
    # Over 30 days, so less often.
    assert recorded_in("slo-budget") == ["slo:period_error_budget_remaining:ratio"]


def test_unit_tests_evaluate_the_groups_that_are_read_first() -> None:
    orders = [
        yaml.safe_load(text)["group_eval_order"]
        for path, text in files().items()
        if path.startswith("rules/generated/history") and path.endswith(".test.yml")
    ]
    assert orders
    assert all(order == ["traffic", "history"] for order in orders)


# --- joins --------------------------------------------------------------------------------------


def targets(expr: Expr) -> set[str]:
    return {labels["target"] for labels in results(expr, Feed(platform()))}


def test_a_join_has_a_result_only_where_both_sides_have_one() -> None:
    slow, refuses = observed(metrics.PROBE_DURATION), observed(metrics.PROBE_HTTP_STATUS_CODE)
    of_services = targets(refuses > 399)
    assert targets(slow > 1) > of_services
    assert targets(And(slow > 1, refuses > 399, on=("target",))) == of_services
    by_target = slow, max_by(refuses, "target")
    assert targets(Ratio(*by_target, at_least=1, on=("target",)) > 1) == of_services


# --- evaluations that fit into nothing ----------------------------------------------------------


def test_evaluations_need_not_divide_what_an_alert_waits_for_nor_its_ranges(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "tuned_config.py").read_text()
    seldom = "Prometheus(evaluation_interval=seconds(30))"
    text = text.replace('name="tuned",', f'name="tuned", watched_by={seldom},')
    config = tmp_path / "config.py"
    config.write_text(text.replace("    Platform,\n", "    Platform,\n    Prometheus,\n"))
    found = compile_files(load(config))
    for path, file in found.items():
        (tmp_path / Path(path).name).write_text(file)
    assert "keep_firing_for: 20s" in found["rules/generated/availability.rules.yml"]
    tests = [Path(path).name for path in found if path.endswith(".test.yml")]
    assert promtool(tmp_path, "test", "rules", *tests) == ""
