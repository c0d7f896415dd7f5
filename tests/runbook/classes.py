"""The three classes that a printed line can be in.

A line is named by its section and a part of its text, which no other line of that section has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from live import Live
from printed import Document, Printed


class Classified(Protocol):
    """Lines that follow each other, and are of one class."""

    @property
    def section(self) -> str:
        """The heading that they stand under."""

    @property
    def parts(self) -> Sequence[str]:
        """What tells each of them from the others of the section."""


@dataclass(frozen=True)
class Run:
    """Run as printed against the live chain. `shows` gets the lines, and says what they show."""

    section: str
    parts: tuple[str, ...]
    shows: Callable[..., Awaitable[None]]

    def __str__(self) -> str:
        return f"{self.section}: {named(self.shows)}"


@dataclass(frozen=True)
class Checked:
    """Held against our own artefacts: the tool is not at hand, or what it works on.

    `holds` gets the lines; with `live` also the chain, where what does the same here is run.
    """

    section: str
    parts: tuple[str, ...]
    holds: Callable[..., None] | Callable[..., Awaitable[None]]
    live: bool = False

    def __str__(self) -> str:
        return f"{self.section}: {named(self.holds)}"


@dataclass(frozen=True)
class Outside:
    """Outside our reach, and why."""

    section: str
    parts: tuple[str, ...]
    reason: str


def named(function: Callable[..., object]) -> str:
    """What a function says of itself, as a part of a test's name."""
    return function.__name__.replace("_", " ")


def texts(document: Document, one: Classified) -> list[str]:
    """The lines' texts. Raises LookupError if one is not there, or not alone."""
    return [document.line(one.section, part).text for part in one.parts]


def lines(document: Document, classified: Sequence[Classified]) -> list[Printed]:
    """Every line that these name. Raises LookupError."""
    return [document.line(one.section, part) for one in classified for part in one.parts]


__all__ = ["Checked", "Classified", "Live", "Outside", "Run", "lines", "named", "texts"]
