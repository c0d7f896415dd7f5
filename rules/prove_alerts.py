"""Proofs that every alert has what people and tests need: page, unit tests, panel, one threshold.

They read the generated text alone, so that a mistake of whatever wrote it can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from model.durations import parse
from model.links import runbook_url
from model.platform import Platform
from model.runbook import INDEX
from rules import runbooks
from rules.comparisons import Compared, compared_in, own_condition, without_job
from rules.expand import FUNCTIONS
from rules.proof import Proof
from rules.read_back import (
    AlertTest,
    DrawnPanel,
    ReadBack,
    Rule,
    WrittenPage,
)

_FUNCTION = re.compile(r"\{\{ \$value \| (.*) \}\}")
_LIMIT = re.compile(r"`([<>=!]+) (\S+)`")


# --- pages --------------------------------------------------------------------------------------


def every_alert_has_a_page(platform: Platform, written: ReadBack) -> Proof:
    """Each runbook_url leads to a page that is there, and no page is about what is gone."""
    alerts, pages = written.alerts, written.pages
    names = {rule.name for rule in alerts}
    objections = [text for rule in alerts for text in _page_objections(rule, platform, pages)]
    objections += [
        f"{page.path}: there is no alert {name} any more; remove the page"
        for name, page in pages.items()
        if name not in names
    ]
    objections += [f"{p.path}: is titled {p.title}" for n, p in pages.items() if p.title != n]
    listed = written.files.get(runbooks.path(INDEX), "")
    objections += [
        f"{runbooks.path(INDEX)}: does not lead to {name}"
        for name in sorted(names)
        if f"]({name}.md)" not in listed
    ]
    claim = f"runbooks: {len(names)} alerts lead to their page, and no page is left over"
    return Proof(claim, list(dict.fromkeys(objections)))


def _page_objections(
    rule: Rule, platform: Platform, pages: dict[str, WrittenPage]
) -> Iterator[str]:
    if rule.name not in pages:
        yield f"{rule.place}: has no page {runbooks.path(rule.name)}"
    url = rule.annotations.get("runbook_url")
    # What escalates another alert leads to that alert's page.
    allowed = [
        runbook_url(name, platform) for name in (rule.name, "{{ $labels.source_alertname }}")
    ]
    if url is None:
        yield f"{rule.place}: has no runbook_url; it is to be {allowed[0]}"
    elif url not in (allowed if "escalation" in rule.labels else allowed[:1]):
        yield f"{rule.place}: its runbook_url {url} is not where its page is, {allowed[0]}"


# --- unit tests ---------------------------------------------------------------------------------


def every_alert_has_unit_tests(written: ReadBack) -> Proof:
    """For each alert some test expects that it fires, and some that it does not."""
    alerts, tests = written.alerts, written.tests
    names = {rule.name for rule in alerts}
    by_name: dict[str, list[AlertTest]] = {}
    for test in tests:
        by_name.setdefault(test.alert, []).append(test)
    objections = []
    for rule in alerts:
        seen = {test.fires for test in by_name.get(rule.name, ()) if test.is_of(rule)}
        if True not in seen:
            objections.append(f"{rule.place}: no unit test sees it fire")
        if False not in seen and not _always_fires(rule):
            objections.append(f"{rule.place}: no unit test sees it quiet")
    objections += [
        f"{test.path}: tests {test.alert}, which is no alert"
        for test in tests
        if test.alert not in names
    ]
    claim = f"unit tests: each of {len(names)} alerts is seen to fire and to stay quiet"
    return Proof(claim, list(dict.fromkeys(objections)))


def _always_fires(rule: Rule) -> bool:
    return "severity" not in rule.labels and "escalation" not in rule.labels


# --- panels and thresholds ----------------------------------------------------------------------


def every_alert_has_a_panel(platform: Platform, written: ReadBack) -> Proof:
    """Some dashboard has a panel for each alert, which leads to its page."""
    alerts, panels = written.alerts, written.panels
    leads = {url for panel in panels for url in panel.links}
    objections = [
        f"{rule.place}: no dashboard has a panel that leads to its page"
        for rule in alerts
        if runbook_url(rule.name, platform) not in leads
    ]
    start = runbook_url("", platform)
    names = {rule.name for rule in alerts}
    objections += [
        f"{panel.place}: leads to the page of {url.removeprefix(start)}, which is no alert"
        for panel in panels
        for url in panel.links
        if url.startswith(start) and url.removeprefix(start) not in names
    ]
    claim = f"dashboards: each of {len({rule.name for rule in alerts})} alerts has a panel"
    return Proof(claim, list(dict.fromkeys(objections)))


def thresholds_agree(platform: Platform, written: ReadBack) -> Proof:
    """The rule, the panel, the message and the page name one threshold, expression and time."""
    alerts, panels, pages = written.alerts, written.panels, written.pages
    objections = []
    compared: list[tuple[Rule, list[Compared]]] = []
    for rule in alerts:
        try:
            compared.append((rule, compared_in(rule.expr)))
        except ValueError as error:
            objections.append(f"{rule.place}: its expression is not PromQL: {error}")
    for rule, parts in compared:
        namesakes = [(other, own) for other, own in compared if other.name == rule.name]
        own = [p for p in panels if runbook_url(rule.name, platform) in p.links]
        objections += _drawn(rule, parts, own)
        objections += [
            f"{panel.place}: draws {_lines(panel)}, and {rule.name} compares {_wanted(parts)}"
            for panel in own
            if not any(_draws(panel, other, compares) for other, compares in namesakes)
        ]
        objections += _said(rule, parts)
        if rule.name in pages:
            objections += _written(rule, parts, pages[rule.name])
    claim = f"thresholds: rules, panels, messages and pages of {len(alerts)} alerts agree"
    return Proof(claim, list(dict.fromkeys(objections)))


def _drawn(rule: Rule, parts: list[Compared], panels: list[DrawnPanel]) -> Iterator[str]:
    if panels and not any(_draws(panel, rule, parts) for panel in panels):
        yield f"{rule.place}: no panel draws {_wanted(parts)}"


def _draws(panel: DrawnPanel, rule: Rule, parts: list[Compared]) -> bool:
    limits = {part.limit for part in parts if part.limit is not None}
    expected = {without_job(part.text) for part in parts} if limits else {own_condition(rule.expr)}
    try:
        asked = {own_condition(query) for query in panel.queries}
    except ValueError:
        return False
    return asked == expected and set(panel.limits) == limits


def _wanted(parts: list[Compared]) -> str:
    limits = [f"{part.text} {part.comparison} {part.limit:f}" for part in parts if part.comparison]
    return " and ".join(limits) or "no number"


def _lines(panel: DrawnPanel) -> str:
    limits = ", ".join(f"{limit:f}" for limit in panel.limits)
    return f"{' and '.join(panel.queries)} with {f'a line at {limits}' if limits else 'no line'}"


def _said(rule: Rule, parts: list[Compared]) -> Iterator[str]:
    """The annotation `threshold`, which messages show, is the limit in the message's own words."""
    told = rule.annotations.get("threshold")
    if told is None:
        return
    shown = _FUNCTION.fullmatch(rule.annotations.get("value", ""))
    if shown is None or shown[1] not in FUNCTIONS:
        yield f"{rule.place}: the annotation value shows no $value beside its threshold"
        return
    limits = [
        f"{part.comparison} {FUNCTIONS[shown[1]](float(part.limit))}"
        for part in parts
        if part.limit is not None
    ]
    if told not in limits:
        yield (
            f"{rule.place}: the annotation threshold says {told}, "
            f"and the rule {' and '.join(limits) or 'compares with no number'}"
        )


