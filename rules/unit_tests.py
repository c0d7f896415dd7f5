"""promtool's unit tests of every alert, both sides of everything.

One file a group. promtool's time grows with the square of the number of test groups, so cases
that do not share a metric are packed into one.
"""

from __future__ import annotations

from typing import Any

from model.alerts import Alert
from model.declared import ConfigError, Problem
from model.durations import prometheus
from model.platform import Platform
from model.raw import Raw
from rules.alerts import groups
from rules.case import Case, interval
from rules.cases import single_cases
from rules.maintenance_cases import maintenance_cases
from rules.output import Files, yaml_file
from rules.raw.examples import example_cases
from rules.replica_cases import replica_cases
from rules.untestable import UntestableError


def build(platform: Platform) -> Files:
    """`rules/generated/<group>.test.yml` for every group of alerts.

    Raises ConfigError with every alert that no test can be written for.
    """
    files, problems = {}, []
    for group, alerts in groups(platform).items():
        cases: list[Case] = []
        for alert in alerts:
            try:
                cases += cases_of(alert, platform)
            except UntestableError as error:
                problems.append(Problem(f'Alert "{alert.name}": {error}', alert.place))
        document = {
            "rule_files": [f"{group}.rules.yml"],
            "evaluation_interval": prometheus(platform.watched_by.evaluation_interval),
            "tests": [_test(packed, platform) for packed in _pack(cases)],
        }
        files[f"rules/generated/{group}.test.yml"] = yaml_file(document)
    if problems:
        raise ConfigError(problems)
    return files


def cases_of(alert: Alert, platform: Platform) -> list[Case]:
    """The cases of one alert. Raises UntestableError."""
    if isinstance(alert.expr, Raw):
        return [*example_cases(alert, platform), *maintenance_cases(alert, platform)]
    return [
        *single_cases(alert, platform),
        *replica_cases(alert, platform),
        *maintenance_cases(alert, platform),
    ]


def _pack(cases: list[Case]) -> list[list[Case]]:
    """Put cases together that share no metric and are not of one alert."""
    packs: list[list[Case]] = []
    for case in cases:
        home = next((pack for pack in packs if not any(map(case.clashes, pack))), None)
        if home is None:
            packs.append([case])
        else:
            home.append(case)
    return packs


def _test(cases: list[Case], platform: Platform) -> dict[str, Any]:
    return {
        "interval": prometheus(interval(platform)),
        "input_series": [
            {"series": fed.series.notation(), "values": fed.values}
            for case in cases
            for fed in case.fed
        ],
        "alert_rule_test": [
            {
                "eval_time": prometheus(expected.at),
                "alertname": case.alert.name,
                "exp_alerts": list(expected.alerts),
            }
            for case in cases
            for expected in case.expected
        ],
    }
