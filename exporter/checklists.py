"""What people go through each morning, week and month, and when they hand over: the one list.

`python -m exporter checklist` looks at what a machine can look at; the console shows the hand-off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Item:
    """Something to go through. `link` is where in the console to look, under the name `page`."""

    name: str
    text: str
    link: str = ""
    page: str = ""


MORNING: Final = (
    Item("health", "The platform is healthy"),
    Item("services", "All services are monitored"),
    Item("workers", "The workers run"),
    Item("alerts", "Active alerts"),
    Item("errors", "Errors in the log"),
    Item("incidents", "Open incidents and post-mortems"),
)
WEEKLY: Final = (
    Item("history", "Review alert history and tune thresholds"),
    Item("disk", "Check disk space"),
    Item("database", "Review the database's size and plan archiving"),
    Item("notifications", "Test notifications by every channel"),
    Item("false-positives", "Review the rate of false positives"),
    Item("documentation", "Update documentation if needed"),
    Item("incidents", "Open incidents and post-mortems"),
)
MONTHLY: Final = (
    Item("archiving", "Old metrics and alerts are archived"),
    Item("rules", "Review and update alert rules"),
    Item("access", "Audit access"),
    Item("performance", "Review the service's own performance"),
    Item("tuning", "Tune the databases"),
    Item("dependencies", "Update dependencies (security patches)"),
    Item("backup", "Review backups"),
    Item("capacity", "Plan capacity"),
)
GOING_ON: Final = (
    Item("phone", "Verify that phone notifications work"),
    Item("vpn", "Test VPN access"),
    Item("alerts", "Review current alerts", "/alerts", "open alerts"),
    Item("recent", "Check recent incidents", "/history", "history"),
    Item("contacts", "Review escalation contacts", "#contacts", "contacts"),
    Item("laptop", "Laptop is charged and ready"),
)
GOING_OFF: Final = (
    Item("brief", "Brief the next person"),
    Item("noted", "Note on each open alert what is known"),
    Item("incidents", "Hand over open incidents"),
    Item("runbooks", "Update runbooks if needed", "/runbooks", "runbooks"),
)

# By the title that each has, for what is asked for.
LISTS: Final[Mapping[str, Mapping[str, tuple[Item, ...]]]] = MappingProxyType(
    {
        "morning": MappingProxyType({"Morning": MORNING}),
        "weekly": MappingProxyType({"Weekly": WEEKLY}),
        "monthly": MappingProxyType({"Monthly": MONTHLY}),
        "handoff": MappingProxyType(
            {"When going on call": GOING_ON, "When going off call": GOING_OFF}
        ),
    }
)
