"""All scenarios, and which alert has which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo.scenarios import business, databases, monitoring, postgres, redis, services
from demo.scenarios.scenario import Scenario
from model.declared import suggestion

SCENARIOS: tuple[Scenario, ...] = (
    *services.SCENARIOS,
    *business.SCENARIOS,
    *databases.SCENARIOS,
    *postgres.SCENARIOS,
    *redis.SCENARIOS,
    *monitoring.SCENARIOS,
)

_MINUTES = "real minutes would have to pass, which no overlay shortens: "
# Alerts that the demo does not make fire, by name and constant labels, and what shows them instead.
_HISTORY = "it looks back over days, and the demo's Prometheus has no history; its unit tests have"
_ONLY_PROVED = "nothing in the demo makes it true yet; its unit tests do"
_BURNS = (
    ("1h", "availability"),
    ("6h", "availability"),
    ("1d", "availability"),
    ("3d", "availability"),
    ("6h", "latency"),
    ("3d", "latency"),
    ("3d", "uptime"),
)
_OF_MONITORING_ITSELF = (
    "AlertmanagerConfigReloadFailed",
    "AlertmanagerDown",
    "AlertsDropped",
    "AlertsNotDelivered",
    "ExporterReplicaDown",
    "NoAlertmanager",
    "NotificationsFailing",
    "PrometheusConfigReloadFailed",
    "PrometheusDown",
    "RuleEvaluationFailing",
    "RuleEvaluationSlow",
)
ELSEWHERE: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("ExporterIsolated",): "it takes a network of its own, whose cable "
        "tests/exporter/test_isolation.py pulls",
        ("LongTransaction",): f"{_MINUTES}15 of one transaction; its unit tests do",
        ("DataLossRisk", "replication_lag"): f"{_MINUTES}5 on a replica; its unit tests do",
        ("DataLossRisk", "standby_lag"): "it takes a standby, which the demo's platform has not; "
        "tests/probers read a real one",
        ("DataLossRisk", "backup_too_old"): "its metric arrives with the ledger",
        ("DatabasePoolExhausted",): "its metrics arrive with the ledger",
        ("TrafficSpike",): _HISTORY,
        **{("ErrorBudgetBurn", *told): _HISTORY for told in _BURNS},
        ("APIErrorRateHigh",): _ONLY_PROVED,
        ("HighMemoryUsage", "exporter"): _ONLY_PROVED,
        ("HighMemoryUsage", "service"): _ONLY_PROVED,
        **{(name,): _ONLY_PROVED for name in _OF_MONITORING_ITSELF},
    }
)


class UnknownScenarioError(Exception):
    """An alert's name that has no scenario; says which have."""


def scenario_of(alert: str) -> Scenario:
    """The first scenario that makes an alert fire. Raises UnknownScenarioError."""
    found = next((one for one in SCENARIOS if alert in one.fires), None)
    if found is None:
        raise UnknownScenarioError(_unknown(alert))
    return found


def alerts() -> tuple[str, ...]:
    """The alerts that have a scenario, in the alphabet's order."""
    return tuple(sorted({alert for scenario in SCENARIOS for alert in scenario.fires}))


def _unknown(alert: str) -> str:
    reasons = [reason for (name, *_), reason in ELSEWHERE.items() if name == alert]
    if reasons:
        return f"{alert} has no scenario: {'; '.join(reasons)}"
    known = alerts()
    listed = "\n".join(f"  {name}" for name in known)
    return f'there is no scenario "{alert}"{suggestion(alert, known)}\nThere are:\n{listed}'
