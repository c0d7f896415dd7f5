"""The rows of the table: what was to be reached, what was measured, and whether it was reached."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bench.rounds import Spread

_HEADINGS = ("", "goal", "ours", "peer", "ratio", "met", "rounds kept + dropped")


class Met(Enum):
    """The verdict on a row; UNKNOWN when no round was quiet enough to say."""

    YES = "yes"
    NO = "**no**"
    UNKNOWN = "? (disturbed)"
    NOTHING = "for information"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: ours and the peer's, in `unit`, the goal either a ratio of them or a most.

    `quoted` is a peer's figure that was not measured in this run but is known from the issue.
    """

    key: str
    what: str
    unit: str
    ours: Spread
    peer: Spread | None = None
    quoted: float | None = None
    most_ratio: float | None = None
    most: float | None = None
    notes: Sequence[str] = field(default=())

    @property
    def ratio(self) -> float | None:
        """Ours in terms of the peer's, None without a peer."""
        other = self.peer.median if self.peer is not None else self.quoted
        return self.ours.median / other if other else None

    @property
    def met(self) -> Met:
        """Whether the goal was reached, where there is one."""
        if self.most_ratio is None and self.most is None:
            return Met.NOTHING
        if not self.ours.kept or (self.peer is not None and not self.peer.kept):
            return Met.UNKNOWN
        if self.most_ratio is not None:
            assert self.ratio is not None
            return Met.YES if self.ratio <= self.most_ratio else Met.NO
        assert self.most is not None
        return Met.YES if self.ours.median <= self.most else Met.NO

    def cells(self) -> tuple[str, ...]:
        """What stands in the row."""
        goal = f"≤ {self.most_ratio:.2f}×" if self.most_ratio is not None else ""
        if self.most is not None:
            goal = f"≤ {_number(self.most)} {self.unit}"
        return (
            f"({self.key}) {self.what}",
            goal,
            _measured(self.ours, self.unit),
            self._peer(),
            "" if self.ratio is None else f"{self.ratio:.3f}×",
            self.met.value,
            _rounds(self.ours) + ("" if self.peer is None else f" / {_rounds(self.peer)}"),
        )

    def _peer(self) -> str:
        if self.peer is not None:
            return _measured(self.peer, self.unit)
        return "" if self.quoted is None else f"{_number(self.quoted)} {self.unit} (the issue's)"


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """The table for the document: cells of rows, each with the day on which it was measured."""
    headings = (*_HEADINGS, "measured")
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def plain(rows: Iterable[Row]) -> str:
    """The table for a terminal."""
    lines = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    )


def _measured(spread: Spread, unit: str) -> str:
    least, most = _number(spread.least), _number(spread.most)
    return f"{_number(spread.median)} {unit} ({least}–{most})"


def _rounds(spread: Spread) -> str:
    return f"{spread.kept} + {spread.dropped}"


def _number(value: float) -> str:
    """Three significant digits, and thousands as people read them."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
