"""Incidents that are open or recent, and post-mortems that are due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from exporter.ledger import incidents
from exporter.ledger.incidents import Incident
from exporter.ledger.store import Store
from exporter.operations.looks.desk import Desk, in_ledger
from exporter.operations.looks.outcome import Outcome, by_hand, fine, wrong
from exporter.operations.words import stamp

_RECENT = timedelta(days=7)


@in_ledger
async def outstanding(desk: Desk, store: Store) -> Sequence[Outcome]:
    """Open ones, and post-mortems: overdue is wrong, due is something to know."""
    async with store.read() as connection:
        left = await incidents.outstanding(connection)
    return [one for incident in left for one in _left(incident, desk)] or [
        fine("no incident is open, and no post-mortem is due")
    ]


@in_ledger
async def recent(desk: Desk, store: Store) -> Sequence[Outcome]:
    """Those of the last week, to be read."""
    async with store.read() as connection:
        found = await incidents.since(connection, desk.now - _RECENT)
    return [
        by_hand(
            f"{_name(one)}, {stamp(one.opened_at)}: "
            + ("open" if one.closed_at is None else f"closed, {one.resolution}"),
            f"`python -m exporter incident show {one.id}`",
        )
        for one in found
    ] or [fine("no incident in 7 days")]


def _left(incident: Incident, desk: Desk) -> list[Outcome]:
    found = []
    due = stamp(incident.post_mortem_due_at)
    if incident.closed_at is None:
        found.append(
            wrong(
                f"{_name(incident)} is open since {stamp(incident.opened_at)}",
                f"Hand it over, or `python -m exporter incident close {incident.id}`.",
            )
        )
    if incident.overdue(desk.now):
        found.append(
            wrong(
                f"the post-mortem of {_name(incident)} was due {due}",
                f"`python -m exporter incident post-mortem {incident.id}` drafts it; "
                "--written PLACE says that it is done.",
            )
        )
    elif incident.closed_at is not None:
        found.append(fine(f"the post-mortem of {_name(incident)} is due {due}"))
    return found


def _name(incident: Incident) -> str:
    return f"incident {incident.id} ({incident.priority}, {incident.alert_name} {incident.service})"
