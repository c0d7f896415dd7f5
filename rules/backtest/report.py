"""A backtest as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta

from model.durations import prometheus
from model.visible import printable
from rules.backtest.asked import Settings
from rules.backtest.axes import figure
from rules.backtest.clock import Firing, Grid
from rules.backtest.condition import thresholds
from rules.backtest.differences import differences
from rules.backtest.ledger import Judgement
from rules.backtest.outcome import Outcome, Variant
from rules.backtest.replay import Span
from rules.dashboards.units import unit

_WIDTH = 100
_FIRST = 24
_MOST = 20
_MINUTE = "%Y-%m-%d %H:%M"
_SECOND = "%Y-%m-%d %H:%M:%S"


def report(outcome: Outcome) -> str:
    """All that a backtest has found, with times in UTC."""
    lines = [*_head(outcome), "", *_history(outcome), "", *_table(outcome)]
    for other in outcome.variants[1:]:
        lines += _changes(outcome, other)
    if notes := [line for note in _notes(outcome) for line in _wrapped(note, "- ")]:
        lines += ["", "To know", *notes]
    return "\n".join([*lines, "", "Suggestion", *_wrapped(_suggestion(outcome))])


def shown_thresholds(outcome: Outcome, settings: Settings) -> str:
    """A variant's thresholds with their comparisons."""
    compared = thresholds(outcome.asked.alert.expr)
    shown = []
    for one in dict.fromkeys((each.comparison, each.threshold) for each in compared):
        number = settings.thresholds[one[1]]
        people = figure(float(number), unit(compared[0].inner))
        also = f" ({people})" if people != f"{number:f}" else ""
        shown.append(f"{one[0].value} {number:f}{also}")
    return ", ".join(shown) or "none"


def shown_labels(labels: Iterable[tuple[str, str]]) -> str:
    """Labels as PromQL has them."""
    shown = (f'{printable(name)}="{printable(value)}"' for name, value in labels)
    return ", ".join(shown) or "without labels"


def length(length: timedelta) -> str:
    """A length of time in its two largest units."""
    seconds = timedelta(seconds=round(length.total_seconds()))
    unit = timedelta(minutes=1) if seconds >= timedelta(hours=1) else timedelta(seconds=1)
    if seconds >= timedelta(days=1):
        unit = timedelta(hours=1)
    return prometheus(round(seconds / unit) * unit)


def _head(outcome: Outcome) -> Iterator[str]:
    severity = outcome.asked.alert.severity
    yield f"{outcome.title}{f' ({severity})' if severity else ''}"
    yield from _wrapped(outcome.condition)
    grid, window = outcome.clock.grid, outcome.window
    yield (
        f"  evaluated every {prometheus(grid.interval)}, "
        f"{grid.time(window.first):{_MINUTE}} to {grid.time(window.end):{_MINUTE}} UTC"
    )


def _history(outcome: Outcome) -> Iterator[str]:
    clock, window = outcome.clock, outcome.window
    grid = clock.grid
    yield "History"
    known = clock.count(window)
    share = f"{known / len(window):.1%}"
    yield _row(
        "known", [f"{length(grid.length(known))} of {length(grid.length(len(window)))} ({share})"]
    )
    first = clock.known[0].first
    if first > window.first:
        yield _row(
            "begins", [f"{grid.time(first):{_MINUTE}}, not when you asked: before, all is unknown"]
        )
    gaps = [part for one in clock.gaps if (part := one.cut(window))]
    if gaps:
        whole = length(grid.length(sum(map(len, gaps))))
        longest = max(gaps, key=len)
        yield _row(
            "gaps",
            [f"{len(gaps)}, {whole} in all, the longest {_moment(grid, longest)}: unknown"],
        )


