"""The recording and alerting rules: one file a group."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from model.alerts import Alert
from model.durations import prometheus
from model.links import overview_url, runbook_url
from model.platform import Platform
from model.promql import CONFIG_SHA256, Expr, Recording, in_order
from rules.figures import figures
from rules.inhibition import dependency_labels
from rules.limits import names_of_parts, refuse_too_many, within_limits
from rules.maintenance import outside_maintenance
from rules.output import Files, yaml_file
from rules.own_series import own_series


def build(platform: Platform) -> Files:
    """`rules/generated/<group>.rules.yml` for every group of rules."""
    return {
        rules_path(name): yaml_file({"groups": parts})
        for name, parts in rule_documents(platform).items()
    }


def rule_documents(platform: Platform) -> dict[str, list[dict[str, Any]]]:
    """Every group of rules in the parts that Mimir's limits make of it."""
    limited = {group: _parts(group, platform) for group in rule_groups(platform)}
    refuse_too_many(sum(map(len, limited.values())))
    return limited


def groups(platform: Platform) -> dict[str, list[Alert]]:
    """The alerts by their group, both in the config's order."""
    return platform.once(_groups)


def _groups(platform: Platform) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in platform.alerts:
        found.setdefault(alert.group, []).append(alert)
    return found


def rule_groups(platform: Platform) -> list[str]:
    """Every group of alerts or recording rules: those that others read come first."""
    recorded = (recording.group for recording in platform.recording_rules)
    return list(dict.fromkeys((*recorded, *groups(platform))))


def groups_read(group: str, platform: Platform) -> list[str]:
    """A group and those whose recording rules its alerts read, in the order of evaluation."""
    alerts = groups(platform).get(group, [])
    read = {recording.group for recording in in_order(alert.expr for alert in alerts)}
    return [name for name in rule_groups(platform) if name in read and name != group] + [group]


def part_names(group: str, platform: Platform) -> list[str]:
    """The names under which Prometheus knows a group, which may be too large for one."""
    rules = len(_recordings(group, platform)) + len(groups(platform).get(group, []))
    return names_of_parts(group, rules)


def group_interval(group: str, platform: Platform) -> timedelta:
    """How often Prometheus evaluates a group."""
    own = next((one.interval for one in _recordings(group, platform) if one.interval), None)
    return own or platform.watched_by.evaluation_interval


def rules_path(group: str) -> str:
    """Where a group's rules stand."""
    return f"rules/generated/{group}.rules.yml"


def expression(expr: Expr | str, platform: Platform) -> str:
    """An expression as Prometheus reads it, with the config's hash put in."""
    text = own_series(str(expr), platform)
    return text.replace(CONFIG_SHA256, platform.sha256) if CONFIG_SHA256 in text else text


def rule_labels(alert: Alert, platform: Platform) -> dict[str, str]:
    """The labels that the rule adds; `service` and dependencies may hold templates."""
    labels = {} if alert.severity is None else {"severity": alert.severity}
    own = {**labels, "service": alert.service, **alert.labels}
    return {**own, **dependency_labels(alert, platform)}


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


def _parts(name: str, platform: Platform) -> list[dict[str, Any]]:
    return within_limits(
        {
            "name": name,
            "interval": prometheus(group_interval(name, platform)),
            "rules": [
                *(_recording(one, platform) for one in _recordings(name, platform)),
                *(_rule(alert, platform) for alert in groups(platform).get(name, [])),
            ],
        }
    )


def _recordings(group: str, platform: Platform) -> list[Recording]:
    return [one for one in platform.recording_rules if one.group == group]


def _recording(recording: Recording, platform: Platform) -> dict[str, Any]:
    rule = {"record": recording.name, "expr": expression(recording.expr, platform)}
    return {**rule, "labels": dict(recording.labels)} if recording.labels else rule


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
