"""The alerting rules: one file a group."""

from __future__ import annotations

from typing import Any

from model.alerts import Alert
from model.durations import prometheus
from model.links import overview_url, runbook_url
from model.platform import Platform
from model.promql import CONFIG_SHA256, Expr
from rules.figures import figures
from rules.inhibition import dependency_labels
from rules.limits import refuse_too_many, within_limits
from rules.maintenance import outside_maintenance
from rules.output import Files, yaml_file
from rules.own_series import own_series


def build(platform: Platform) -> Files:
    """`rules/generated/<group>.rules.yml` for every group of alerts."""
    limited = {
        group: within_limits(_group(group, alerts, platform))
        for group, alerts in groups(platform).items()
    }
    refuse_too_many(sum(map(len, limited.values())))
    return {rules_path(name): yaml_file({"groups": parts}) for name, parts in limited.items()}


def groups(platform: Platform) -> dict[str, list[Alert]]:
    """The alerts by their group, both in the config's order."""
    found: dict[str, list[Alert]] = {}
    for alert in platform.alerts:
        found.setdefault(alert.group, []).append(alert)
    return found


def rules_path(group: str) -> str:
    """Where a group's rules stand."""
    return f"rules/generated/{group}.rules.yml"


def expression(expr: Expr | str, platform: Platform) -> str:
    """An expression as Prometheus reads it, with the config's hash put in."""
    return own_series(str(expr), platform).replace(CONFIG_SHA256, platform.sha256)


def rule_labels(alert: Alert, platform: Platform) -> dict[str, str]:
    """The labels that the rule adds; `service` and dependencies may hold templates."""
    labels = {} if alert.severity is None else {"severity": alert.severity}
    return {**labels, "service": alert.service, **dependency_labels(alert, platform)}


def rule_annotations(alert: Alert, platform: Platform) -> dict[str, str]:
    """The rule's annotations, templates unexpanded."""
    return {
        "summary": alert.summary,
        "description": alert.description,
        **figures(alert),
        "runbook_url": runbook_url(alert.name, platform),
        **dashboard_link(alert.service, platform),
    }


def dashboard_link(service: str, platform: Platform) -> dict[str, str]:
    """The annotation that leads to a service on the overview dashboard, where Grafana is known."""
    url = overview_url(service, platform)
    return {} if url is None else {"dashboard_url": url}


def _group(name: str, alerts: list[Alert], platform: Platform) -> dict[str, Any]:
    return {
        "name": name,
        "interval": prometheus(platform.watched_by.evaluation_interval),
        "rules": [_rule(alert, platform) for alert in alerts],
    }


def _rule(alert: Alert, platform: Platform) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "alert": alert.name,
        "expr": expression(outside_maintenance(alert), platform),
    }
    if alert.for_:
        rule["for"] = prometheus(alert.for_)
    if alert.keep_firing_for:
        rule["keep_firing_for"] = prometheus(alert.keep_firing_for)
    rule["labels"] = rule_labels(alert, platform)
    rule["annotations"] = rule_annotations(alert, platform)
    return rule
