"""What PagerDuty tells of an incident: webhooks v3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from exporter.chat.payload import Received, parsed, validated

Kind = Literal["acknowledged", "annotated", "resolved", "other"]
_KINDS: dict[str, Kind] = {
    "incident.acknowledged": "acknowledged",
    "incident.annotated": "annotated",
    "incident.resolved": "resolved",
}
# The key of an incident that Alertmanager has opened: a hash. Of others we know nothing.
_DEDUP_KEY = re.compile(r"[0-9a-f]{64}")

_Id = Annotated[str, Field(min_length=1, max_length=64)]


class _Agent(Received):
    id: _Id
    type: str = Field(default="", max_length=100)


class _Incident(Received):
    id: _Id


class _Data(Received):
    type: str = Field(default="", max_length=100)
    id: _Id | None = None
    incident_key: str | None = Field(default=None, max_length=255)
    # Of a note: which incident it is about, and what it says.
    incident: _Incident | None = None
    content: str | None = None


class _Event(Received):
    id: str = Field(min_length=1, max_length=128)
    event_type: str = Field(max_length=100)
    occurred_at: AwareDatetime
    agent: _Agent | None = None
    data: _Data


class _Body(Received):
    event: _Event


_BODY = TypeAdapter(_Body)


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """What has happened to an incident. Either of its names may be missing."""

    event_id: str
    kind: Kind
    occurred_at: datetime
    # PagerDuty's id of who did it; None if it does not say.
    agent: str | None
    # False: an integration did it, such as Alertmanager, or we.
    by_person: bool
    incident_id: str | None
    dedup_key: str | None
    note: str


def read_event(body: bytes) -> IncidentEvent:
    """The event in a body. Raises PayloadError."""
    event = validated(_BODY, parsed(body)).event
    data = event.data
    is_incident = data.type == "incident"
    key = data.incident_key if is_incident else None
    named = data.id if is_incident else (data.incident.id if data.incident else None)
    return IncidentEvent(
        event_id=event.id,
        kind=_KINDS.get(event.event_type, "other"),
        occurred_at=event.occurred_at.astimezone(UTC),
        agent=event.agent.id if event.agent else None,
        by_person=event.agent is None or event.agent.type in ("", "user", "user_reference"),
        incident_id=named,
        dedup_key=key if key is not None and _DEDUP_KEY.fullmatch(key) else None,
        note=data.content or "",
    )
