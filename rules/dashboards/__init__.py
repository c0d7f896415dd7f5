"""The Grafana dashboards, one file each: what they ask Prometheus is built from the catalogue.

`panels` and `page` say how things look in Grafana, `board` what every dashboard has, `choices` how
variables narrow what is asked, `topics` which dashboard tells of which alerts.
"""

from __future__ import annotations

from model.platform import Platform
from rules.output import Files
from rules.own_series import own_queries

FOLDER = "grafana/dashboards"
OVERVIEW = f"{FOLDER}/overview.json"
ALERTS = f"{FOLDER}/alerts.json"


def build(platform: Platform) -> Files:
    """`grafana/dashboards/*.json`; one about what the config does not have is left out."""
    # Grafana's SDK takes 130 ms to import, which a mistake in the config need not wait for.
    from rules.dashboards import (
        alerting,
        alerts,
        business,
        monitoring,
        overview,
        postgres,
        redis,
        service,
    )

    texts = {OVERVIEW: overview.build(platform), ALERTS: alerts.build(platform)}
    texts[f"{FOLDER}/service.json"] = service.build(platform)
    if platform.postgres:
        texts[f"{FOLDER}/postgres.json"] = postgres.build(platform)
    if platform.redis:
        texts[f"{FOLDER}/redis.json"] = redis.build(platform)
    if business.has_business(platform):
        texts[f"{FOLDER}/business.json"] = business.build(platform)
    texts[f"{FOLDER}/alerting.json"] = alerting.build(platform)
    texts[f"{FOLDER}/monitoring.json"] = monitoring.build(platform)
    return {path: own_queries(text, platform) for path, text in texts.items()}
