"""escalation.rules.yml: what is not acknowledged in time comes to the next person."""

from __future__ import annotations

from typing import Any

from model.durations import prometheus
from model.escalation import UNACKED_AGE, EscalationRule, escalation_rules, unacked_age
from model.links import runbook_url
from model.platform import Platform
from rules.alerts import dashboard_link
from rules.limits import within_limits
from rules.output import Files, yaml_file

GROUP = "escalation"
PATH = f"rules/generated/{GROUP}.rules.yml"


def build(platform: Platform) -> Files:
    """The escalation rules; no file if no severity has a ladder."""
    groups = rule_groups(platform)
    return {PATH: yaml_file({"groups": groups})} if groups else {}


def rule_groups(platform: Platform) -> list[dict[str, Any]]:
    """The escalation rules in as many groups as Mimir's limits make of them."""
    alerts = escalation_rules(platform)
    if not alerts:
        return []
    group = {
        "name": GROUP,
        "interval": prometheus(platform.watched_by.evaluation_interval),
        "rules": [
            {"record": UNACKED_AGE, "expr": unacked_age()},
            *(_rule(alert, platform) for alert in alerts),
        ],
    }
    return within_limits(group)


def rule_annotations(alert: EscalationRule, platform: Platform) -> dict[str, str]:
    """The rule's annotations; the runbook is the source's, unless it is about the ledger."""
    page = "{{ $labels.source_alertname }}" if alert.symptoms is None else alert.name
    service = alert.labels.get("service", "{{ $labels.service }}")
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": runbook_url(page, platform),
        **dashboard_link(service, platform),
    }


def _rule(alert: EscalationRule, platform: Platform) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expr}
    if alert.for_:
        rule["for"] = prometheus(alert.for_)
    return {**rule, "labels": dict(alert.labels), "annotations": rule_annotations(alert, platform)}
