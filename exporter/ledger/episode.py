"""The episodes of one alert: how what is told of it, in any order and however often, adds up.

Alertmanager tells that an alert fires since a start, or that it fired from a start to an end. Each
start belongs to the first end that is not before it; what has no such end is still open. So
neither a repetition nor the order of deliveries changes what comes out: a start that comes after
its end is no new episode, and an end that comes late takes its own part out of a longer one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

# Starts move when Prometheus restarts; this many are remembered of an episode.
_MOST_STARTS = 16
# Prometheus gives an alert an end four minutes ahead, so that an Alertmanager which missed the
# resolve lists it for so long; what is listed longer than this after its end fires for all that.
LISTED_AFTER_END = timedelta(minutes=5)
# Ends that nobody has told, but that follow from what was seen.
INFERRED = ("absence", "prometheus")
PERSON, ALERTMANAGER, PROMETHEUS, ABSENCE = "person", "alertmanager", "prometheus", "absence"


@dataclass(frozen=True, slots=True)
class Episode:
    """From when an alert began to fire until it ended, as far as it decides what a message means.

    `starts` are all starts that were told, the earliest first. `heard_at` is when somebody
    acknowledged it, else when it came to the ledger; `changed_at` is when it last changed there, if
    it is there. `resolution` says how it ended. What a person has ended may be `firing` until its
    source says otherwise.
    """

    id: str
    starts: tuple[datetime, ...]
    heard_at: datetime
    ends_at: datetime | None = None
    firing: bool = True
    resolution: str | None = None
    changed_at: datetime | None = None

    @property
    def starts_at(self) -> datetime:
        """Its start."""
        return self.starts[0]

    @property
    def source_ends_at(self) -> datetime | None:
        """When its source ended it; None if its source has not, whatever a person has."""
        return None if self.firing else self.ends_at

    def reaches(self, at: datetime) -> bool:
        """Whether it has not ended before this time."""
        return self.source_ends_at is None or self.source_ends_at >= at


@dataclass(frozen=True, slots=True)
class Told:
    """What a message says: firing since `starts_at`, until `ends_at` if that is given.

    `arrived_at` is when. `seen_at` is set by who looked at what fires at that moment,
    `begins_again_at` by who knows that it began to fire anew after its end.
    """

    starts_at: datetime
    ends_at: datetime | None
    arrived_at: datetime
    seen_at: datetime | None = None
    begins_again_at: datetime | None = None


def merge(
    episodes: Sequence[Episode], told: Told, new_id: Callable[[], str]
) -> tuple[Episode, ...]:
    """The episodes of an alert after a message about it; new ones have new ids."""
    known = sorted(episodes, key=_order)
    if told.ends_at is None:
        return tuple(_start(known, told, new_id))
    start = min(told.starts_at, told.ends_at)
    place = _of_start(known, start)
    if place is None:
        ended = Episode(
            new_id(), (start,), told.arrived_at, told.ends_at, False, resolution=ALERTMANAGER
        )
        return (*known, ended)
    known[place] = _with_start(known[place], start)
    return tuple(_end(known, place, told.ends_at, told.arrived_at, new_id, ALERTMANAGER))


def reconstruct(
    episodes: Sequence[Episode], told: Told, tolerance: timedelta, new_id: Callable[[], str]
) -> tuple[Episode, ...]:
    """The same episodes, and the told one if none of them can be it.

    If it can be one that has begun anew after its end, that one is two: its end was lost. That it
    has is known by whoever tells, or because Alertmanager was told of the later start.
    """
    end = told.ends_at
    known = sorted(episodes, key=_order)
    for place, one in enumerate(known):
        begins_later = end is not None and one.starts_at > end + tolerance
        if begins_later or not one.reaches(told.starts_at - tolerance):
            continue
        again = told.begins_again_at
        whole = one if again is None or not one.reaches(again) else _with_start(one, again)
        if end is None or not whole.starts[0] <= end < whole.starts[-1]:
            return tuple(episodes)
        known[place] = whole
        return tuple(_end(known, place, end, told.arrived_at, new_id, PROMETHEUS))
    firing = end is None
    resolution = None if firing else PROMETHEUS
    starts = (told.starts_at,)
    return (*episodes, Episode(new_id(), starts, told.arrived_at, end, firing, resolution))


def ended(episode: Episode, at: datetime, resolution: str) -> Episode:
    """An episode whose source has ended it. What a person has ended keeps that end."""
    if episode.ends_at is not None:
        return replace(episode, firing=False)
    end = max(at, episode.starts_at)
    return replace(episode, ends_at=end, firing=False, resolution=resolution)


def _order(episode: Episode) -> tuple[bool, datetime, datetime]:
    end = episode.source_ends_at
    return (end is None, end or episode.starts_at, episode.starts_at)


def _start(known: list[Episode], told: Told, new_id: Callable[[], str]) -> list[Episode]:
    place = _of_start(known, told.starts_at)
    start = told.starts_at
    if place is not None:
        if not _fires_after_all(known[-1], told.seen_at):
            known[place] = _with_start(known[place], start)
            return known
        assert told.seen_at is not None
        start = told.seen_at
    return [*known, Episode(new_id(), (start,), told.arrived_at)]


def _fires_after_all(last: Episode, seen_at: datetime | None) -> bool:
    """Whether an alert is still listed long after we heard that its last episode has ended.

    What a person ended may have ended much earlier than its source says, and than we heard that.
    """
    end = last.source_ends_at
    if end is None or seen_at is None:
        return False
    return max(end, last.changed_at or end) + LISTED_AFTER_END < seen_at


def _of_start(known: Sequence[Episode], start: datetime) -> int | None:
    """The place of the episode that a start belongs to, None if there is none yet."""
    for place, one in enumerate(known):
        if start in one.starts:
            return place
    return next((place for place, one in enumerate(known) if one.reaches(start)), None)


def _with_start(episode: Episode, start: datetime) -> Episode:
    if start in episode.starts:
        return episode
    starts = sorted((*episode.starts, start))
    if len(starts) > _MOST_STARTS:
        del starts[1]
    return replace(episode, starts=tuple(starts))


def _end(
    known: list[Episode],
    place: int,
    end: datetime,
    at: datetime,
    new_id: Callable[[], str],
    resolution: str,
) -> list[Episode]:
    """Let an end take effect; `place` is of the episode that its start belongs to."""
    reached = next((number for number, one in enumerate(known) if one.reaches(end)), None)
    before = () if reached is None else _until(known[reached].starts, end)
    if reached is None or not before:
        known[place] = _told_better(known, place, end)
        return known
    one = known[reached]
    after = one.starts[len(before) :]
    if one.ends_at is not None and one.resolution == PERSON:
        # What it has ended by itself may not be what a late message is about.
        known[reached] = one if after else replace(one, firing=False)
        return known
    first = replace(one, starts=before, ends_at=end, firing=False, resolution=resolution)
    if not after:
        known[reached] = first
        return known
    # A late end: two episodes, of which the one that people have seen keeps its id.
    second = replace(one, starts=after)
    if one.heard_at <= end:
        second = replace(second, id=new_id(), heard_at=at)
    else:
        first = replace(first, id=new_id(), heard_at=at)
    return [*known[:reached], first, second, *known[reached + 1 :]]


def _told_better(known: Sequence[Episode], place: int, end: datetime) -> Episode:
    """The episode with the end that is told, where so far it was only inferred."""
    one = known[place]
    if one.resolution not in INFERRED or one.ends_at is None or one.ends_at > end:
        return one
    if any(other.starts_at <= end for other in known[place + 1 :]):
        return one
    return replace(one, ends_at=end, resolution=ALERTMANAGER)


def _until(starts: Sequence[datetime], end: datetime) -> tuple[datetime, ...]:
    return tuple(start for start in starts if start <= end)