def _written(rule: Rule, parts: list[Compared], page: WrittenPage) -> Iterator[str]:
    if own_condition(rule.expr) not in _conditions(page):
        yield f"{page.path}: does not show the expression of {rule.place}"
    if not any(_is_about(rule, parts, row) for row in page.rows):
        lasts = f"for {rule.for_}, keeps firing for {rule.keep_firing_for}"
        yield f"{page.path}: has no row for {rule.place}: {_wanted(parts)}, {lasts}"


def _conditions(page: WrittenPage) -> Iterator[str]:
    for text in page.expressions:
        try:
            yield own_condition(text)
        except ValueError:
            continue  # a condition that cannot be read is none of the rule's


def _is_about(rule: Rule, parts: list[Compared], row: dict[str, str]) -> bool:
    severity = rule.labels.get("severity")
    if "escalation" not in rule.labels and row.get("Severity") != (severity or "none"):
        return False
    try:
        times = [parse(row[title]) for title in ("For", "Keeps firing for")]
    except (KeyError, ValueError):
        return False
    if times != [parse(rule.for_), parse(rule.keep_firing_for)]:
        return False
    told = _LIMIT.fullmatch(row.get("Threshold", ""))
    if told is None:
        # A page may leave a threshold to the expression; a message that names one, it may not.
        return "threshold" not in rule.annotations
    return any(part.comparison == told[1] and part.limit == _decimal(told[2]) for part in parts)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
