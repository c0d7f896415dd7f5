"""What is open in the ledger, as /metrics tells it and the escalation rules read it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from exporter.instruments import Family, Registry
from exporter.ledger.store import Store
from exporter.ledger.tables import ACKNOWLEDGED, ACTIVE, alerts, facts
from model import names
from model.platform import Platform

# For how long an alert that has ended says that it waits for nobody. Rules remember what the last
# three minutes said: an end that were only silent would go on escalating as long.
_AFTERWARDS = timedelta(minutes=5)
# So many rows are looked at before the event loop does what else is due.
_SLICE = 200
# The fact that says until when everything was reconciled, as an ISO time.
RECONCILED = "reconciled_until"
# The fact that says of when the last backup is, in the same way.
BACKED_UP = "backed_up_at"
# And the one that says what became of it: its file's name, its bytes, whether it was uploaded.
BACKUP = "backup"

Labels = tuple[str, ...]


@dataclass(slots=True)
class State:
    """What one reading has found: numbers by alert, and how many alerts fire and wait too long."""

    waiting_since: dict[Labels, float] = field(default_factory=dict)
    # With the person as a further label.
    acknowledged_since: dict[Labels, float] = field(default_factory=dict)
    firing: int = 0
    reconciled_until: float | None = None
    backed_up_at: float | None = None
    overdue: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row[Any], now: datetime) -> None:
        """Count a row, which is one of both queries if a person has ended what fires."""
        labels = (row.id, row.name, row.severity, row.service)
        if labels in self.waiting_since:
            return
        self.firing += row.firing
        waits = row.status == ACTIVE and not row.suppressed
        since = (row.waiting_since or row.starts_at).timestamp() if waits else 0.0
        self.waiting_since[labels] = since
        if row.status == ACKNOWLEDGED and row.acknowledged_at is not None:
            # Who has it is whom an acknowledgement was made for, if that is another.
            person = row.acknowledged_for or row.acknowledged_by or ""
            self.acknowledged_since[(*labels, person)] = row.acknowledged_at.timestamp()
        if waits and row.response_due_at is not None and row.response_due_at < now:
            self.overdue[row.severity] += 1


async def read(store: Store, now: datetime) -> State:
    """Read what fires, and what has ended within five minutes. Raises StoreUnavailableError."""
    state = State()
    columns = ("id", "name", "severity", "service", "status", "firing", "suppressed")
    dates = ("starts_at", "waiting_since", "response_due_at", "acknowledged_at")
    people = ("acknowledged_by", "acknowledged_for")
    query = select(*(alerts.c[name] for name in (*columns, *dates, *people)))
    async with store.read() as connection:
        for which in (alerts.c.firing, alerts.c.ends_at > now - _AFTERWARDS):
            for some in (await connection.execute(query.where(which))).partitions(_SLICE):
                for row in some:
                    state.add(row, now)
                await asyncio.sleep(0)
        told = select(facts.c.name, facts.c.value).where(facts.c.name.in_((RECONCILED, BACKED_UP)))
        times = {
            row.name: datetime.fromisoformat(row.value).timestamp()
            for row in await connection.execute(told)
        }
    state.reconciled_until = times.get(RECONCILED)
    state.backed_up_at = times.get(BACKED_UP)
    return state


class Told:
    """The metrics of what is open.

    When the store fails, what was last known to wait goes on waiting: the ladder must not stop
    because nobody can acknowledge. What was acknowledged is told no more: another replica whose
    store works knows better, and where there is none, rules fail open.
    """

    def __init__(self, registry: Registry) -> None:
        self._waiting = registry.family(names.ALERT_LEDGER_UNACKED_SINCE)
        self._acknowledged = registry.family(names.ALERT_LEDGER_ACKNOWLEDGED_SINCE)
        self._open = registry.family(names.ALERT_LEDGER_OPEN_ALERTS)
        self._reconciled = registry.family(names.ALERT_LEDGER_RECONCILED)
        self._backup = registry.family(names.LAST_BACKUP)
        self._overdue = registry.family(names.ALERT_LEDGER_OVERDUE_ALERTS)

    def tell(self, state: State, platform: Platform) -> None:
        """Tell what a reading has found."""
        _replace(self._waiting, state.waiting_since.items())
        _replace(self._acknowledged, state.acknowledged_since.items())
        self._open.labels().set(state.firing)
        known = {severity.name for severity in platform.severities if severity.response_time}
        if state.reconciled_until is not None:
            self._reconciled.labels().set(state.reconciled_until)
        backups = () if state.backed_up_at is None else (((), state.backed_up_at),)
        _replace(self._backup, backups)
        counts = {(name,): float(state.overdue[name]) for name in {*known, *state.overdue}}
        _replace(self._overdue, sorted(counts.items()))

    def lose(self) -> None:
        """Keep of what was told what may be repeated without a store."""
        self._waiting.keep(lambda _, value: value > 0)
        self._acknowledged.clear()


def _replace(family: Family, values: Iterable[tuple[Labels, float]]) -> None:
    told = dict(values)
    family.keep(lambda labels, _: labels in told)
    for labels, value in told.items():
        family.labels(*labels).set(value)
