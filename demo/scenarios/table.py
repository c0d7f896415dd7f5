"""All scenarios, and which alert has which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo.scenarios import databases, monitoring, services
from demo.scenarios.scenario import Scenario
from model.declared import suggestion

SCENARIOS: tuple[Scenario, ...] = (
    *services.SCENARIOS,
    *databases.SCENARIOS,
    *monitoring.SCENARIOS,
)

# Alerts that the demo cannot make fire, and what shows them instead.
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "ExporterIsolated": "it takes a network of its own, whose cable tests/exporter/"
        "test_isolation.py pulls",
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
    if alert in ELSEWHERE:
        return f"{alert} has no scenario: {ELSEWHERE[alert]}"
    known = alerts()
    listed = "\n".join(f"  {name}" for name in known)
    return f'there is no scenario "{alert}"{suggestion(alert, known)}\nThere are:\n{listed}'
