"""The alerts dashboard: a panel for each alert, with its own expression and its own threshold."""

from __future__ import annotations

from collections.abc import Iterator

from model.alerts import Alert
from model.escalation import escalation_rules
from model.links import ALERTS_UID, runbook_url
from model.names import Metric
from model.platform import Platform
from rules.alerts import groups
from rules.dashboards.board import Board, written
from rules.dashboards.choices import SERVICES, Choice
from rules.dashboards.conditions import Condition, of_alert, of_escalation
from rules.dashboards.page import (
    Section,
    choose_services,
    dashboard_link,
    evenly,
    link,
)
from rules.dashboards.panels import Panel, Text, draw_limits, line_panel
from rules.dashboards.queries import watches
from rules.escalation import GROUP

_HEIGHT = 8


def build(platform: Platform) -> str:
    """The alerts dashboard's file."""
    is_narrowed = any(SERVICES.concerns(alert.expr) for alert in platform.alerts)
    narrows = "Narrows the panels that are about services."
    return written(
        Board(
            uid=ALERTS_UID,
            title="Alerts",
            about="What each alert compares, and with what.",
            sections=_sections(platform),
            variables=(choose_services(platform, narrows),) if is_narrowed else (),
        ),
        platform,
    )


def alert_on(metric: Metric, platform: Platform) -> Alert | None:
    """The first alert that compares a metric with a number."""
    return next((alert for alert in platform.alerts if watches(alert, metric)), None)


def condition_panel(
    alert: Alert, platform: Platform, title: str, choice: Choice = SERVICES
) -> Panel:
    """What an alert compares, of what was chosen, with the number that it compares with."""
    return _panel(of_alert(alert, platform, choice), platform, title)


def _sections(platform: Platform) -> Iterator[Section]:
    for group, alerts in groups(platform).items():
        panels = [
            condition_panel(alert, platform, alert_title(alert, platform)) for alert in alerts
        ]
        yield Section(evenly(panels), _HEIGHT, group)
    if rules := escalation_rules(platform):
        panels = [_panel(of_escalation(rule), platform, rule.name) for rule in rules]
        yield Section(evenly(panels), _HEIGHT, GROUP)


def alert_title(alert: Alert, platform: Platform) -> str:
    """Its name; with what tells it from others where it shares that."""
    name, *told = alert.key
    alone = sum(other.name == name for other in platform.alerts) == 1
    return name if alone else f"{name} ({', '.join(told)})"


def _panel(condition: Condition, platform: Platform, title: str) -> Panel:
    runbook = runbook_url(condition.name, platform)
    text = Text(title, "\n\n".join((*condition.explanation, f"[Runbook]({runbook})")))
    panel = line_panel(text, condition.queries, condition.unit).no_value("none")
    if condition.comparison is not None:
        draw_limits(panel, condition.comparison, condition.limits)
    every = dashboard_link("All alerts", f"/d/{ALERTS_UID}")
    return panel.links([link("Runbook", runbook), every])
