"""When a worker runs next: after an interval, at a time of day, or when the clock strikes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Schedule(Protocol):
    """When the next run is due. `interval` is what lies between two runs."""

    @property
    def interval(self) -> timedelta:
        """What lies between two runs."""

    def next(self, last: datetime | None, now: datetime) -> datetime:
        """When the run is due that follows one which began at `last`; None: there was none."""


@dataclass(frozen=True, slots=True)
class Every:
    """So long after the last run began."""

    interval: timedelta

    def next(self, last: datetime | None, now: datetime) -> datetime:
        return now if last is None else last + self.interval


@dataclass(frozen=True, slots=True)
class Daily:
    """At a time of day in a time zone. What was missed is made up for."""

    at: time
    zone: str
    interval: timedelta = timedelta(days=1)

    def next(self, last: datetime | None, now: datetime) -> datetime:
        if last is None:
            return now
        zone = ZoneInfo(self.zone)
        day = last.astimezone(zone).date()
        # A time that the clocks skip is as long after midnight as on other days.
        days = (day + timedelta(days=ahead) for ahead in range(3))
        times = (datetime.combine(day, self.at, zone).astimezone(UTC) for day in days)
        return next(time for time in times if time > last)


@dataclass(frozen=True, slots=True)
class Aligned:
    """Whenever the time since 1970 is a multiple of the interval, so that all replicas agree."""

    interval: timedelta

    def next(self, last: datetime | None, now: datetime) -> datetime:
        length = self.interval.total_seconds()
        since = (now if last is None else last).timestamp()
        return datetime.fromtimestamp((since // length + 1) * length, UTC)
