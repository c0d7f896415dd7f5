"""Alertmanager's file, read and evaluated as Alertmanager does it.

Source: Alertmanager's dispatch/route.go and timeinterval.go. A route that is muted by the time
still matches; time intervals are not handed down to child routes; the other settings are. What
this reader does not know it refuses, so that it never judges what it has not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rules import yaml_text

Labels = Mapping[str, str]

_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*')
_ROUTE_KEYS = {
    "receiver",
    "matchers",
    "continue",
    "routes",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "active_time_intervals",
    "mute_time_intervals",
}
_OPTIONS = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class UnreadableError(Exception):
    """Something in Alertmanager's file that this reader does not know."""


@dataclass(frozen=True)
class Condition:
    """A matcher: a label that is missing is an empty one."""

    label: str
    operator: str
    value: str

    def holds(self, labels: Labels) -> bool:
        """Whether the labels fulfil it; regular expressions have to match the whole value."""
        found = labels.get(self.label, "")
        if self.operator in ("=", "!="):
            return (found == self.value) == (self.operator == "=")
        return (re.fullmatch(self.value, found) is not None) == (self.operator == "=~")


@dataclass(frozen=True)
class Interval:
    """A time interval: minutes of the day, days of the week, and where it is that time."""

    minutes: tuple[tuple[int, int], ...]
    weekdays: frozenset[int]
    location: str

    def contains(self, at: datetime) -> bool:
        """Whether a moment is within it."""
        local = at.astimezone(ZoneInfo(self.location))
        minute = local.hour * 60 + local.minute
        return local.weekday() in self.weekdays and any(
            start <= minute < end for start, end in self.minutes
        )


@dataclass(frozen=True)
class Route:
    """A route with everything that it has from the routes above it."""

    path: str
    receiver: str
    conditions: tuple[Condition, ...]
    goes_on: bool
    options: Mapping[str, Any]
    active: tuple[str, ...]
    muted: tuple[str, ...]
    children: tuple[Route, ...] = field(default=())

    def matching(self, labels: Labels) -> list[Route]:
        """The routes that an alert ends in, given that it matches this one."""
        found: list[Route] = []
        for child in self.children:
            if all(condition.holds(labels) for condition in child.conditions):
                found += child.matching(labels)
                if not child.goes_on:
                    break
        return found or [self]

    def walk(self) -> Iterator[Route]:
        """This route and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Inhibition:
    """A rule by which an alert silences others that agree with it in some labels."""

    source: tuple[Condition, ...]
    target: tuple[Condition, ...]
    equal: tuple[str, ...]

    def silences(self, source: Labels, target: Labels) -> bool:
        """Whether one alert silences another. A label that both lack counts as equal."""
        if not self.is_source(source) or not self.is_target(target):
            return False
        # What is on both sides silences nothing that is on both sides, itself above all.
        if self.is_target(source) and self.is_source(target):
            return False
        return all(source.get(label, "") == target.get(label, "") for label in self.equal)

    def is_source(self, labels: Labels) -> bool:
        """Whether an alert is one that silences."""
        return all(condition.holds(labels) for condition in self.source)

    def is_target(self, labels: Labels) -> bool:
        """Whether an alert is one that is silenced."""
        return all(condition.holds(labels) for condition in self.target)


@dataclass(frozen=True)
class Tree:
    """What Alertmanager's file says about who is told."""

    root: Route
    receivers: tuple[dict[str, Any], ...]
    intervals: Mapping[str, tuple[Interval, ...]]
    inhibitions: tuple[Inhibition, ...]

    def is_silent(self, route: Route, at: datetime) -> bool:
        """Whether a route tells nobody at that time."""
        if any(self._within(name, at) for name in route.muted):
            return True
        return bool(route.active) and not any(self._within(name, at) for name in route.active)

    def labels(self) -> frozenset[str]:
        """The labels by which routes are chosen: alerts that agree in them are told alike."""
        return frozenset(
            condition.label for route in self.root.walk() for condition in route.conditions
        )

    def without(self, route: Route) -> Route:
        """The root of the same tree in which this route does not go on to its siblings."""
        return _stopping(self.root, route)

    def _within(self, name: str, at: datetime) -> bool:
        if name not in self.intervals:
            raise UnreadableError(f'there is no time interval "{name}"')
        return any(interval.contains(at) for interval in self.intervals[name])


