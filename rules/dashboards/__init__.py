"""The Grafana dashboards: what they show is in `overview` and `alerts`, what that asks Prometheus
in `queries`, how it looks in `panels` and `page`.
"""

from __future__ import annotations

from model.platform import Platform
from rules.output import Files
from rules.own_series import own_queries

OVERVIEW = "grafana/dashboards/overview.json"
ALERTS = "grafana/dashboards/alerts.json"


def build(platform: Platform) -> Files:
    """`grafana/dashboards/overview.json` and `alerts.json`."""
    # Grafana's SDK takes 130 ms to import, which a mistake in the config need not wait for.
    from rules.dashboards.alerts import build_alerts
    from rules.dashboards.overview import build_overview

    texts = {OVERVIEW: build_overview(platform), ALERTS: build_alerts(platform)}
    return {path: own_queries(text, platform) for path, text in texts.items()}
