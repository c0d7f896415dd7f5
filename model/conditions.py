"""Conditions that an HTTP service's answer can be held to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import model_validator

from model.declared import Declared, refused

# A token (RFC 9110, 5.6.2): what a header's name is made of.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# They follow from other settings, and would contradict them.
_OURS = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "te", "expect"})
_SECRET = frozenset({"authorization", "proxy-authorization"})


class HeaderCondition(Declared):
    """A header of the answer and a regular expression to search its value for.

    A header that the answer lacks fails it, unless `allow_missing`.
    """

    noun: ClassVar[str | None] = "Header condition"
    header: str
    regexp: str
    allow_missing: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = regexp_mistakes("regexp", (self.regexp,))
        if not TOKEN.fullmatch(self.header):
            mistakes.append("header: is not a header's name")
        if mistakes:
            raise refused(mistakes)
        return self


class JsonCondition(Declared):
    """A value inside a JSON answer, and what it has to be: all that is given has to hold.

    `path` names keys and list indexes, joined by dots: `checks.database.0.state`. A value that is
    not there fails it, whatever else is given; a number in a string is no number.
    """

    noun: ClassVar[str | None] = "JSON condition"
    path: str
    one_of: tuple[str | bool | int | float | None, ...] | None = None
    regexp: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = regexp_mistakes("regexp", () if self.regexp is None else (self.regexp,))
        mistakes += path_mistakes(self.path)
        if self.one_of is not None and not self.one_of:
            mistakes.append("one_of: is empty, so nothing could ever hold")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            mistakes.append(f"at_least: {self.at_least:g} is over at_most, {self.at_most:g}")
        if mistakes:
            raise refused(mistakes)
        return self

    def steps(self) -> tuple[str, ...]:
        """The keys and indexes of the path."""
        return path_steps(self.path)


def path_steps(path: str) -> tuple[str, ...]:
    """The keys and list indexes of a path inside a JSON document."""
    return tuple(path.split("."))


def path_mistakes(path: str) -> list[str]:
    """What is wrong with a path inside a JSON document, empty if nothing is."""
    if all(path_steps(path)):
        return []
    return ["path: write keys joined by single dots, such as checks.database"]


def regexp_mistakes(setting: str, patterns: tuple[str, ...]) -> list[str]:
    """What is wrong with regular expressions, empty if nothing is."""
    mistakes = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            mistakes.append(f"{setting}: {pattern!r} is not a regular expression: {error}")
    return mistakes


def header_mistakes(headers: Mapping[str, str]) -> list[str]:
    """What is wrong with headers to send, in words that never repeat a value."""
    mistakes = []
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            mistakes.append(f"headers: {name!r} is not a header's name")
        elif name.lower() in _OURS:
            mistakes.append(f"headers: {name} is set by the prober itself")
        elif name.lower() in _SECRET:
            mistakes.append(
                f"headers: {name} is a secret; use bearer_token_file or basic_auth_password_file"
            )
        if not (value.isascii() and value.isprintable()):
            mistakes.append(f"headers: the value of {name} is not one line of printable ASCII")
    return mistakes