def _stopping(node: Route, route: Route) -> Route:
    stopped = replace(node, goes_on=False) if node is route else node
    return replace(stopped, children=tuple(_stopping(child, route) for child in node.children))


# --- reading ------------------------------------------------------------------------------------


def read(text: str) -> Tree:
    """Read Alertmanager's file. Raises UnreadableError."""
    document = yaml_text.read(text)
    root = _route(document["route"], "route", dict(_OPTIONS, group_by=()), document["route"])
    return Tree(
        root,
        tuple(document["receivers"]),
        {one["name"]: tuple(map(_interval, one["time_intervals"])) for one in _intervals(document)},
        tuple(_inhibition(rule) for rule in document.get("inhibit_rules", ())),
    )


def _intervals(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document.get("time_intervals", [])
    return found


def _route(node: dict[str, Any], path: str, above: Mapping[str, Any], up: dict[str, Any]) -> Route:
    if unknown := sorted(node.keys() - _ROUTE_KEYS):
        raise UnreadableError(f"{path}: {', '.join(unknown)} is not understood here")
    options = {key: node.get(key, value) for key, value in above.items()}
    receiver = node.get("receiver", up["receiver"])
    named = {**node, "receiver": receiver}
    children = tuple(
        _route(child, f"{path}.routes[{number}]", options, named)
        for number, child in enumerate(node.get("routes", ()))
    )
    return Route(
        path=path,
        receiver=receiver,
        conditions=conditions(node.get("matchers", ())),
        goes_on=bool(node.get("continue", False)),
        options=options,
        active=tuple(node.get("active_time_intervals", ())),
        muted=tuple(node.get("mute_time_intervals", ())),
        children=children,
    )


def conditions(written: list[str] | tuple[str, ...]) -> tuple[Condition, ...]:
    """Matchers as they are written: `severity="critical"`. Raises UnreadableError."""
    found = []
    for text in written:
        match = _MATCHER.fullmatch(text)
        if match is None:
            raise UnreadableError(f"the matcher {text} is not understood here")
        value = re.sub(r"\\(.)", r"\1", match[3]) if match[2] in ("=", "!=") else match[3]
        found.append(Condition(match[1], match[2], value))
    return tuple(found)


def _inhibition(rule: dict[str, Any]) -> Inhibition:
    if unknown := sorted(rule.keys() - {"source_matchers", "target_matchers", "equal"}):
        raise UnreadableError(f"inhibit_rules: {', '.join(unknown)} is not understood here")
    return Inhibition(
        conditions(rule.get("source_matchers", ())),
        conditions(rule.get("target_matchers", ())),
        tuple(rule.get("equal", ())),
    )


def _interval(written: dict[str, Any]) -> Interval:
    if unknown := sorted(written.keys() - {"times", "weekdays", "location"}):
        raise UnreadableError(f"time_intervals: {', '.join(unknown)} is not understood here")
    times = written.get("times") or [{"start_time": "00:00", "end_time": "24:00"}]
    return Interval(
        tuple((_minute(one["start_time"]), _minute(one["end_time"])) for one in times),
        frozenset(day for days in written.get("weekdays", _DAYS) for day in _weekdays(days)),
        written.get("location", "UTC"),
    )


def _weekdays(written: str) -> range:
    first, _, last = written.partition(":")
    return range(_DAYS.index(first), _DAYS.index(last or first) + 1)


def _minute(written: str | int) -> int:
    # YAML 1.1 takes 18:00 for a number of base 60: it is the minute already.
    if isinstance(written, int):
        return written
    hour, _, minute = written.partition(":")
    return int(hour) * 60 + int(minute)
