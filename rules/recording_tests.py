"""promtool's unit tests of every recording rule, whoever reads it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from model.declared import Problem
from model.durations import prometheus
from model.platform import Platform
from model.promql import Recording, quoted
from model.raw import Raw
from rules.alerts import part_names
from rules.output import Built, yaml_file
from rules.recording_cases import RecordedCase, recording_cases
from rules.untestable import UntestableError

Test = dict[str, Any]


def of_recordings(platform: Platform) -> Built:
    """`rules/generated/<group>-recorded-<step>.test.yml`, and what no test can be written for.

    Samples and evaluations of a file are a step apart. What is recorded in raw PromQL is tested by
    the alerts that read it, whose examples people write.
    """
    problems: list[Problem] = []
    tests: dict[tuple[str, timedelta], list[Test]] = {}
    for recording in platform.recording_rules:
        if isinstance(recording.expr, Raw):
            continue
        try:
            for one in recording_cases(recording, platform):
                tests.setdefault((recording.group, one.case.step), []).append(_test(one, recording))
        except UntestableError as error:
            problems.append(Problem(f'Recording "{recording.name}": {error}', recording.place))
    files = {
        f"rules/generated/{group}-recorded-{prometheus(step)}.test.yml": yaml_file(
            _document(group, step, own, platform)
        )
        for (group, step), own in tests.items()
    }
    return Built(files, problems)


def _document(group: str, step: timedelta, tests: list[Test], platform: Platform) -> dict[str, Any]:
    order = part_names(group, platform)
    return {
        "rule_files": [f"{group}.rules.yml"],
        "evaluation_interval": prometheus(step),
        **({"group_eval_order": order} if len(order) > 1 else {}),
        "tests": tests,
    }


def _test(one: RecordedCase, recording: Recording) -> Test:
    asked = f"({_series(recording.name, recording.labels)} > bool {one.over:f}) == 1"
    return {
        "interval": prometheus(one.case.step),
        "input_series": [{"series": fed.series, "values": fed.values} for fed in one.case.fed],
        "promql_expr_test": [
            {
                "expr": asked,
                "eval_time": prometheus(expected.at),
                "exp_samples": [
                    {"labels": _series("", over["exp_labels"]), "value": 1}
                    for over in expected.alerts
                ],
            }
            for expected in one.case.expected
        ],
    }


def _series(name: str, labels: dict[str, str]) -> str:
    written = ",".join(f"{label}={quoted(value)}" for label, value in labels.items())
    return f"{name}{{{written}}}" if written or not name else name
