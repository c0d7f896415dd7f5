"""Grafana dashboards."""
from __future__ import annotations
from model.platform import Platform
from rules.output import Files
def build(platform: Platform) -> Files:
    return {}
