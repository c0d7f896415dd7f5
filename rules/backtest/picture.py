"""A backtest as a picture: the value with its thresholds, and below it when each variant fires."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from model.durations import prometheus
from rules.backtest.axes import Axis, axis, figure, times
from rules.backtest.clock import Firing
from rules.backtest.condition import is_downward, limits, thresholds
from rules.backtest.ledger import Judgement
from rules.backtest.outcome import Drawn, Outcome, Variant
from rules.backtest.prometheus import Labels
from rules.backtest.replay import Span
from rules.backtest.report import length, shown_labels
from rules.backtest.shapes import LEFT, RIGHT, STRIP, TOP, Entry, Limit, Line, Picture, Place, Strip
from rules.dashboards.units import COUNT, unit

_TEMPLATES: Final = Path(__file__).resolve().parents[2] / "templates" / "backtest"
_PLOT, _BETWEEN = 320, 8
_LEGEND, _LEGEND_COLUMN, _LETTER = 20, 27, 6.6
# Lines of their own colour, and how many more in grey.
_NAMED, _REST = 6, 30
_NARROWEST = 2.0
_LONGEST_LINE = 150
_KINDS: Final = {
    Judgement.REAL: "real",
    Judgement.FALSE: "false",
    Judgement.UNKNOWN: "unjudged",
}


def picture(outcome: Outcome) -> str:
    """The picture as SVG, readable in the light and in the dark."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["px"] = lambda number: f"{number:.1f}"
    return environment.get_template("picture.svg").render(p=_Drawing(outcome).picture()) + "\n"


