"""What a picture of a backtest is made of, where it stands, in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1200
LEFT: Final = 92
RIGHT: Final = 1180
TOP: Final = 88
STRIP: Final = 18


@dataclass(frozen=True, slots=True)
class Place:
    """Something of a width at a place, with a text to it."""

    at: float
    text: str
    width: float = 0.0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """The value of a label set."""

    path: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold of a variant, and where its text stands."""

    at: float
    x: float
    y: float
    anchor: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Strip:
    """When a variant fires."""

    at: int
    kind: str
    firings: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the legend."""

    x: float
    y: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All that the template puts down."""

    title: str
    subtitle: str
    about: str
    value_name: str
    height: int
    bottom: int
    axis: int
    values: tuple[Place, ...]
    times: tuple[Place, ...]
    gaps: tuple[Place, ...]
    lines: tuple[Line, ...]
    limits: tuple[Limit, ...]
    strips: tuple[Strip, ...]
    legend: tuple[Entry, ...]
    width: int = WIDTH
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    strip: int = STRIP
