"""What happened to an alert by itself: the part of its story that nobody has done.

What people and workers have done stands in the audit trail. The API's timeline and the console's
page are made of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row

Event = Literal["began", "came", "overdue", "ended"]

# What comes to the ledger sooner came at once.
_LATE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Moment:
    """When it began to fire, came to the ledger, should have been responded to, or ended."""

    at: datetime
    event: Event


def moments(row: Row[Any], now: datetime) -> list[Moment]:
    """Those of a row of `alerts` or of an archive, until `now`, the earliest first.

    That it came late, that nobody had responded in time, and that it ended without a person who
    ended it, are there only if it was so.
    """
    found = [Moment(row.starts_at, "began")]
    if row.created_at - row.starts_at > _LATE:
        found.append(Moment(row.created_at, "came"))
    due, end = row.response_due_at, row.ends_at or now
    if due is not None and due < end and (row.acknowledged_at or end) > due:
        found.append(Moment(due, "overdue"))
    if row.ends_at is not None and row.resolution != "person":
        found.append(Moment(row.ends_at, "ended"))
    return sorted(found, key=lambda moment: moment.at)
