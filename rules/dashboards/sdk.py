"""Grafana's SDK, imported without its complaint; the dashboards take it from here."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # It asks for dashboards v2, which Grafana's provisioning by files rejects (grafana#127928).
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        prometheus,
        stat,
        statetimeline,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.builders import common as ui
    from grafana_foundation_sdk.builders import dashboard as board
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.variants import Dataquery
    from grafana_foundation_sdk.models import common, dashboard
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

__all__ = [
    "Builder",
    "Dataquery",
    "PromQueryFormat",
    "bargauge",
    "board",
    "common",
    "dashboard",
    "prometheus",
    "stat",
    "statetimeline",
    "table",
    "timeseries",
    "ui",
]
