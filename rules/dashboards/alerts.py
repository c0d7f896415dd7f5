"""What the alerts compare: a panel for each, with its own expression and its own threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from model.alerts import Alert
from model.durations import prometheus
from model.names import Metric
from model.platform import Platform
from rules.alerts import expression
from rules.dashboards.page import link
from rules.dashboards.panels import Panel, Query, Text, draw_threshold, line_panel
from rules.dashboards.queries import compared, unit, watches


def condition_panels(platform: Platform, without: tuple[Metric, ...]) -> Iterator[Panel]:
    """A panel for each alert that compares something, except the one on each metric `without`."""
    shown = [alert_on(metric, platform) for metric in without]
    for alert in platform.alerts:
        if compared(alert) and alert not in shown:
            yield condition_panel(alert, platform, alert.name)


def alert_on(metric: Metric, platform: Platform) -> Alert | None:
    """The first alert that compares a metric with a number."""
    return next((alert for alert in platform.alerts if watches(alert, metric)), None)


def condition_panel(alert: Alert, platform: Platform, title: str) -> Panel:
    """What an alert compares, with the number that it compares with."""
    condition = compared(alert)
    assert condition is not None
    query = Query(expression(condition.inner, platform), legend=_legend(condition.labels, alert))
    text = Text(title, "\n\n".join(_explanation(alert, platform)))
    panel = line_panel(text, [query], unit(condition)).no_value("none")
    runbook = link("Runbook", f"{platform.base_url}/runbooks/{alert.name}")
    return draw_threshold(panel, condition).links([runbook])


def _legend(labels: Iterable[str], alert: Alert) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in sorted(labels)) or alert.name


def _explanation(alert: Alert, platform: Platform) -> Iterator[str]:
    condition = compared(alert)
    assert condition is not None
    lasting = f" for {prometheus(alert.for_)}" if alert.for_ else ""
    limit = f"{condition.comparison.value} {condition.threshold}"
    yield f"{alert.name} fires when a line is {limit}{lasting}, on the shaded side."
    if alert.symptoms:
        yield alert.symptoms
    yield from (f"- {step}" for step in (*alert.investigation, *alert.actions))
    yield f"[Runbook]({platform.base_url}/runbooks/{alert.name})"
