"""What the API reads and answers about alerts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from exporter.ledger.notes import NAME_CHARACTERS, NOTE_CHARACTERS
from exporter.web.api.shapes import Body, Flag, Line, Query, Shape, Time, Timestamp, Whole

MOST = 500

Severity = Literal["critical", "error", "warning", "info"]
Status = Literal["active", "acknowledged", "resolved"]
Text = Annotated[Line, Field(min_length=1, max_length=200)]
# Whatever the API's own answers hold under `next`.
_PLACE = r"[0-9]{1,18}-[0-9a-f]{32}"
PLACE = rf"^{_PLACE}$"
PLACES = rf"^({_PLACE})?~({_PLACE})?$"


# --- read ---------------------------------------------------------------------------------------


class _Chosen(Query):
    severity: Severity | None = None
    service: Text | None = None
    name: Text | None = Field(default=None, description="The name of the alert.")
    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=MOST), Whole] = 100


class AlertsQuery(_Chosen):
    """Which alerts to list. `limit` is that of each of the two lists."""

    q: Text | None = Field(
        default=None, description="Text to be found in the name, service or summary."
    )
    cursor: Annotated[str, Field(pattern=PLACES)] | None = Field(
        default=None, description="The `next` of the page before."
    )


class HistoryQuery(_Chosen):
    """Which alerts to list, by when they began; archives are read too."""

    since: Time | None = Field(default=None, alias="from", description="Began then or later.")
    until: Time | None = Field(default=None, alias="to", description="Began before then.")
    false_positive: Flag | None = None
    cursor: Annotated[str, Field(pattern=PLACE)] | None = Field(
        default=None, description="The `next` of the page before."
    )


class StatisticsQuery(Query):
    """Over how long a time, until now."""

    window: Literal["24h", "7d", "30d", "90d"] = "30d"


Note = Annotated[str, Field(max_length=NOTE_CHARACTERS)]


class AcknowledgeBody(Body):
    """`acknowledgedBy` is on whose behalf; who acknowledges is whoever the token names."""

    acknowledged_by: Annotated[Line, Field(max_length=NAME_CHARACTERS)] | None = None
    notes: Note | None = None


class NoteBody(Body):
    """A note about an alert."""

    notes: Annotated[str, Field(max_length=NOTE_CHARACTERS, pattern=r"[!-~]|[^\x00-\x7f]")]


class ResolveBody(Body):
    """A note about how it was resolved."""

    notes: Note | None = None


class FalsePositiveBody(Body):
    """False takes it back."""

    false_positive: bool = True
    notes: Note | None = None


# --- answered -----------------------------------------------------------------------------------


class Alert(Shape):
    """An alert's life, from when it began until it ended.

    `value` and `threshold` are numbers where the alert's annotations are. `firing` is whether its
    source says that it fires, also after a person has resolved it.
    """

    id: str
    rule_id: str
    rule_name: str
    severity: str
    message: str
    value: float | str | None
    threshold: float | str | None
    timestamp: Timestamp
    channels: list[str]
    acknowledged: bool
    status: Status
    service: str
    starts_at: Timestamp
    ends_at: Timestamp | None
    acknowledged_at: Timestamp | None
    acknowledged_by: str | None
    acknowledged_via: str | None
    on_behalf_of: str | None
    response_due_at: Timestamp | None
    resolution: str | None
    resolved_by: str | None
    false_positive: bool
    firing: bool
    suppressed: bool
    source: str
    fingerprint: str
    generator_url: str = Field(alias="generatorURL")
    labels: dict[str, str]
    annotations: dict[str, str]


class Summary(Shape):
    """How many alerts there are of what was asked for: open ones, if no status was."""

    total: int
    critical: int
    error: int
    warning: int
    info: int


class AlertsAnswer(Shape):
    """`active` are open, `recent` have ended; the newest first. `next` is null on the last page."""

    active: list[Alert]
    recent: list[Alert]
    summary: Summary
    next: str | None


class HistoryAnswer(Shape):
    """The newest first. `next` is null on the last page."""

    alerts: list[Alert]
    next: str | None


class NoteAnswer(Shape):
    """What somebody noted. `via` is the channel."""

    id: int
    created_at: Timestamp
    author: str
    on_behalf_of: str | None
    via: str
    text: str


class TimelineLine(Shape):
    """What happened to an alert. `address` is told to the role admin alone.

    `action` is what somebody did, or what nobody did, with `actor` and `via` null: `began` to fire,
    `came` to the ledger over a minute later, `overdue` (nobody had responded in time), `ended` (by
    itself; `end` is a worker's finding that it had).
    """

    at: Timestamp
    action: str
    actor: str | None
    on_behalf_of: str | None
    via: str | None
    address: str | None
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AlertAnswer(Alert):
    """An alert with its notes and what happened to it, the oldest first."""

    notes: list[NoteAnswer]
    timeline: list[TimelineLine]


class AcknowledgeAnswer(Shape):
    """`first` is false where somebody had acknowledged it before: when, and who, is told."""

    success: Literal[True] = True
    alert_id: str
    acknowledged_at: Timestamp
    acknowledged_by: str
    first: bool


class NotedAnswer(Shape):
    """The note is kept."""

    success: Literal[True] = True
    alert_id: str
    note_id: int


class ResolveAnswer(Shape):
    """The alert has ended."""

    success: Literal[True] = True
    alert_id: str
    resolved_at: Timestamp


class FalsePositiveAnswer(Shape):
    """What is known of it now."""

    success: Literal[True] = True
    alert_id: str
    false_positive: bool


class Rule(Shape):
    """An alert of the config. `cooldown` is after how many milliseconds it is sent again."""

    id: str
    name: str
    description: str
    condition: str
    threshold: float | None
    severity: str | None
    enabled: bool
    channels: list[str]
    cooldown: int | None


class RulesAnswer(Shape):
    """All alerts of the config."""

    rules: list[Rule]


class Figures(Shape):
    """How alerts were responded to. `mtta` and `mttr` are in seconds, shares from 0 to 1.

    `acknowledgedInTimeShare` is of those that had to be responded to: acknowledged before the
    response was due, of these and the breaches. Null where there is nothing to take it of.
    """

    count: int
    acknowledged: int
    resolved: int
    mtta_seconds: float | None
    mttr_seconds: float | None
    false_positives: int
    false_positive_share: float | None
    acknowledged_in_time_share: float | None
    breaches: int


class NamedFigures(Figures):
    """Those of the alerts of a name."""

    name: str


class StatisticsAnswer(Shape):
    """By name, the most frequent first, and of all together."""

    window: str
    since: Timestamp = Field(alias="from")
    until: Timestamp = Field(alias="to")
    alerts: list[NamedFigures]
    total: Figures
