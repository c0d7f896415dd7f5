"""What `python -m exporter incident` does."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path

from exporter.ledger import incidents
from exporter.ledger.incidents import (
    POST_MORTEM_WITHIN,
    PRIORITIES,
    Incident,
    IncidentRefusedError,
    Kind,
    Priority,
)
from exporter.ledger.notes import NoteError
from exporter.operations.beside import DEADLINE, operator, store_beside
from exporter.operations.console import OperationError, say
from exporter.operations.incidents import post_mortem, record
from exporter.operations.incidents.account import account_of
from exporter.operations.tables import Section, markdown
from exporter.operations.words import stamp
from exporter.settings import Settings
from model.platform import Platform


async def open_one(
    found: Settings,
    platform: Platform,
    alert_id: str,
    kind: str | None,
    priority: Priority | None,
    by: str | None,
) -> str:
    """Open one and print its record. Raises OperationError, IncidentRefusedError or others."""
    now = datetime.now(UTC)
    async with store_beside(found, writes=True) as store:
        if kind is None:
            async with store.read() as connection:
                alert = await incidents.alert_of(connection, alert_id)
            chosen = kind_of(platform, alert.name, alert.severity) if alert else Kind.PERFORMANCE
        else:
            chosen = Kind(kind)
        made = await incidents.open_incident(
            store, alert_id, chosen, priority or PRIORITIES[chosen], operator(by), now
        )
        account = await account_of(store, made.id, platform, now)
    say(markdown(record.title_of(account), record.record(account)).rstrip())
    hours = POST_MORTEM_WITHIN.total_seconds() / 3600
    return (
        f"done: incident {made.id} is open; close it by `python -m exporter incident close "
        f"{made.id}`, and write its post-mortem within {hours:.0f} hours"
    )


def kind_of(platform: Platform, alert: str, severity: str) -> Kind:
    """The procedure of an alert: data may be lost, a critical one, or anything else."""
    groups = {one.name: one.group for one in platform.alerts}
    if groups.get(alert) == _DATA_LOSS:
        return Kind.DATA_LOSS_RISK
    return Kind.SERVICE_DOWN if severity == "critical" else Kind.PERFORMANCE


_DATA_LOSS = "data-loss"


async def close_one(
    found: Settings,
    platform: Platform,
    number: int,
    texts: dict[str, str],
    directory: Path,
    by: str | None,
) -> str:
    """Close one and write its draft. Raises OperationError, IncidentRefusedError or others."""
    now = datetime.now(UTC)
    async with store_beside(found, writes=True) as store:
        closed = await incidents.close_incident(
            store, number, operator(by), now, texts["cause"], texts["resolution"]
        )
    say(f"incident {number} is closed")
    if closed.post_mortem_at is not None:
        return f"done: its post-mortem is written already: {closed.post_mortem_place}"
    ended = await draft(found, platform, number, directory / f"post-mortem-{number}.md")
    return (
        f"{ended}: write what is NOT KNOWN by {stamp(closed.post_mortem_due_at)} UTC, then "
        f"`python -m exporter incident post-mortem {number} --written PLACE`"
    )


async def draft(found: Settings, platform: Platform, number: int, output: Path | None) -> str:
    """Write or answer the draft. Raises OperationError, IncidentRefusedError or others."""
    async with store_beside(found) as store:
        account = await account_of(store, number, platform, datetime.now(UTC))
    text = markdown(post_mortem.title_of(account), post_mortem.post_mortem(account))
    if output is None:
        return text.rstrip()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        # Somebody may have written into an earlier one.
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OperationError(
            f"{output}: is there already, and may have been written in: `python -m exporter "
            f"incident post-mortem {number} --output` another file"
        ) from None
    except OSError as error:
        raise OperationError(
            f"{output}: {error.strerror}: `python -m exporter incident post-mortem {number} "
            "--output` another file"
        ) from None
    return f"done: {output}"


async def listed(found: Settings, begin: datetime | None) -> str:
    """List what is left to do, or all since a time. Raises OperationError or others."""
    now = datetime.now(UTC)
    async with store_beside(found) as store, store.read(DEADLINE) as connection:
        if begin is None:
            rows = await incidents.outstanding(connection)
        else:
            rows = await incidents.since(connection, begin)
    if not rows:
        return "done: there is none"
    table = Section("", "", _COLUMNS, tuple(_row(one, now) for one in rows))
    title = "Incidents of which something is left to do" if begin is None else "Incidents"
    say(markdown(title, [table]).rstrip())
    return f"done: {len(rows)}"


_COLUMNS = ("number", "priority", "alert", "service", "opened", "by", "state", "post-mortem")


def _row(one: Incident, now: datetime) -> tuple[str, ...]:
    return (
        str(one.id),
        one.priority,
        one.alert_name,
        one.service,
        stamp(one.opened_at),
        one.opened_by,
        "open" if one.closed_at is None else f"closed {stamp(one.closed_at)}",
        record.post_mortem_state(one, now),
    )


async def shown(found: Settings, platform: Platform, number: int) -> str:
    """Answer its record. Raises OperationError, IncidentRefusedError or others."""
    async with store_beside(found) as store:
        account = await account_of(store, number, platform, datetime.now(UTC))
    return markdown(record.title_of(account), record.record(account)).rstrip()


async def noted(found: Settings, number: int, place: str, by: str | None) -> str:
    """Note where its post-mortem is. Raises OperationError, IncidentRefusedError or others."""
    async with store_beside(found, writes=True) as store:
        now = datetime.now(UTC)
        written = await incidents.post_mortem_written(store, number, operator(by), now, place)
    return f"done: the post-mortem of incident {number} is written: {written.post_mortem_place}"


async def judged(operation: Coroutine[None, None, str]) -> str:
    """An operation whose refusals are OperationErrors."""
    try:
        return await operation
    except (IncidentRefusedError, NoteError) as error:
        raise OperationError(str(error)) from None
