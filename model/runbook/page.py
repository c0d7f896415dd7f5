"""What a page is made of: sections of blocks, lines of spans. How it looks is not known here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

_PARTS = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\{\{\s*\$labels\.(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}"
    r"|\{\{\s*\$(?P<value>value)\s*(?:\|[^{}]*)?\}\}"
)


class Style(Enum):
    """What a span is."""

    TEXT = auto()
    STRONG = auto()
    CODE = auto()
    # Stands for what is put in when the alert fires.
    PLACEHOLDER = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line. It may lead to a page (`alert`, "" for the index) or elsewhere (`url`)."""

    text: str
    style: Style = Style.TEXT
    alert: str | None = None
    url: str | None = None


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of its own."""

    line: Line


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be copied as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Steps:
    """Lines one below the other; numbered where their order matters."""

    lines: tuple[Line, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a heading."""

    heading: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]


Block = Paragraph | Code | Steps | Table


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks below a title."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: what stands below its title, then its sections. `alert` is None for the index."""

    title: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]
    alert: str | None = None


def plain(text: str) -> Line:
    """A line of text alone."""
    return (Span(text),)


def code(text: str) -> Line:
    """A line of code alone."""
    return (Span(text, Style.CODE),)


def prose(text: str) -> Line:
    """A text of the config: `code` between backticks, and templates as what they stand for."""
    return tuple(_spans(text))


def _spans(text: str) -> Iterator[Span]:
    at = 0
    for match in _PARTS.finditer(text):
        if match.start() > at:
            yield Span(text[at : match.start()])
        if match["code"] is not None:
            yield Span(match["code"], Style.CODE)
        else:
            yield Span(match["label"] or match["value"], Style.PLACEHOLDER)
        at = match.end()
    if at < len(text):
        yield Span(text[at:])
