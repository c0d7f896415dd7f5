"""Test groups as they stand in generated test files: what they feed, what they ask, how long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from model.durations import parse
from rules import yaml_text

_TESTS = "\ntests:\n"
_BLOCK = re.compile(r"^(?=- interval: )", re.MULTILINE)
_SECTION = re.compile(r"^  (\w+):[^\n]*\n", re.MULTILINE)
_SERIES = re.compile(r"^  - series: (?:\w[\w:]*)(?:\{.*)?$", re.MULTILINE)
_FED = re.compile(r"^  - series: ", re.MULTILINE)
_AT = re.compile(r"^  (?:- |  )eval_time: (\S+)$", re.MULTILINE)
_ALERT = re.compile(r"^    alertname: (\S+)$", re.MULTILINE)
_EXPR = re.compile(r"^  - (expr: .*?)\n    eval_time: ", re.MULTILINE | re.DOTALL)

FED, ALERTS_ASKED, EXPRS_ASKED = "input_series", "alert_rule_test", "promql_expr_test"
_KNOWN = frozenset({FED, ALERTS_ASKED, EXPRS_ASKED})


@dataclass(frozen=True, slots=True)
class Block:
    """A test group of a generated file; `sections` are its parts as they stand there.

    `last` is the last time at which it asks anything.
    """

    path: str
    rule_files: tuple[str, ...]
    groups: tuple[str, ...]
    interval: str
    evaluated: str
    sections: Mapping[str, str]
    alerts: frozenset[str]
    exprs: frozenset[str]
    last: timedelta

    @property
    def steps(self) -> int:
        """How often promtool evaluates the rules in it."""
        return self.last // parse(self.evaluated) + 1


def blocks(path: str, text: str) -> list[Block] | None:
    """The test groups of a file, None if it does not look as generated files do."""
    head, _, rest = text.partition(_TESTS)
    parts = _BLOCK.split(rest)
    if len(parts) < 2 or parts[0]:
        return None
    header = yaml_text.read(head)
    found = [_block(path, header, part) for part in parts[1:]]
    return None if None in found else [one for one in found if one]


def _block(path: str, header: Mapping[str, Any], text: str) -> Block | None:
    first, _, rest = text.partition("\n")
    sections = dict(_sections(rest))
    if not sections or not sections.keys() <= _KNOWN:
        return None
    input_series = sections.get(FED, "")
    asked = sections.get(ALERTS_ASKED, "") + sections.get(EXPRS_ASKED, "")
    times = _AT.findall(asked)
    if len(_SERIES.findall(input_series)) != len(_FED.findall(input_series)) or not times:
        return None
    return Block(
        path=path,
        rule_files=tuple(header["rule_files"]),
        groups=tuple(header.get("group_eval_order", ())),
        interval=first.removeprefix("- interval: "),
        evaluated=header["evaluation_interval"],
        sections=sections,
        alerts=frozenset(_ALERT.findall(sections.get(ALERTS_ASKED, ""))),
        exprs=frozenset(
            yaml_text.read(expr)["expr"]
            for expr in set(_EXPR.findall(sections.get(EXPRS_ASKED, "")))
        ),
        last=max(map(parse, set(times))),
    )


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """The name of each part, and the lines below it."""
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends, strict=True):
        yield head[1], text[head.end() : end]
