"""What Prometheus makes of a template is what the generator says it makes: promtool is asked."""

from __future__ import annotations

import math
import random
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from programs import find
from rules.expand import FUNCTIONS, expand
from rules.untestable import UntestableError

# Where Go's formats change their mind, and what alerts are about.
VALUES = [
    *(0.0, -0.0, 1.0, -1.0, 0.5, 0.499, 0.999, 1 / 3, 2 / 3, 100.0, 0.1 + 0.2),
    *(99999.0, 999999.0, 1e6, 1234567.0, 123456789.0, 1e18, 1e-4, 1e-5, 1.25e-5),
    *(0.001, 0.00012345, 0.9999, 0.99999, 999.9, 999.99, 1000.0, 1024.0, 12345.678, 1e15),
    *(59.0, 59.99, 60.0, 61.5, 3599.0, 3600.0, 86399.0, 86400.0, 1209599.0, 1e9, -3661.0, -0.25),
    *(math.inf, -math.inf, math.nan, 5e-324),
]
HUGE = [2.0**63, 1e20, 1e21, 1.5e21, 1e27, -1e30, 1.7976931348623157e308]


def random_values(count: int) -> list[float]:
    source = random.Random(3017)  # noqa: S311 - the same ones every time
    return [
        source.choice((-1, 1)) * source.random() * 10.0 ** source.randint(-9, 12)
        for _ in range(count)
    ]


TEXTS = {
    "value": "{{ $value }}",
    "spaces": "{{$value}} of {{  $labels.number  }}",
    **{re.sub(r"\W", "_", name): f"{{{{ $value | {name} }}}}" for name in FUNCTIONS},
}


def promtool_objections(
    values: list[float], directory: Path, given: Mapping[str, str] = TEXTS
) -> str:
    """What promtool says against our expansion of every text for every value."""
    rule = {"alert": "A", "expr": "fed", "annotations": dict(given)}
    fed, expected = [], []
    for number, value in enumerate(values):
        labels = {"number": str(number)}
        written = {math.inf: "Inf", -math.inf: "-Inf"}.get(value, repr(value))
        fed.append({"series": f'fed{{number="{number}"}}', "values": written.replace("nan", "NaN")})
        texts = {name: expand(text, labels, value) for name, text in given.items()}
        expected.append({"exp_labels": labels, "exp_annotations": texts})
    test = {"eval_time": "0s", "alertname": "A", "exp_alerts": expected}
    rules = {"groups": [{"name": "g", "rules": [rule]}]}
    tests = {
        "rule_files": ["rules.yml"],
        "tests": [{"interval": "1m", "input_series": fed, "alert_rule_test": [test]}],
    }
    (directory / "rules.yml").write_text(yaml.safe_dump(rules))
    (directory / "test.yml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        [find("promtool"), "test", "rules", "test.yml"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_promtool_expands_as_we_do(tmp_path: Path) -> None:
    assert promtool_objections(VALUES, tmp_path) == ""


def test_promtool_expands_random_values_as_we_do(tmp_path: Path) -> None:
    assert promtool_objections(random_values(300), tmp_path) == ""


def test_promtool_expands_huge_values_as_we_do_except_for_durations(tmp_path: Path) -> None:
    texts = {name: text for name, text in TEXTS.items() if name != "humanizeDuration"}
    assert promtool_objections(HUGE, tmp_path, texts) == ""


@pytest.mark.parametrize("value", HUGE)
def test_a_duration_that_overflows_is_refused(value: float) -> None:
    with pytest.raises(UntestableError, match="differs from machine to machine"):
        expand("{{ $value | humanizeDuration }}", {}, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (123456789.0, "1.23456789e+08"),
        (0.999, "0.999"),
        (-2.5, "-2.5"),
    ],
)
def test_a_value_is_printed_as_go_prints_it(value: float, text: str) -> None:
    assert expand("{{ $value }}", {}, value) == text


def test_a_label_that_is_missing_is_empty_as_in_prometheus() -> None:
    assert expand("{{ $labels.a }}-{{ $labels.b }}", {"a": "x"}, 1.0) == "x-"


@pytest.mark.parametrize(
    "text",
    [
        "{{ query `up` }}",
        "{{ $value | printf `%f` }}",
        "{{ $value | humanize | title }}",
        "{{ $labels }}",
        "{{ $labels.a | humanize }}",
        "{{ if $value }}",
    ],
)
def test_a_template_that_cannot_be_tested_is_refused_with_what_can(text: str) -> None:
    with pytest.raises(UntestableError, match=r"cannot be tested; write .*humanizeDuration"):
        expand(text, {}, 1.0)
