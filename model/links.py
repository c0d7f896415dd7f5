"""Where the texts that people get lead to: runbook pages and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.platform import Platform

OVERVIEW_UID = "monitoring-overview"
ALERTS_UID = "monitoring-alerts"


def runbook_url(name: str, platform: Platform) -> str:
    """The page of an alert; `name` may be a template."""
    return f"{platform.base_url}/runbooks/{name}"


def overview_url(service: str, platform: Platform) -> str | None:
    """A service on the overview dashboard, None where Grafana is not known."""
    if platform.grafana_url is None:
        return None
    return f"{platform.grafana_url}/d/{OVERVIEW_UID}?var-service={service}"


def alerts_dashboard_url(platform: Platform) -> str | None:
    """The dashboard of what each alert compares, None where Grafana is not known."""
    return None if platform.grafana_url is None else f"{platform.grafana_url}/d/{ALERTS_UID}"
