"""An alert as a line of a list, and whether its response is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from exporter.web.console.words import lasting

if TYPE_CHECKING:
    from exporter.ledger.lists import Listed

_ENDINGS: Final = {
    "alertmanager": "by itself",
    "prometheus": "by itself",
    "absence": "by itself: it is not known any more",
    "person": "by hand",
}


@dataclass(frozen=True, slots=True)
class Line:
    """An alert in a list. `response` says how its age compares with the response time."""

    alert: Listed
    age: str
    response: str
    is_late: bool
    who: str | None
    ending: str


def line(alert: Listed, now: datetime) -> Line:
    """How a list shows an alert."""
    response, late = response_of(alert, now)
    return Line(
        alert=alert,
        age=lasting((alert.ends_at or now) - alert.starts_at),
        response=response,
        is_late=late,
        who=who_has(alert),
        ending=ending_of(alert.resolution, alert.resolved_by),
    )


def who_has(alert: Listed) -> str | None:
    """Who has acknowledged it, None if nobody has."""
    if alert.acknowledged_at is None:
        return None
    by = alert.acknowledged_by or "somebody"
    return f"{by} for {alert.acknowledged_for}" if alert.acknowledged_for else by


def ending_of(resolution: str | None, resolved_by: str | None) -> str:
    """How it ended, in words; empty if it has not."""
    if resolution is None:
        return ""
    said = _ENDINGS.get(resolution, resolution)
    return f"{said}, {resolved_by}" if resolved_by else said


def response_of(alert: Listed, now: datetime) -> tuple[str, bool]:
    """How its age compares with the response time, and whether the response is, or was, late."""
    due = alert.response_due_at
    if due is None:
        return "no response time", False
    answered = alert.acknowledged_at
    if answered is not None:
        if answered > due:
            return f"answered {lasting(answered - due)} late", True
        return f"answered after {lasting(answered - alert.starts_at)}", False
    end = alert.ends_at or now
    if end > due:
        return f"{lasting(end - due)} late", True
    return ("ended in time", False) if alert.ends_at else (f"{lasting(due - now)} left", False)
