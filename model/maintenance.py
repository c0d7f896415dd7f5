"""Maintenance windows: when alerts about some targets are not to fire. Probing goes on.

Windows are data of the exporter, which tells Prometheus who is in one: a changed window needs no
other rules, only a reload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import ClassVar, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import model_validator

from model.declared import Declared, refused
from model.durations import days, prometheus
from model.people import Weekday

# What is longer is more likely a mistyped year than a maintenance.
_LONGEST = days(14)
_WEEK: tuple[Weekday, ...] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")

# From when to when, in unix seconds; the end is no part of it.
Span = tuple[float, float]


class Window(Declared):
    """When these targets are in maintenance, and why. Times are local to `time_zone`."""

    noun: ClassVar[str | None] = "Maintenance"
    targets: tuple[str, ...]
    time_zone: str = "UTC"
    reason: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not self.targets:
            mistakes.append("targets: name at least one")
        if not self.reason.strip():
            mistakes.append("reason: say why, for whoever wonders where the alert stays")
        if not _is_zone(self.time_zone):
            mistakes.append(
                f'time_zone: "{self.time_zone}" is not known; write one like "Europe/Berlin"'
            )
        else:
            mistakes += self._mistakes()
        if mistakes:
            raise refused(mistakes)
        return self

    def span(self, now: float) -> Span | None:
        """The window that is open at `now` or opens next; None if there is none any more."""
        raise NotImplementedError

    def _mistakes(self) -> list[str]:
        raise NotImplementedError

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Maintenance(Window):
    """One maintenance, from `start` to `end`: "2026-03-28 22:00".

    A time that the clocks skip or show twice that night is refused: it can be given in UTC.
    """

    start: str
    end: str

    def span(self, now: float) -> Span | None:
        start, end = (self._instant(text) for text in (self.start, self.end))
        return (start, end) if now < end else None

    def _instant(self, text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=self._zone).timestamp()

    def _mistakes(self) -> list[str]:
        given = {"start": self.start, "end": self.end}
        mistakes = [
            f"{setting}: {mistake}"
            for setting, text in given.items()
            for mistake in self._time_mistakes(text)
        ]
        if mistakes:
            return mistakes
        length = timedelta(seconds=self._instant(self.end) - self._instant(self.start))
        if length <= timedelta(0):
            return [f"end: {self.end} is not after start, {self.start}"]
        if length > _LONGEST:
            most = f"a maintenance lasts at most {prometheus(_LONGEST)}"
            return [f"end: {self.end} is {prometheus(length)} after start, {self.start}; {most}"]
        return []

    def _time_mistakes(self, text: str) -> Iterator[str]:
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            yield f'"{text}" is not a time; write one like "2026-03-28 22:00"'
            return
        if local.tzinfo is not None:
            yield f'"{text}" has an offset; leave it out: time_zone says where it is {local:%H:%M}'
            return
        first, second = _readings(local, self._zone)
        if first > second:
            yield f"{text} is skipped by the clocks of {self.time_zone} that night; give it in UTC"
        elif first < second:
            yield f"{text} comes twice that night in {self.time_zone}; give it in UTC"


class WeeklyMaintenance(Window):
    """A maintenance that comes back every week: on `weekdays`, from `start` to `end` ("02:00").

    An end that is not after the start is the next day's. When the clocks change, a start that they
    skip is the moment of the change, one that they show twice is the first; the window is never
    shorter than on other days.
    """

    weekdays: tuple[Weekday, ...]
    start: str
    end: str

    def span(self, now: float) -> Span | None:
        today = datetime.fromtimestamp(now, self._zone).date()
        # Yesterday's may last into today.
        for ahead in range(-1, 9):
            day = today + timedelta(days=ahead)
            if _WEEK[day.weekday()] in self.weekdays:
                start, end = self._on(day)
                if now < end:
                    return start, end
        return None

    def _on(self, day: date) -> Span:
        begins, ends = _of_day(self.start), _of_day(self.end)
        if ends <= begins:
            ends += timedelta(days=1)
        midnight = datetime.combine(day, time())
        start = self._instant(midnight + begins)
        end = self._instant(midnight + ends)
        return start, max(end, start + (ends - begins).total_seconds())

    def _instant(self, local: datetime) -> float:
        first, second = _readings(local, self._zone)
        return first if first <= second else _change(second, first, self._zone)

    def _mistakes(self) -> list[str]:
        given = {"start": self.start, "end": self.end}
        mistakes = [
            f'{setting}: "{text}" is not a time of day; write one like "02:30"'
            for setting, text in given.items()
            if not _TIME.fullmatch(text)
        ]
        if not self.weekdays:
            mistakes.append("weekdays: name at least one")
        if not mistakes and self.start == self.end:
            mistakes.append(f'end: {self.end} is the start too; a whole day is "00:00" to "24:00"')
        return mistakes


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _of_day(text: str) -> timedelta:
    hours, minutes = map(int, text.split(":"))
    return timedelta(hours=hours, minutes=minutes)


def _readings(local: datetime, zone: ZoneInfo) -> tuple[float, float]:
    """The two instants that a local time can be (PEP 495): equal but when the clocks change.

    The first is later than the second for a time that is skipped, and earlier for one that comes
    twice.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    return first, second


def _change(before: float, after: float, zone: ZoneInfo) -> float:
    """The moment between two at which the clocks change, to a second."""
    old = datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