def _table(outcome: Outcome) -> Iterator[str]:
    rows: list[tuple[str, Callable[[Variant], str]]] = [
        ("threshold", lambda one: shown_thresholds(outcome, one.settings)),
        ("for", lambda one: prometheus(one.settings.for_)),
        ("keep_firing_for", lambda one: prometheus(one.settings.keep_firing_for)),
        ("fired", lambda one: str(len(one.firings))),
        ("firing in all", lambda one: _total(outcome, one)),
        (
            "longest",
            lambda one: length(max(map(outcome.lasted, one.firings), default=timedelta(0))),
        ),
        ("label sets that fired", lambda one: str(len({f.labels for f in one.firings}))),
    ]
    for judgement, title in (
        (Judgement.REAL, "real alerts seen"),
        (Judgement.FALSE, "false positives seen"),
        (Judgement.UNKNOWN, "not judged, seen"),
    ):
        rows.append((title, lambda one, judgement=judgement: _seen(one, judgement)))  # type: ignore[misc]
    columns = [[one.name, *(cell(one) for _, cell in rows)] for one in outcome.variants]
    wide = [max(map(len, cells)) + 3 for cells in columns]
    for title, *cells in zip(["", *(title for title, _ in rows)], *columns, strict=True):
        yield _row(title, [f"{text:<{width}}" for text, width in zip(cells, wide, strict=True)])


def _seen(variant: Variant, judgement: Judgement) -> str:
    if variant.told is None:
        return "unknown"
    seen, missed = len(variant.seen(judgement)), len(variant.missed(judgement))
    return f"{seen} of {seen + missed}"


def _total(outcome: Outcome, variant: Variant) -> str:
    return length(sum(map(outcome.lasted, variant.firings), timedelta(0)))


def _changes(outcome: Outcome, other: Variant) -> Iterator[str]:
    found = differences(outcome, other)
    for judgement, title in (
        (Judgement.REAL, "real alerts that it misses"),
        (Judgement.FALSE, "false positives that it spares"),
        (Judgement.UNKNOWN, "others that it no longer tells of"),
    ):
        lost = [one.firing for one in found.lost if one.judgement is judgement]
        yield from _listed(outcome, f"{other.name}: {title}", lost)
    yield from _listed(outcome, f"{other.name}: new firings", list(found.new))
    if found.later:
        yield from ("", f"{other.name}: of a real alert it tells up to {length(found.later)} later")


def _listed(outcome: Outcome, title: str, firings: Sequence[Firing]) -> Iterator[str]:
    if not firings:
        return
    yield from ("", f"{title} ({len(firings)})")
    for one in firings[:_MOST]:
        before = "before " if one.began_before else ""
        start = f"{before}{outcome.clock.grid.time(one.span.first):{_SECOND}}"
        lasted = length(outcome.lasted(one))
        goes_on = " and on" if one.goes_on else ""
        labels = shown_labels(one.labels) if one.labels else ""
        yield f"  {start}  {lasted + goes_on:<10} {labels}".rstrip()
    if len(firings) > _MOST:
        yield f"  and {len(firings) - _MOST} more"


def _notes(outcome: Outcome) -> Iterator[str]:
    yield from outcome.notes
    if outcome.today.told is None:
        yield (
            "which of these were real and which false positives is unknown: the ledger knows, say "
            "--ledger and --ledger-token-file"
        )
        return
    gone = [
        one
        for judgement in (Judgement.REAL, Judgement.FALSE)
        for one in outcome.today.missed(judgement)
    ]
    if gone:
        yield (
            f"{len(gone)} judged alerts of the ledger are not in today's replay: the alert, or "
            "what it reads, was another one then"
        )


def _suggestion(outcome: Outcome) -> str:
    if outcome.suggestion is not None:
        return outcome.suggestion.why
    return "none: without the ledger nothing says which firings were worth a page"


def _moment(grid: Grid, span: Span) -> str:
    return f"{grid.time(span.first):{_MINUTE}} to {grid.time(span.end):{_MINUTE}}"


def _row(title: str, cells: Sequence[str]) -> str:
    return f"  {title:<{_FIRST}}{''.join(cells)}".rstrip()


def _wrapped(text: str, mark: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {mark}",
        subsequent_indent=" " * (2 + len(mark)),
        break_long_words=False,
        break_on_hyphens=False,
    )