class _Drawing:
    """Where everything of an outcome is in its picture."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._grid = outcome.clock.grid
        self._window = outcome.window
        self._lines = _chosen(outcome)
        self._unit = COUNT
        self._axis: Axis | None = None
        compared = thresholds(outcome.asked.alert.expr)
        if compared and outcome.drawn is not None:
            self._unit = unit(compared[0].inner)
            self._axis = axis(*self._extremes(), self._unit)
        self._bottom = TOP + (_PLOT if self._axis else 0)

    def picture(self) -> Picture:
        """All of it."""
        strips = tuple(self._strips())
        end = strips[-1].at + STRIP + 6
        legend = tuple(_laid_out(self._entries(), end + 62))
        height = (legend[-1].y if legend else end + 40) + 18
        outcome, grid = self._outcome, self._grid
        condition = outcome.condition
        fired = ", ".join(f"{one.name} {len(one.firings)}" for one in outcome.variants)
        short = condition if len(condition) <= _LONGEST_LINE else f"{condition[:_LONGEST_LINE]} …"
        return Picture(
            title=f"{outcome.title}: {self._span(outcome.window)}",
            subtitle=short,
            about=f"Fired: {fired}.",
            value_name=self._value_name(),
            height=height,
            bottom=self._bottom,
            axis=end,
            values=tuple(self._marks()),
            times=tuple(
                Place(self._x(moment.timestamp() / grid.unix(1)), text)
                for moment, text in times(
                    grid.time(self._window.first), grid.time(self._window.end)
                )
            ),
            gaps=tuple(self._gaps()),
            lines=tuple(self._paths()),
            limits=tuple(self._limits()),
            strips=strips,
            legend=legend,
        )

    def _x(self, tick: float) -> float:
        share = (tick - self._window.first) / len(self._window)
        return LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0)

    def _y(self, value: float) -> float:
        assert self._axis is not None
        share = (value - self._axis.low) / (self._axis.high - self._axis.low)
        # What is far outside is cut off by the frame.
        return self._bottom - (self._bottom - TOP) * min(max(share, -1.0), 2.0)

    def _extremes(self) -> tuple[float, float]:
        numbers = [
            value
            for line in self._lines.values()
            for value in line.values()
            if math.isfinite(value)
        ]
        numbers += [
            float(limit)
            for variant in self._outcome.variants
            for limit in variant.settings.thresholds.values()
        ]
        return min(numbers), max(numbers)

    def _value_name(self) -> str:
        drawn = self._outcome.drawn
        if drawn is None or self._axis is None:
            return ""
        every = prometheus(self._grid.length(drawn.stride))
        what = "least" if is_downward(self._outcome.asked.alert.expr) else "greatest"
        return "value" if drawn.stride == 1 else f"{what} value of each {every}"

    def _marks(self) -> Iterator[Place]:
        for mark in self._axis.marks if self._axis else ():
            yield Place(self._y(mark.value), mark.text)

    def _gaps(self) -> Iterator[Place]:
        known = self._outcome.clock.known
        edges = [self._window.first, *(t for one in known for t in (one.first, one.end))]
        for first, end in zip(edges[::2], [*edges[1::2], self._window.end], strict=True):
            gap = Span(first, end).cut(self._window)
            if gap:
                left, right = self._x(gap.first), self._x(gap.end)
                text = f"unknown: {self._span(gap)}"
                yield Place(left, text, max(right - left, _NARROWEST))

    def _paths(self) -> Iterator[Line]:
        drawn = self._outcome.drawn
        if self._axis is None or drawn is None:
            return
        named = list(self._lines)[:_NAMED]
        for labels in reversed(self._lines):
            kind = f"l{named.index(labels)}" if labels in named else "rest"
            path = self._path(self._lines[labels], drawn.stride)
            yield Line(path, shown_labels(labels), kind)

    def _path(self, line: Mapping[int, float], stride: int) -> str:
        parts, last = [], None
        for tick in sorted(line):
            if not math.isfinite(line[tick]):
                continue
            command = "L" if last is not None and tick - last <= stride else "M"
            # A single value between two gaps is a short stroke.
            x, y = self._x(tick - stride / 2), self._y(line[tick])
            parts.append(f"{command}{x:.1f} {y:.1f}" + ("h1" if command == "M" else ""))
            last = tick
        return "".join(parts)

    def _limits(self) -> Iterator[Limit]:
        if self._axis is None:
            return
        places = ((LEFT + 8, "start"), (RIGHT - 8, "end"), ((LEFT + RIGHT) / 2, "middle"))
        said: set[tuple[object, object]] = set()
        for variant, (x, anchor) in zip(self._outcome.variants, places, strict=False):
            for comparison, limit in limits(self._outcome.asked.alert.expr):
                number = variant.settings.thresholds[limit]
                if (comparison, number) in said:
                    continue
                said.add((comparison, number))
                at = self._y(float(number))
                text = f"{variant.name} {comparison.value} {figure(float(number), self._unit)}"
                above = at - 6 if at - 20 > TOP else at + 16
                yield Limit(at, x, above, anchor, text, variant.name)

    def _strips(self) -> Iterator[Strip]:
        for number, variant in enumerate(self._outcome.variants):
            at = self._bottom + 14 + number * (STRIP + _BETWEEN)
            yield Strip(
                at, variant.name, tuple(self._firing(variant, one) for one in variant.firings)
            )

    def _firing(self, variant: Variant, firing: Firing) -> Place:
        left, right = self._x(firing.span.first), self._x(firing.span.end)
        lasted = length(self._outcome.lasted(firing))
        judged = variant.judged(firing)
        told = "" if variant.told is None else f", {judged.value}"
        text = f"{shown_labels(firing.labels)}: {self._span(firing.span)}, {lasted}{told}"
        kind = "fires" if variant.told is None else _KINDS[judged]
        return Place(left, text, max(right - left, _NARROWEST), kind)

    def _entries(self) -> Iterator[tuple[str, str]]:
        # What all lines have in common tells none from another.
        common = set.intersection(*map(set, self._lines)) if len(self._lines) > 1 else set()
        for number, labels in enumerate(list(self._lines)[:_NAMED] if self._axis else ()):
            told = [one for one in labels if one not in common]
            yield f"l{number}", shown_labels(told) if told else "value"
        rest = len(self._outcome.drawn.lines) - _NAMED if self._outcome.drawn else 0
        if rest > 0 and self._axis:
            yield "rest", f"{rest} more"
        if self._outcome.today.told is None:
            yield "fires", "fires"
        else:
            yield from ((kind, f"fires: {judged.value}") for judged, kind in _KINDS.items())
        yield "gap", "unknown"

    def _span(self, span: Span) -> str:
        first, end = self._grid.time(span.first), self._grid.time(span.end)
        return f"{first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _chosen(outcome: Outcome) -> dict[Labels, Mapping[int, float]]:
    """The lines that are shown: what fires first, then what comes nearest to it."""
    drawn: Drawn | None = outcome.drawn
    if drawn is None:
        return {}
    downward = is_downward(outcome.asked.alert.expr)
    fired = {one.labels for variant in outcome.variants for one in variant.firings}

    def nearness(labels: Labels) -> tuple[bool, float]:
        numbers = drawn.lines[labels].values()
        return labels not in fired, min(numbers) if downward else -max(numbers)

    found = sorted((one for one in drawn.lines if drawn.lines[one]), key=nearness)
    return {labels: drawn.lines[labels] for labels in found[: _NAMED + _REST]}


def _laid_out(entries: Iterator[tuple[str, str]], y: int) -> Iterator[Entry]:
    x = float(LEFT)
    for kind, text in entries:
        width = _LEGEND_COLUMN + len(text) * _LETTER + 22
        if x > LEFT and x + width > RIGHT:
            x, y = float(LEFT), y + _LEGEND
        yield Entry(x, y, kind, text)
        x += width
