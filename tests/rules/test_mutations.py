"""The generated unit tests notice when a rule is not what the config says.

Each alert of config.py is changed in each of these ways, one at a time, and promtool must object:
the threshold by one step either way, the comparison, each aggregation, `for` by one evaluation
either way, and `keep_firing_for`. What cannot be told apart stands in `ALIKE`, with its reason.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.alerts import Alert
from model.durations import parse, prometheus
from model.load import load
from model.platform import Platform
from model.promql import Comparison, Count, Threshold
from programs import find
from rules import alerts, unit_tests
from rules.case import beyond, within

ROOT = Path(__file__).resolve().parents[2]
AGGREGATIONS = ("avg", "max", "min", "sum", "count")

ONE_A_TARGET = "it counts results, one a target whatever their values"
ONLY_PRESENCE = "`unless` asks only whether there is a result, not which value it has"
SHARE = "a quantile sees shares of all observations, which an equal factor leaves as they are"
NO_COUNT_OF_ZERO = "a count of nothing is no result, never 0"

# Alert, what is changed, and why nothing can tell the change.
ALIKE: dict[tuple[str, str], str] = {
    **{
        ("TargetsMissing", f"avg -> {other}"): ONE_A_TARGET
        for other in AGGREGATIONS
        if other != "avg"
    },
    **{
        ("TargetNotProbed", f"{operator} -> {other}"): ONLY_PRESENCE
        for operator in ("avg", "max")
        for other in AGGREGATIONS
        if other != operator
    },
    ("DatabaseSlow", "sum -> avg"): SHARE,
    ("ConfigDrift", "> -> >="): NO_COUNT_OF_ZERO,
    ("ConfigDrift", "threshold -1"): NO_COUNT_OF_ZERO,
}


@dataclass(frozen=True)
class Mutant:
    """A rule with one thing changed."""

    what: str
    rule: dict[str, Any]


@cache
def platform() -> Platform:
    return load(ROOT / "config.py")


def mutants(alert: Alert, rule: dict[str, Any]) -> Iterator[Mutant]:
    expr: str = rule["expr"]
    if isinstance(alert.expr, Threshold):
        yield from _thresholds(alert.expr, rule)
    for match in re.finditer(rf"\b({'|'.join(AGGREGATIONS)})\b(?= by |\()", expr):
        for other in AGGREGATIONS:
            if other != match[0]:
                changed = expr[: match.start()] + other + expr[match.end() :]
                yield Mutant(f"{match[0]} -> {other}", {**rule, "expr": changed})
    step = platform().watched_by.evaluation_interval
    for key, shifts in (("for", (-step, step)), ("keep_firing_for", (-2 * step, 2 * step))):
        if key in rule:
            for shift in shifts:
                length = parse(rule[key]) + shift
                sign = "+" if shift > timedelta(0) else "-"
                yield Mutant(f"{key} {sign}", {**rule, key: prometheus(length)})


def _thresholds(expr: Threshold, rule: dict[str, Any]) -> Iterator[Mutant]:
    left = rule["expr"].removesuffix(f"{expr.comparison.value} {expr.threshold:f}")
    for threshold in (beyond(expr), within(expr)):
        changed = f"{left}{expr.comparison.value} {threshold:f}"
        yield Mutant(f"threshold {threshold:f}", {**rule, "expr": changed})
    for other in Comparison:
        if other is not expr.comparison:
            changed = f"{left}{other.value} {expr.threshold:f}"
            yield Mutant(f"{expr.comparison.value} -> {other.value}", {**rule, "expr": changed})


def passes(directory: Path, rule: dict[str, Any], group: str) -> bool:
    document = {"groups": [{"name": group, "rules": [rule]}]}
    (directory / f"{group}.rules.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [find("promtool"), "test", "rules", f"{group}.test.yml"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "parse error" not in done.stdout + done.stderr, done.stderr
    return done.returncode == 0


def alone(alert: Alert) -> Platform:
    """A platform with this alert only, and few services where it does not count them."""
    counts = isinstance(alert.expr, Threshold) and isinstance(alert.expr.inner, Count)
    services = platform().services if counts else platform().services[:2]
    return platform().model_copy(update={"alerts": (alert,), "services": services})


@pytest.mark.parametrize("alert", platform().alerts, ids=lambda alert: alert.name)
def test_every_change_of_a_rule_fails_its_unit_tests(alert: Alert, tmp_path: Path) -> None:
    only = alone(alert)
    (text,) = unit_tests.build(only).values()
    (tmp_path / f"{alert.group}.test.yml").write_text(text)
    (rules,) = alerts.build(only).values()
    rule = yaml.safe_load(rules)["groups"][0]["rules"][0]
    assert passes(tmp_path, rule, alert.group)
    unnoticed = {
        mutant.what for mutant in mutants(alert, rule) if passes(tmp_path, mutant.rule, alert.group)
    }
    assert unnoticed == {what for name, what in ALIKE if name == alert.name}


def test_what_cannot_be_told_apart_is_about_alerts_that_exist() -> None:
    assert {name for name, _ in ALIKE} <= {alert.name for alert in platform().alerts}
