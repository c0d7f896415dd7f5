"""Whom to reach at which hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from model.people import BusinessHours, Contact
from model.platform import Platform

# Who is reached when: the words of `Contact.when`, in the order in which they are shown.
_HOURS: Final = (
    ("business", "Business hours"),
    ("after-hours", "After hours"),
    ("always", "At any hour"),
    ("emergency", "Emergencies (P0)"),
)
_ALL_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Hours:
    """The contacts of an hour; `now` is whether it is theirs."""

    name: str
    contacts: Sequence[Contact]
    now: bool


def is_business(hours: BusinessHours, now: datetime) -> bool:
    """Whether people are at work."""
    local = now.astimezone(ZoneInfo(hours.time_zone))
    return _ALL_DAYS[local.weekday()] in hours.weekdays and hours.start <= local.hour < hours.end


def hours_of(platform: Platform, *, at_work: bool) -> list[Hours]:
    """The contacts, hour by hour."""
    now = {"business": at_work, "after-hours": not at_work, "always": True, "emergency": False}
    found = (
        (title, [one for one in platform.contacts if one.when == when], now[when])
        for when, title in _HOURS
    )
    return [Hours(title, contacts, theirs) for title, contacts, theirs in found if contacts]


def emergency(contacts: Sequence[Contact]) -> list[Contact]:
    """Whom to call in a P0, whatever the hour."""
    return [contact for contact in contacts if contact.when == "emergency"]


def reached(contact: Contact) -> str:
    """Somebody with what reaches them."""
    return f"{contact.title}: {', '.join(one for one in (contact.phone, contact.email) if one)}"
