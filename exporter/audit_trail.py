"""What `python -m exporter audit` prints: who did what, and who asked the API, in order of time.

Actions are read from the ledger's audit trail, requests from the log's files, those that logrotate
has moved away included.
"""

from __future__ import annotations

import gzip
import heapq
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from exporter.ledger.store import Store
from exporter.ledger.tables import alert_audit
from exporter.logs.service_log import COMBINED
from model.visible import printable

ACCESS_LOGGER: Final = "exporter.access"
_ROWS: Final = 1000


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A line of the audit: when, by whom, and what; of a request, how it was answered."""

    at: datetime
    who: str
    what: str
    status: int | None = field(default=None, compare=False)

    def __str__(self) -> str:
        at = self.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return f"{at}  {printable(self.who)}  {printable(self.what)}"


async def actions(store: Store, since: datetime) -> AsyncIterator[Entry]:
    """What was done since then, the earliest first. Raises StoreUnavailableError."""
    last = 0
    while True:
        query = (
            select(alert_audit)
            .where(alert_audit.c.at >= since, alert_audit.c.id > last)
            .order_by(alert_audit.c.id)
            .limit(_ROWS)
        )
        # A transaction a page: whoever reads slowly keeps nothing from being cleaned up.
        async with store.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            yield Entry(row.at, row.actor, _action(row))
        if len(rows) < _ROWS:
            return
        last = rows[-1].id


def requests(directory: Path, since: datetime) -> Iterator[Entry]:
    """Who asked the API since then, the earliest first. Raises OSError if a file can't be read."""
    files = (_requests_of(path, since) for path in directory.glob(f"{COMBINED}*"))
    return heapq.merge(*files)


def _action(row: Any) -> str:
    words = [row.action, f"alert {row.alert_id}" if row.alert_id else "no alert"]
    words.append(f"by {row.channel}")
    if row.actor_for:
        words.append(f"for {row.actor_for}")
    if row.address:
        words.append(f"from {row.address}")
    if row.request_id:
        words.append(f"request {row.request_id}")
    if row.after is not None:
        words.append(json.dumps(row.after, ensure_ascii=False))
    return "  ".join(words)


def _requests_of(path: Path, since: datetime) -> Iterator[Entry]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            # Most lines are about something else, and reading JSON is what takes the time.
            if ACCESS_LOGGER in line and (entry := _request(line)) and entry.at >= since:
                yield entry


def _request(line: str) -> Entry | None:
    """None if the line is no request, or was cut off."""
    try:
        read = json.loads(line)
        if read.get("logger") != ACCESS_LOGGER:
            return None
        at = datetime.fromisoformat(read["timestamp"])
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    words = [read.get("method"), read.get("path"), read.get("status")]
    text = " ".join(str(word) for word in words)
    return Entry(
        at,
        str(read.get("actor") or "nobody known"),
        f"{text}  from {read.get('address')}  request {read.get('request_id')}",
        read.get("status") if isinstance(read.get("status"), int) else None,
    )
