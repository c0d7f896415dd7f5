"""The index: all alerts, the worst first, and what is watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from model.escalation import escalation_rules
from model.maintenance import Maintenance, WeeklyMaintenance
from model.platform import Platform
from model.runbook.page import Line, Page, Paragraph, Section, Span, Style, Table, plain, prose

# The titles of what `python -m rules diff` reads back.
WATCHED = "What is watched"
MAINTENANCE = "Maintenance"


def index(platform: Platform) -> Page:
    """The page of all alerts and targets."""
    lead = Paragraph(plain("What each alert means, what to do about it, and who is told."))
    return Page("Alerts", (lead,), tuple(_sections(platform)))


def _sections(platform: Platform) -> Iterator[Section]:
    for severity in (*(one.name for one in platform.severities), None):
        found = [alert for alert in platform.alerts if alert.severity == severity]
        rows = {alert.name: prose(alert.symptoms or alert.summary) for alert in found}
        if rows:
            yield _listed(severity or "Always firing", rows)
    if rules := escalation_rules(platform):
        yield _listed("Escalation", {rule.name: prose(rule.summary) for rule in rules})
    if windows := tuple(map(_window, platform.maintenance)):
        heading = ("When", "Targets", "Why")
        yield Section(MAINTENANCE, (Table(heading, windows),))
    yield Section(WATCHED, (Table(("Kind", "Targets"), tuple(_targets(platform))),))


def _listed(title: str, lines: dict[str, Line]) -> Section:
    rows = tuple(((Span(name, alert=name),), line) for name, line in lines.items())
    return Section(title, (Table(("Alert", "What it means"), rows),))


def _window(window: Maintenance | WeeklyMaintenance) -> tuple[Line, ...]:
    when = f"{window.start} to {window.end} {window.time_zone}"
    if isinstance(window, WeeklyMaintenance):
        when = f"{', '.join(window.weekdays)} {when}"
    return plain(when), _names(window.targets), plain(window.reason)


def _names(names: Iterable[str]) -> Line:
    spans = [Span(name, Style.CODE) for name in names]
    return tuple(part for span in spans for part in (Span(", "), span))[1:]


def _targets(platform: Platform) -> Iterator[tuple[Line, ...]]:
    kinds: dict[str, list[str]] = {}
    for target in platform.targets:
        kinds.setdefault(target.kind, []).append(target.name)
    for kind, names in kinds.items():
        yield plain(kind), _names(names)
