"""What Grafana is provisioned with: its data source, and where its dashboards are."""

from __future__ import annotations

from model.durations import prometheus
from model.platform import Platform
from rules.output import Files, yaml_file

DATASOURCE_UID = "prometheus"
FOLDER = "Monitoring"
# Where the dashboards are mounted in Grafana's container.
DASHBOARDS = "/etc/grafana/provisioning/dashboards"


def build(platform: Platform) -> Files:
    """`grafana/provisioning/{datasources,dashboards}/*.yml`."""
    source = {
        "name": "Prometheus",
        "uid": DATASOURCE_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://{platform.watched_by.prometheus[0]}",
        "isDefault": True,
        # Grafana assumes 15 s otherwise, and steps over what is shorter.
        "jsonData": {"timeInterval": prometheus(platform.watched_by.scrape_interval)},
        "editable": False,
    }
    provider = {
        "name": platform.name,
        "folder": FOLDER,
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": DASHBOARDS},
    }
    return {
        "grafana/provisioning/datasources/prometheus.yml": yaml_file(
            {"apiVersion": 1, "datasources": [source]}
        ),
        "grafana/provisioning/dashboards/monitoring.yml": yaml_file(
            {"apiVersion": 1, "providers": [provider]}
        ),
    }
