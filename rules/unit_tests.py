"""promtool's unit tests of every alert, both sides of everything.

One file a group. promtool's time grows with the square of the number of test groups, so cases
that do not share a metric are packed into one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations
from typing import Any

from model import names
from model.alerts import Alert
from model.declared import Problem
from model.durations import prometheus
from model.platform import Platform
from model.promql import quoted
from model.raw import Raw
from rules.alerts import groups, groups_read, part_names
from rules.case import Case, Expected, series_read
from rules.cases import single_cases
from rules.guard_cases import guard_cases
from rules.maintenance_cases import maintenance_cases
from rules.output import Built, Files, joined, yaml_file
from rules.raw.examples import example_cases
from rules.replica_cases import replica_cases
from rules.samples import ended
from rules.series.labels import every_result
from rules.untestable import UntestableError


def build(platform: Platform) -> Files:
    """`rules/generated/<group>.test.yml` for every group of alerts.

    Alerts that look far back have a file of their own, `<group>-<step>.test.yml`, in which samples
    and evaluations are that far apart. Raises ConfigError with every alert that no test can be
    written for.
    """
    return joined(of_group(group, platform) for group in groups(platform))


def of_group(group: str, platform: Platform) -> Built:
    """The tests of one group, and its alerts that no test can be written for."""
    problems: list[Problem] = []
    cases: dict[timedelta, list[Case]] = {platform.watched_by.evaluation_interval: []}
    alerts = groups(platform)[group]
    for alert in alerts:
        try:
            for case in cases_of(alert, platform):
                cases.setdefault(case.step, []).append(case)
        except UntestableError as error:
            problems.append(Problem(f'Alert "{alert.name}": {error}', alert.place))
    reads = {id(alert): series_read(alert) for alert in alerts}
    files = {
        _path(group, step, platform): yaml_file(_document(group, step, own, reads, platform))
        for step, own in cases.items()
        if own
    }
    return Built(files, problems)


def _path(group: str, step: timedelta, platform: Platform) -> str:
    is_usual = step == platform.watched_by.evaluation_interval
    return f"rules/generated/{group}{'' if is_usual else f'-{prometheus(step)}'}.test.yml"


def _document(
    group: str, step: timedelta, cases: list[Case], reads: _Reads, platform: Platform
) -> dict[str, Any]:
    read = groups_read(group, platform)
    order = [name for one in read for name in part_names(one, platform)]
    shared = _sharing(groups(platform)[group], reads)
    return {
        "rule_files": [f"{name}.rules.yml" for name in read],
        "evaluation_interval": prometheus(step),
        **({"group_eval_order": order} if len(order) > 1 else {}),
        "tests": [_test(pack.cases, step, shared) for pack in _packs(cases, reads)],
    }


# The names of the series that each alert's rule reads, by the alert's id.
_Reads = dict[int, frozenset[str]]
# What silences any of them.
_SILENCES = frozenset({names.MAINTENANCE.name})


def _sharing(alerts: list[Alert], reads: _Reads) -> frozenset[str]:
    """The names of several alerts of which one reads what another reads."""
    by_name: dict[str, list[frozenset[str]]] = {}
    for alert in alerts:
        by_name.setdefault(alert.name, []).append(reads[id(alert)])
    return frozenset(
        name
        for name, own in by_name.items()
        if any(a & b - _SILENCES for a, b in combinations(own, 2))
    )


def cases_of(alert: Alert, platform: Platform) -> list[Case]:
    """The cases of one alert. Raises UntestableError."""
    if isinstance(alert.expr, Raw):
        return [*example_cases(alert, platform), *maintenance_cases(alert, platform)]
    if not every_result(alert, platform):
        raise UntestableError(
            "the platform has nothing that its condition is about, so that it can never fire; "
            "remove it, or declare what it watches"
        )
    return [
        *single_cases(alert, platform),
        *guard_cases(alert, platform),
        *replica_cases(alert, platform),
        *maintenance_cases(alert, platform),
    ]


@dataclass
class _Pack:
    """Cases that share no metric and are not of one alert, so that one test group holds them."""

    cases: list[Case] = field(default_factory=list)
    alerts: set[str] = field(default_factory=set)
    feeds: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)

    def takes(self, case: Case, reads: frozenset[str]) -> bool:
        """Whether a case, whose alert reads these series, changes nothing that the others see."""
        return (
            case.alert.name not in self.alerts
            and self.feeds.isdisjoint(case.feeds)
            and self.reads.isdisjoint(case.feeds)
            and self.feeds.isdisjoint(reads)
        )

    def add(self, case: Case, reads: frozenset[str]) -> None:
        """Put a case to the others."""
        self.cases.append(case)
        self.alerts.add(case.alert.name)
        self.feeds |= case.feeds
        self.reads |= reads


def _packs(cases: list[Case], reads: _Reads) -> list[_Pack]:
    packs: list[_Pack] = []
    for case in cases:
        read = reads[id(case.alert)]
        home = next((pack for pack in packs if pack.takes(case, read)), None)
        if home is None:
            home = _Pack()
            packs.append(home)
        home.add(case, read)
    return packs


def _test(cases: list[Case], step: timedelta, shared: frozenset[str]) -> dict[str, Any]:
    """One test group.

    promtool's `alert_rule_test` wants every alert of a name. Where others of the name may fire on
    the same input, they are told apart by the series ALERTS instead.
    """
    last = max(case.last for case in cases)
    test: dict[str, Any] = {
        "interval": prometheus(step),
        "input_series": [
            {
                "series": fed.series,
                "values": (ended(fed.values, case.last, step) if case.last < last else fed.values),
            }
            for case in cases
            for fed in case.fed
        ],
    }
    alone = [case for case in cases if case.alert.name not in shared]
    others = [case for case in cases if case.alert.name in shared]
    if alone:
        test["alert_rule_test"] = [
            {
                "eval_time": prometheus(expected.at),
                "alertname": case.alert.name,
                "exp_alerts": list(expected.alerts),
            }
            for case in alone
            for expected in case.expected
        ]
    if others:
        test["promql_expr_test"] = [
            _firing_test(case.alert, expected) for case in others for expected in case.expected
        ]
    return test


def _firing_test(alert: Alert, expected: Expected) -> dict[str, Any]:
    own = {"alertname": alert.name, "alertstate": "firing", **alert.labels}
    if alert.severity is not None:
        own["severity"] = alert.severity
    return {
        "expr": _series("ALERTS", own),
        "eval_time": prometheus(expected.at),
        "exp_samples": [
            {
                "labels": _series("ALERTS", {**fired["exp_labels"], **own}),
                "value": 1,
            }
            for fired in expected.alerts
        ],
    }


def _series(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{','.join(f'{label}={quoted(value)}' for label, value in labels.items())}}}"
