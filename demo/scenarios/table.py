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
ELSEWHERE: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("ExporterIsolated",): "it takes a network of its own, whose cable "
        "tests/exporter/test_isolation.py pulls",
        ("LongTransaction",): f"{_MINUTES}15 of one transaction; its unit tests do",
        ("DataLossRisk", "replication_lag"): f"{_MINUTES}5 on a replica; its unit tests do",
        ("DataLossRisk", "standby_lag"): "it takes a standby, which the demo's platform has not; "
        "tests/probers read a real one",
        ("DataLossRisk", "backup_too_old"): "its metric arrives with the ledger",
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
