"""What amtool lets pass in alertmanager.yml and people regret at night, one check each.

The list is that of amlint and of our own notes. Each check reads the generated file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from model.durations import parse
from model.platform import Platform
from rules import yaml_text
from rules.label_sets import label_sets
from rules.proof import Proof
from rules.tree import Condition, Route, Tree, UnreadableError, read

_DEPRECATED = {
    "match": "matchers",
    "match_re": "matchers",
    "source_match": "source_matchers",
    "source_match_re": "source_matchers",
    "target_match": "target_matchers",
    "target_match_re": "target_matchers",
    "mute_time_intervals": "time_intervals",
}
_NAMES = ("alertname", "source_alertname")
# Any week will do: intervals know days of the week and no dates.
_WEEK = tuple(datetime(2024, 1, 8, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(7 * 96))


@dataclass(frozen=True)
class _File:
    """Alertmanager's file as written and as read, and the label sets of what it will get."""

    document: dict[str, Any]
    tree: Tree
    sets: list[dict[str, str]]
    alerts: frozenset[str]

    @property
    def routes(self) -> list[Route]:
        return list(self.tree.root.walk())


def nothing_is_amiss(platform: Platform, text: str) -> Proof:
    """Every check of this file; see the list at its end."""
    claim = f"routes: {len(_CHECKS) + 1} kinds of mistakes are absent"
    document = yaml_text.read(text)
    if old := list(_old_syntax(document)):
        return Proof(claim, old)
    try:
        tree = read(text)
    except UnreadableError as error:
        return Proof(claim, [str(error)])
    sent = label_sets(platform, tree.labels() | set(_NAMES))
    # Of alerts that nobody has declared, those with a severity of ours are told like ours.
    severities = [*(str(one.name) for one in platform.severities), "unheard-of"]
    strangers = [{"alertname": "Stranger", "severity": one} for one in severities]
    file = _File(
        document,
        tree,
        [*(one.labels for one in sent), *strangers],
        frozenset(one.name for one in sent),
    )
    return Proof(claim, [objection for check in _CHECKS for objection in check(file)])


def _old_syntax(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            # Inside a route mute_time_intervals is in order.
            if key in _DEPRECATED and (key != "mute_time_intervals" or not path):
                yield f"{path or key}: {key} is deprecated; write {_DEPRECATED[key]}"
            yield from _old_syntax(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _old_syntax(item, f"{path}[{number}]")


# --- receivers ----------------------------------------------------------------------------------


def _receivers_are_defined_once_used_and_not_empty(file: _File) -> Iterator[str]:
    names = [receiver["name"] for receiver in file.tree.receivers]
    used = {route.receiver: route.path for route in reversed(file.routes)}
    for name, path in used.items():
        if name not in names:
            yield f'{path}: there is no receiver "{name}"'
    for receiver in file.tree.receivers:
        name = receiver["name"]
        if name not in used:
            yield f'receiver "{name}": no route uses it'
        if not any(receiver[key] for key in receiver if key != "name"):
            yield f'receiver "{name}": is empty, so what it gets is lost'
    for name, count in Counter(names).items():
        if count > 1:
            yield f'receiver "{name}": is defined {count} times'


# --- routes -------------------------------------------------------------------------------------


def _every_route_is_reached(file: _File) -> Iterator[str]:
    reached = {route.path for labels in file.sets for route in file.tree.root.matching(labels)}
    for route in file.routes[1:]:
        inside = (one.path for one in route.walk())
        if reached.isdisjoint(inside):
            yield f"{route.path}: no alert gets here; another route takes what it would match"


def _going_on_leads_somewhere(file: _File) -> Iterator[str]:
    for route in file.routes:
        if not route.goes_on:
            continue
        stopping = file.tree.without(route)
        if all(
            [one.path for one in stopping.matching(labels)]
            == [one.path for one in file.tree.root.matching(labels)]
            for labels in file.sets
        ):
            yield f"{route.path}: `continue` does nothing, no later route takes what it matches"


def _matchers_name_what_there_is(file: _File) -> Iterator[str]:
    carried = {label for labels in file.sets for label in labels}
    for route in file.routes:
        for condition in route.conditions:
            if condition.label not in carried and not _matches_nothing(condition):
                yield f"{route.path}: no alert carries the label {condition.label}"
            if condition.label in _NAMES:
                for name in _named(condition):
                    if name not in file.alerts:
                        yield f'{route.path}: there is no alert "{name}"'


def _matches_nothing(condition: Condition) -> bool:
    """Whether it is fulfilled by alerts without the label."""
    return condition.holds({})


def _named(condition: Condition) -> list[str]:
    if condition.operator in ("=~", "!~"):
        return [name for name in condition.value.split("|") if re.fullmatch(r"\w+", name)]
    return [condition.value] if condition.value else []


def _what_is_repeated_is_looked_at_before(file: _File) -> Iterator[str]:
    for route in file.routes:
        group = parse(route.options["group_interval"])
        repeat = parse(route.options["repeat_interval"])
        if repeat < group:
            yield (
                f"{route.path}: repeat_interval {route.options['repeat_interval']} is under the "
                f"group_interval {route.options['group_interval']}"
            )


# --- time intervals -----------------------------------------------------------------------------


def _time_intervals_are_defined_used_and_active(file: _File) -> Iterator[str]:
    used = {name: one.path for one in file.routes for name in (*one.active, *one.muted)}
    for name, path in used.items():
        if name not in file.tree.intervals:
            yield f'{path}: there is no time interval "{name}"'
    for name, intervals in file.tree.intervals.items():
        if name not in used:
            yield f'time interval "{name}": no route uses it'
        if not any(interval.contains(at) for interval in intervals for at in _WEEK):
            yield f'time interval "{name}": is never active'
    for route in file.routes:
        if not {*route.active, *route.muted} <= file.tree.intervals.keys():
            continue
        if route.active and route.muted and all(file.tree.is_silent(route, at) for at in _WEEK):
            yield f"{route.path}: is silent at every hour of the week"


_CHECKS: tuple[Callable[[_File], Iterator[str]], ...] = (
    _receivers_are_defined_once_used_and_not_empty,
    _every_route_is_reached,
    _going_on_leads_somewhere,
    _matchers_name_what_there_is,
    _what_is_repeated_is_looked_at_before,
    _time_intervals_are_defined_used_and_active,
)
