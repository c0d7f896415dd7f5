"""The Grafana dashboards: what they show is in `overview`, what that asks Prometheus
in `queries`, how it looks in `panels` and `page`.
"""

from __future__ import annotations

from model.platform import Platform
from rules.output import Files
from rules.own_series import own_queries

OVERVIEW = "grafana/dashboards/overview.json"


def build(platform: Platform) -> Files:
    """`grafana/dashboards/overview.json`."""
    # Grafana's SDK takes 130 ms to import, which a mistake in the config need not wait for.
    from rules.dashboards.overview import build_overview

    return {OVERVIEW: own_queries(build_overview(platform), platform)}
