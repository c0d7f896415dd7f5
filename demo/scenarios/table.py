"""All scenarios, and which alert has which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo.scenarios import (
    alerting,
    business,
    databases,
    ledger,
    memory,
    monitoring,
    postgres,
    redis,
    replica,
    services,
    standby,
    traffic,
)
from demo.scenarios.scenario import Scenario
from model.declared import suggestion

SCENARIOS: tuple[Scenario, ...] = (
    *services.SCENARIOS,
    *traffic.SCENARIOS,
    *memory.SCENARIOS,
    *business.SCENARIOS,
    *databases.SCENARIOS,
    *postgres.SCENARIOS,
    *standby.SCENARIOS,
    *replica.SCENARIOS,
    *redis.SCENARIOS,
    *monitoring.SCENARIOS,
    *alerting.SCENARIOS,
    *ledger.SCENARIOS,
)

# Alerts that the demo does not make fire, by name and constant labels, and what shows them instead.
ELSEWHERE: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("ExporterIsolated",): "it takes a network of its own, whose cable "
        "tests/exporter/test_isolation.py pulls",
    }
)


class UnknownScenarioError(Exception):
    """An alert's name that has no scenario; says which have."""


def scenario_of(wanted: str) -> tuple[Scenario, str]:
    """The first scenario that makes an alert fire, and the alert's name.

    Where alerts share a name, one is told from the others by its labels' values, such as
    `DataLossRisk:wal_archiving`. Raises UnknownScenarioError.
    """
    name, *values = wanted.split(":")
    for one in SCENARIOS:
        if name in one.fires and {*values} <= {*one.fires[name].values()}:
            return one, name
    raise UnknownScenarioError(_unknown(wanted))


def alerts() -> tuple[str, ...]:
    """The alerts that have a scenario, in the alphabet's order."""
    return tuple(sorted({alert for scenario in SCENARIOS for alert in scenario.fires}))


def _unknown(wanted: str) -> str:
    name, *values = wanted.split(":")
    reasons = [
        reason for key, reason in ELSEWHERE.items() if key[0] == name and {*values} <= {*key}
    ]
    if reasons:
        return f"{wanted} has no scenario: {'; '.join(reasons)}"
    known = alerts()
    if name in known:
        told = sorted(
            {":".join((name, *one.fires[name].values())) for one in SCENARIOS if name in one.fires}
        )
        return f"there is no scenario {wanted!r}; there are {', '.join(told)}"
    listed = "\n".join(f"  {name}" for name in known)
    return f'there is no scenario "{wanted}"{suggestion(wanted, known)}\nThere are:\n{listed}'
