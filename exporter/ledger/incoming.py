"""What Alertmanager says of alerts, by its webhook and by its API, made safe to store.

Whatever sends here is taken for hostile: texts are cut to a length and freed of what a database
refuses, and a time that is none, or lies in the future, becomes the time of its arrival. Only an
alert without readable labels is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from exporter.ledger.fingerprint import fingerprint
from exporter.ledger.json_slices import UnreadableBodyError, elements
from exporter.ledger.notes import storable

_LONGEST_TEXT = 4096
# Of what stands in an index; Postgres takes no more than 2,704 bytes there.
_LONGEST_NAME = 200
_MOST_LABELS = 64
# A clock that is so much ahead is taken as it is.
_SKEW = timedelta(minutes=1)
# Alertmanager writes the year 1 for a time that is not set.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Group:
    """The group of a receiver by which an alert was notified."""

    receiver: str
    key: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """What one source says of one alert: it fires since `starts_at`, or did until `ends_at`.

    `suppressed` is None where the source does not tell. `seen_at` is when it was asked, by someone
    who wanted to know what fires at that moment; None for what was delivered, perhaps late.
    """

    fingerprint: str
    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    generator_url: str = ""
    suppressed: bool | None = None
    seen_at: datetime | None = None
    begins_again_at: datetime | None = None
    group: Group | None = None

    @property
    def name(self) -> str:
        """The alert's name, empty if it has none."""
        return self.labels.get("alertname", "")[:_LONGEST_NAME]

    @property
    def severity(self) -> str:
        """Its severity, empty if it has none."""
        return self.labels.get("severity", "")[:_LONGEST_NAME]

    @property
    def service(self) -> str:
        """Its service, empty if it has none."""
        return self.labels.get("service", "")[:_LONGEST_NAME]

    @property
    def ours(self) -> bool:
        """Whether the ledger keeps it: not Watchdog, and no escalation of another alert."""
        return bool(self.severity) and not self.labels.get("escalation")


@dataclass(frozen=True, slots=True)
class Received:
    """The alerts of a body, and how many entries of it are none."""

    incoming: tuple[Incoming, ...]
    unreadable: int = 0


async def read_webhook(body: bytes, now: datetime) -> Received:
    """The alerts of a webhook's body. Raises UnreadableBodyError if it can never be read."""
    entries, beside = await elements(body, ("alerts",))
    group = _group(beside)
    found = [_delivered(entry, group, now) for entry in entries]
    return _received(found)


async def read_listing(body: bytes, now: datetime) -> Received:
    """The alerts that GET /api/v2/alerts answers. Raises UnreadableBodyError."""
    entries, _ = await elements(body)
    return _received([_listed(entry, now) for entry in entries])


def observed(
    labels: Mapping[str, str],
    starts_at: datetime,
    ends_at: datetime | None = None,
    begins_again_at: datetime | None = None,
) -> Incoming:
    """An alert as Prometheus remembers it, whose times are its own."""
    return Incoming(
        fingerprint(labels), _texts(labels), starts_at, ends_at, begins_again_at=begins_again_at
    )


def clean(text: str, longest: int = _LONGEST_TEXT) -> str:
    """A text that every store takes: cut to a length, without NUL and halves of characters."""
    return storable(text[:longest])


T = TypeVar("T")


def _or(default: T) -> WrapValidator:
    """Takes what cannot be read for what was not given."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            return default

    return WrapValidator(validate)


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        time = datetime.fromisoformat(value)
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_Text = Annotated[str, _or("")]
_Texts = Annotated[dict[str, str], _or({})]
_Time = Annotated[datetime | None, BeforeValidator(_time)]


class _Alert(BaseModel):
    """What both bodies say of an alert, under Alertmanager's names."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fingerprint: _Text = ""
    labels: dict[str, str] = Field(min_length=1)
    annotations: _Texts = {}
    starts_at: _Time = Field(default=None, alias="startsAt")
    ends_at: _Time = Field(default=None, alias="endsAt")
    generator_url: _Text = Field(default="", alias="generatorURL")

    def incoming(self, now: datetime, **more: Any) -> Incoming:
        given = _FINGERPRINT.fullmatch(self.fingerprint)
        return Incoming(
            fingerprint=self.fingerprint if given else fingerprint(self.labels),
            labels=_texts(self.labels),
            annotations=_texts(self.annotations),
            generator_url=clean(self.generator_url),
            starts_at=_past(self.starts_at, now),
            **more,
        )


class _Delivered(_Alert):
    status: _Text = ""


class _Status(BaseModel):
    model_config = ConfigDict(extra="ignore")

    state: _Text = ""


class _Listed(_Alert):
    status: Annotated[_Status, _or(_Status())] = _Status()


def _delivered(entry: Any, group: Group | None, now: datetime) -> Incoming | None:
    try:
        alert = _Delivered.model_validate(entry)
    except ValidationError:
        return None
    if alert.status == "resolved":
        return alert.incoming(now, ends_at=_past(alert.ends_at, now), group=group)
    # What is silenced or inhibited is not delivered.
    return alert.incoming(now, suppressed=False, group=group)


def _listed(entry: Any, now: datetime) -> Incoming | None:
    try:
        alert = _Listed.model_validate(entry)
    except ValidationError:
        return None
    suppressed = alert.status.state == "suppressed"
    return alert.incoming(now, suppressed=suppressed, seen_at=now)


def _received(found: list[Incoming | None]) -> Received:
    incoming = tuple(one for one in found if one is not None)
    if found and not incoming:
        raise UnreadableBodyError("no entry of it is an alert with labels")
    return Received(incoming, len(found) - len(incoming))


def _past(time: datetime | None, now: datetime) -> datetime:
    return now if time is None or time < _EARLIEST or time > now + _SKEW else time


def _texts(given: Mapping[str, str]) -> dict[str, str]:
    """The texts of an alert, of which those that say what it is are never left out."""
    first = ("alertname", "severity", "service", "escalation")
    names = [name for name in first if name in given]
    names += [name for name in given if name not in first]
    return {clean(name): clean(given[name]) for name in names[:_MOST_LABELS]}


def _group(beside: Mapping[str, Any]) -> Group | None:
    receiver, key = beside.get("receiver"), beside.get("groupKey")
    if not isinstance(receiver, str) or not isinstance(key, str):
        return None
    return Group(clean(receiver, _LONGEST_NAME), clean(key))
