"""What looks at which item; an item without is a person's alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from exporter.checklists import Item
from exporter.operations.looks import (
    of_alerts,
    of_capacity,
    of_data,
    of_dependencies,
    of_documents,
    of_incidents,
    of_logs,
    of_people,
    running,
)
from exporter.operations.looks.desk import Desk, Look
from exporter.operations.looks.outcome import Outcome, by_hand

LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "health": running.health,
        "services": running.services,
        "workers": running.workers,
        "alerts": of_alerts.active,
        "errors": of_logs.errors,
        "incidents": of_incidents.outstanding,
        "history": of_alerts.history,
        "disk": of_data.disk,
        "database": of_data.database,
        "notifications": of_people.notifications,
        "false-positives": of_alerts.false_positives,
        "documentation": of_documents.documentation,
        "archiving": of_data.archiving,
        "rules": of_alerts.rules,
        "access": of_logs.access,
        "performance": of_capacity.performance,
        "tuning": of_data.tuning,
        "dependencies": of_dependencies.audited,
        "backup": of_data.backup,
        "capacity": of_capacity.capacity,
        "phone": of_people.phone,
        "recent": of_incidents.recent,
        "contacts": of_people.contacts,
        "noted": of_alerts.noted,
        "runbooks": of_documents.runbooks,
    }
)


async def look_at(desk: Desk, item: Item) -> Sequence[Outcome]:
    """What is found of an item."""
    look = LOOKS.get(item.name)
    return [by_hand("only you can do this")] if look is None else await look(desk)
