"""The page of each alert of a config, and of each escalation that its ladders yield."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TypeVar

from model.alerts import Alert
from model.declared import suggestion
from model.durations import prometheus
from model.escalation import LEDGER_ESCALATION, EscalationRule, escalation_rules
from model.links import alerts_dashboard_url, overview_url, runbook_url
from model.people import Severity
from model.platform import Platform
from model.promql import CONFIG_SHA256, Expr, Threshold
from model.raw import Raw
from model.runbook.page import (
    Block,
    Code,
    Line,
    Page,
    Paragraph,
    Section,
    Span,
    Steps,
    Style,
    Table,
    code,
    plain,
    prose,
)
from model.runbook.told import escalation, told, told_of_escalation, told_through

T = TypeVar("T")

NONE = "none"
# The text says it, and no building block tells what of it.
UNSAID = "in the expression"
_FIGURES = ("Severity", "Respond within", "Threshold", "For", "Keeps firing for")


class UnknownAlertError(Exception):
    """There is no alert of that name; the message says which was probably meant."""


def page_names(platform: Platform) -> tuple[str, ...]:
    """The names of all alerts that have a page: those of the config, then the escalations."""
    own = (alert.name for alert in platform.alerts)
    return tuple(dict.fromkeys((*own, *(rule.name for rule in escalation_rules(platform)))))


def runbook(name: str, platform: Platform, labels: Mapping[str, str] | None = None) -> Page:
    """The page of an alert. Raises UnknownAlertError.

    With the labels of one that fires, only what is said of it: not of others that share its name.
    """
    alerts = [alert for alert in platform.alerts if alert.name == name]
    if alerts:
        meant = [alert for alert in alerts if labels is not None and _is_meant(alert, labels)]
        return _of_alerts(meant or alerts, platform)
    for rule in escalation_rules(platform):
        if rule.name == name:
            return _of_escalation(rule, platform)
    near = suggestion(name, page_names(platform))
    raise UnknownAlertError(f'there is no alert "{name}"{near}')


# --- alerts of the config -----------------------------------------------------------------------


def _is_meant(alert: Alert, labels: Mapping[str, str]) -> bool:
    own = {**alert.labels, **({} if alert.severity is None else {"severity": alert.severity})}
    # What a label's template comes to is not known here.
    return all("{{" in text or labels.get(name) == text for name, text in own.items())


def _of_alerts(alerts: list[Alert], platform: Platform) -> Page:
    """One page for all that share a name: they differ in severity or in what they are about."""
    first = alerts[0]
    severities = _severities(alerts, platform)
    lead = [Paragraph(line) for line in _unique(prose(alert.summary) for alert in alerts)]
    lead += [Paragraph(_importance(severity)) for severity in severities]
    lead += [Paragraph(line) for line in _unique(prose(alert.description) for alert in alerts)]
    sections = [
        _section("Symptoms", [Paragraph(prose(a.symptoms)) for a in alerts if a.symptoms]),
        _steps("Investigation", (step for alert in alerts for step in alert.investigation)),
        _steps("Actions", (step for alert in alerts for step in alert.actions)),
        _section("Who is told", (block for alert in alerts for block in told(alert, platform))),
        _section("Escalation", (b for one in severities for b in escalation(one, platform))),
        _section("Fires when", _conditions(alerts, platform)),
        _links(first.name, first.service, platform),
    ]
    return Page(first.name, tuple(lead), tuple(filter(None, sections)), first.name)


def _severities(alerts: list[Alert], platform: Platform) -> list[Severity]:
    names = dict.fromkeys(alert.severity for alert in alerts if alert.severity is not None)
    return [platform.severity(name) for name in names]


def _importance(severity: Severity) -> Line:
    within = severity.response_time
    say = f": respond within {prometheus(within)}." if within else ": to be known, not acted on."
    return (Span(severity.name, Style.STRONG), Span(say))


def _conditions(alerts: list[Alert], platform: Platform) -> Iterator[Block]:
    for text in dict.fromkeys(_text(alert.expr, platform) for alert in alerts):
        yield Code(text)
    # What shares a name is told apart by its labels.
    heading = (*_FIGURES, "Labels") if any(alert.labels for alert in alerts) else _FIGURES
    rows = ((*_figures(alert, platform), _labels(alert))[: len(heading)] for alert in alerts)
    yield Table(heading, tuple(_unique(rows)))


def _labels(alert: Alert) -> Line:
    return code(", ".join(f"{name}={value}" for name, value in alert.labels.items()) or NONE)


def _figures(alert: Alert, platform: Platform) -> tuple[Line, ...]:
    severity = None if alert.severity is None else platform.severity(alert.severity)
    response = severity.response_time if severity else None
    compared = next((part for part in alert.expr.walk() if isinstance(part, Threshold)), None)
    limit = f"{compared.comparison.value} {compared.threshold:f}" if compared else None
    return (
        plain(severity.name if severity else NONE),
        plain(prometheus(response) if response else NONE),
        code(limit) if limit else plain(UNSAID if isinstance(alert.expr, Raw) else NONE),
        plain(prometheus(alert.for_)),
        plain(prometheus(alert.keep_firing_for)),
    )


def _text(expr: Expr, platform: Platform) -> str:
    text = str(expr)
    return text.replace(CONFIG_SHA256, platform.sha256) if CONFIG_SHA256 in text else text


# --- escalations --------------------------------------------------------------------------------


def _of_escalation(rule: EscalationRule, platform: Platform) -> Page:
    about_ledger = rule.labels["escalation"] == LEDGER_ESCALATION
    if about_ledger:
        severity = platform.severity(rule.labels["severity"])
        importance, who = [_importance(severity)], told_through(severity, platform)
        response, names = severity.response_time, str(severity.name)
    else:
        importance, who = [], told_of_escalation(rule.labels["escalation"], platform)
        response, names = None, " or ".join(rule.severities)
    lead = (prose(rule.summary), *importance, prose(rule.description))
    actions = rule.actions or (
        "Acknowledge it, so that it goes no further up, or see that somebody does.",
        "Follow the runbook of the alert that it is about: the message leads there.",
    )
    row = (
        plain(names),
        plain(prometheus(response) if response else NONE),
        plain(UNSAID),
        plain(prometheus(rule.for_)),
        plain(prometheus(timedelta(0))),
    )
    sections = [
        _section("Symptoms", [Paragraph(prose(rule.symptoms))] if rule.symptoms else []),
        _steps("Investigation", rule.investigation),
        _steps("Actions", actions),
        _section("Who is told", who),
        _section("Fires when", [Code(rule.expr), Table(_FIGURES, (row,))]),
        _links(rule.name, rule.labels.get("service", "{{"), platform),
    ]
    paragraphs = tuple(Paragraph(line) for line in lead)
    return Page(rule.name, paragraphs, tuple(filter(None, sections)), rule.name)


# --- both ---------------------------------------------------------------------------------------


def _section(title: str, blocks: Iterable[Block]) -> Section | None:
    unique = tuple(_unique(blocks))
    return Section(title, unique) if unique else None


def _steps(title: str, steps: Iterable[str]) -> Section | None:
    lines = tuple(prose(step) for step in dict.fromkeys(steps))
    return Section(title, (Steps(lines, numbered=True),)) if lines else None


def _unique(things: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(things))


def _links(name: str, service: str, platform: Platform) -> Section:
    lines: list[Line] = []
    # A dashboard of all services, where which one it is stands in the message alone.
    overview = overview_url("$__all" if "{{" in service else service, platform)
    if overview is not None:
        lines.append((Span("Dashboard: "), Span("overview", url=overview)))
    alerts = alerts_dashboard_url(platform)
    if alerts is not None:
        lines.append((Span("What it compares: "), Span("alerts", url=alerts)))
    url = runbook_url(name, platform)
    lines.append((Span("This page where it is served: "), Span(url, url=url)))
    lines.append((Span("All alerts: "), Span("index", alert="")))
    return Section("Links", (Steps(tuple(lines)),))
