"""The generated files, read back: proofs judge the text that Prometheus and people get."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from model.runbook import INDEX
from rules import runbooks, yaml_text
from rules.output import Files

# Grafana's variables, as something that PromQL can be read with.
_VARIABLES = {"$__rate_interval": "1m", "$__range": "1h"}
_CHOSEN = re.compile(r',\w+=~"\$\w+"|\w+=~"\$\w+",?')
_FIRING = re.compile(r"ALERTS\{(.*)\}")
# Of a file of unit tests: a series, its values, and what an alert or a sample consists of.
_FED_OR_EXPECTED = re.compile(r"^(?:  - series: |    values: |      ).*\n", re.MULTILINE)
_EQUAL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Rule:
    """An alerting or recording rule as it stands in a file."""

    path: str
    name: str
    expr: str
    records: bool
    for_: str = "0s"
    keep_firing_for: str = "0s"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it stands, as a message says it."""
        return f"{self.path}: {self.name}"


@dataclass(frozen=True)
class DrawnPanel:
    """A panel of a dashboard: what it asks, where it draws lines, and where its links lead."""

    path: str
    title: str
    queries: tuple[str, ...]
    limits: tuple[Decimal, ...]
    links: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it stands, as a message says it."""
        return f'{self.path}: panel "{self.title}"'


@dataclass(frozen=True)
class AlertTest:
    """What a unit test expects of an alert at a time; `labels` tell it from its namesakes."""

    path: str
    alert: str
    at: str
    fires: bool
    labels: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, rule: Rule) -> bool:
        """Whether it is about this alert."""
        return self.alert == rule.name and self.labels.items() <= rule.labels.items()


@dataclass(frozen=True)
class WrittenPage:
    """What a runbook page says about when its alert fires."""

    path: str
    title: str
    expressions: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


class ReadBack:
    """What generated files say; each is read once, however many proofs ask for it."""

    def __init__(self, files: Files) -> None:
        self.files = files

    @cached_property
    def rules(self) -> list[Rule]:
        """Every rule of every rules file."""
        return rules_in(self.files)

    @cached_property
    def alerts(self) -> list[Rule]:
        """Every alerting rule of every rules file."""
        return [rule for rule in self.rules if not rule.records]

    @cached_property
    def panels(self) -> list[DrawnPanel]:
        """Every panel of every dashboard; a query's choice of services is left out."""
        return [
            _panel(path, panel)
            for path, text in self.files.items()
            if path.startswith("grafana/dashboards/") and path.endswith(".json")
            for panel in json.loads(text).get("panels", ())
            if panel["type"] != "row"
        ]

    @cached_property
    def tests(self) -> list[AlertTest]:
        """What every unit test expects of every alert."""
        return [
            found
            for path, text in self.files.items()
            if path.endswith(".test.yml")
            for test in yaml_text.read(_asked(text))["tests"]
            for found in _tests(path, test)
        ]

    @cached_property
    def pages(self) -> dict[str, WrittenPage]:
        """Every runbook page by the name of its alert."""
        return {
            PurePosixPath(path).stem: _page(path, text)
            for path, text in self.files.items()
            if path.startswith(f"{runbooks.FOLDER}/") and PurePosixPath(path).stem != INDEX
        }


def rules_in(files: Files) -> list[Rule]:
    """Every rule of every rules file."""
    return [rule for path, text in files.items() if path.endswith(".rules.yml")
            for rule in rules_of(path, text)]  # fmt: skip


def rules_of(path: str, text: str) -> list[Rule]:
    """The rules of one file."""
    document = yaml_text.read(text)
    return [_rule(path, one) for group in document["groups"] for one in group["rules"]]


def _asked(text: str) -> str:
    """A file of unit tests without what is fed, and without what alerts are to look like.

    That is nearly all of it, and takes most of the time that reading it takes.
    """
    return _FED_OR_EXPECTED.sub("", text)


def _tests(path: str, test: dict[str, Any]) -> Iterator[AlertTest]:
    for one in test.get("alert_rule_test", ()):
        fires = bool(one.get("exp_alerts"))
        yield AlertTest(path, one["alertname"], one["eval_time"], fires=fires)
    # Of alerts that share a name, each is asked for by its labels.
    for one in test.get("promql_expr_test", ()):
        asked = _FIRING.fullmatch(one["expr"])
        if asked is not None:
            labels = dict(_EQUAL.findall(asked[1]))
            name, fires = labels.pop("alertname"), bool(one.get("exp_samples"))
            labels.pop("alertstate")
            yield AlertTest(path, name, one["eval_time"], fires=fires, labels=labels)


def _rule(path: str, one: dict[str, Any]) -> Rule:
    return Rule(
        path=path,
        name=one.get("alert") or one["record"],
        expr=str(one["expr"]),
        records="record" in one,
        for_=one.get("for", "0s"),
        keep_firing_for=one.get("keep_firing_for", "0s"),
        labels=one.get("labels", {}),
        annotations=one.get("annotations", {}),
    )


def _panel(path: str, panel: dict[str, Any]) -> DrawnPanel:
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    return DrawnPanel(
        path=path,
        title=panel["title"],
        queries=tuple(_bare(target["expr"]) for target in panel["targets"]),
        limits=tuple(
            Decimal(str(step["value"])).normalize() for step in steps if step["value"] is not None
        ),
        links=tuple(link["url"] for link in panel.get("links") or ()),
    )


def _bare(query: str) -> str:
    for variable, value in _VARIABLES.items():
        query = query.replace(variable, value)
    return _CHOSEN.sub("", query)


def _page(path: str, text: str) -> WrittenPage:
    title = re.search(r"^# (.*)$", text, re.MULTILINE)
    section = text.partition("\n## Fires when\n")[2].partition("\n## ")[0]
    expressions = re.findall(r"^(`{3,})\n(.*?)\n\1$", section, re.MULTILINE | re.DOTALL)
    return WrittenPage(
        path=path,
        title=title[1] if title else "",
        expressions=tuple(body for _, body in expressions),
        rows=tuple(_rows(section)),
    )


def _rows(section: str) -> Iterator[dict[str, str]]:
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    if lines:
        heading, _, *rows = lines
        yield from (dict(zip(heading, row, strict=False)) for row in rows)
