"""Conditions on headers, body and JSON that a service may set. What is missing fails them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from exporter.probers.failure import ProbeFailure
from exporter.probers.http.failure import excerpt
from exporter.probers.result import Reason
from model.conditions import HeaderCondition, JsonCondition
from model.targets import HttpTarget

MISSING = object()


class RegexFailure(ProbeFailure):
    """A failed condition on body or headers: what probe_failed_due_to_regex counts."""


@dataclass(frozen=True, slots=True)
class _Header:
    name: bytes
    pattern: re.Pattern[str]
    must_match: bool
    allow_missing: bool


class HeaderConditions:
    """Conditions on headers; one that is sent several times is checked each time."""

    def __init__(self, conditions: tuple[_Header, ...]) -> None:
        self._conditions = conditions
        self.names = frozenset(condition.name for condition in conditions)

    @classmethod
    def of(cls, service: HttpTarget) -> Self | None:
        """Those of a service, None if it has none."""
        conditions = (
            *(_header(one, True) for one in service.fail_if_header_not_matches),
            *(_header(one, False) for one in service.fail_if_header_matches),
        )
        return cls(conditions) if conditions else None

    def check(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Raise ProbeFailure unless all hold; headers have names in lower case."""
        for condition in self._conditions:
            values = [value for name, value in headers if name == condition.name]
            name = condition.name.decode()
            if not values and not condition.allow_missing:
                raise RegexFailure(Reason.HEADER, f"the answer has no header {name}")
            found = any(condition.pattern.search(value.decode("latin-1")) for value in values)
            if values and found != condition.must_match:
                verb = "does not match" if condition.must_match else "matches"
                raise RegexFailure(
                    Reason.HEADER, f"the header {name} {verb} {condition.pattern.pattern}"
                )


def _header(condition: HeaderCondition, must_match: bool) -> _Header:
    return _Header(
        condition.header.lower().encode("ascii"),
        re.compile(condition.regexp),
        must_match,
        condition.allow_missing,
    )


class BodyConditions:
    """Regular expressions that the body has to match, or must not."""

    def __init__(self, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
        self._wanted = tuple(map(re.compile, wanted))
        self._unwanted = tuple(map(re.compile, unwanted))

    @classmethod
    def of(cls, service: HttpTarget) -> Self | None:
        """Those of a service, None if it has none."""
        wanted = service.fail_if_body_not_matches_regexp
        unwanted = service.fail_if_body_matches_regexp
        return cls(wanted, unwanted) if wanted or unwanted else None

    def check(self, body: bytes) -> None:
        """Raise ProbeFailure unless all hold; the body is taken as UTF-8, as far as it is."""
        text = body.decode("utf-8", "replace")
        for pattern in self._unwanted:
            if pattern.search(text):
                raise RegexFailure(Reason.BODY, f"the body matches {pattern.pattern}")
        for pattern in self._wanted:
            if not pattern.search(text):
                raise RegexFailure(Reason.BODY, f"the body does not match {pattern.pattern}")


class JsonConditions:
    """Conditions on values inside a JSON document."""

    def __init__(self, conditions: tuple[JsonCondition, ...]) -> None:
        self._conditions = tuple(
            (one, one.steps(), re.compile(one.regexp) if one.regexp is not None else None)
            for one in conditions
        )

    @classmethod
    def of(cls, service: HttpTarget) -> Self | None:
        """Those of a service, None if it has none."""
        return cls(service.json_conditions) if service.json_conditions else None

    def check(self, document: object, hide: Callable[[str], str]) -> None:
        """Raise ProbeFailure unless all hold; `hide` takes secrets out of what is quoted."""
        for condition, steps, pattern in self._conditions:
            value = at(document, steps)
            if value is MISSING:
                raise ProbeFailure(Reason.BODY, f"the answer has no {condition.path}")
            if not _holds(condition, pattern, value):
                plain = isinstance(value, (str, int, float))
                shown = excerpt(hide(str(value))) if plain else "not a plain value"
                raise ProbeFailure(Reason.BODY, f"{condition.path} is {shown}")


def at(document: object, steps: tuple[str, ...]) -> object:
    """The value at a path inside a JSON document, MISSING if there is none."""
    for step in steps:
        if isinstance(document, dict):
            document = document.get(step, MISSING)
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return MISSING
    return document


def _holds(condition: JsonCondition, pattern: re.Pattern[str] | None, value: object) -> bool:
    if condition.one_of is not None and not any(_same(value, one) for one in condition.one_of):
        return False
    if pattern is not None and not (isinstance(value, str) and pattern.search(value)):
        return False
    return _within(condition, value)


def _same(value: object, wanted: object) -> bool:
    # In Python True equals 1; in JSON it does not.
    return isinstance(value, bool) is isinstance(wanted, bool) and value == wanted


def _within(condition: JsonCondition, value: object) -> bool:
    if condition.at_least is None and condition.at_most is None:
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # Written so that NaN, which compares with nothing, holds for nothing.
    return (condition.at_least is None or value >= condition.at_least) and (
        condition.at_most is None or value <= condition.at_most
    )
