"""What to do about an incident, by its kind: the steps of the user's runbook, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from exporter.ledger.incidents import Kind


@dataclass(frozen=True, slots=True)
class Procedure:
    """A kind of incident: its name, and its steps, each with what belongs to it."""

    title: str
    steps: tuple[tuple[str, tuple[str, ...]], ...]


_PROCEDURES: Mapping[str, Procedure] = MappingProxyType(
    {
        Kind.SERVICE_DOWN: Procedure(
            "Critical service down",
            (
                (
                    "Within 5 minutes",
                    ("acknowledge the alert", "look at the service's state", "restart it"),
                ),
                (
                    "Within 15 minutes",
                    (
                        "look for the cause in its logs",
                        "look at what it depends on",
                        "put a stopgap in place",
                    ),
                ),
                (
                    "Resolution",
                    (
                        "mend it for good",
                        "see that it is healthy",
                        "close the incident with its cause",
                    ),
                ),
                (
                    "Within 48 hours",
                    ("write the post-mortem", "say what to improve", "mend the runbook"),
                ),
            ),
        ),
        Kind.DATA_LOSS_RISK: Procedure(
            "Data loss risk",
            (
                (
                    "Stop the bleeding",
                    (
                        "isolate what is affected",
                        "set READ_ONLY where that is possible",
                        "stop writing to damaged data",
                    ),
                ),
                (
                    "Assess the damage",
                    (
                        "find which data are affected",
                        "see which backups there are, and of when",
                        "estimate how long recovery takes",
                    ),
                ),
                (
                    "Recover",
                    (
                        "restore the backup",
                        "replay transactions where that is needed",
                        "see that the data are whole",
                    ),
                ),
                (
                    "Verify",
                    ("validate the data", "try what users do", "watch it closely"),
                ),
            ),
        ),
        Kind.PERFORMANCE: Procedure(
            "Performance degradation",
            (
                (
                    "Find the bottleneck",
                    ("CPU, memory, disk", "slow queries", "latency of the network"),
                ),
                (
                    "Quick wins",
                    ("clear caches", "scale up for a while", "end slow queries"),
                ),
                (
                    "For good",
                    ("make queries faster", "add indexes", "change the code"),
                ),
            ),
        ),
    }
)


def procedure_of(kind: str) -> Procedure:
    """What to do about a kind; nothing is known of one that a newer version has."""
    return _PROCEDURES.get(kind) or Procedure(kind, ())
