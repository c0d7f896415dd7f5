"""What is watched, as the console shows it: states in words, the worst first, page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from exporter.maintenance import Open
from exporter.probers.result import Health
from exporter.watch import TargetSnapshot
from exporter.web.states import UNKNOWN, details
from model.json_target import JsonTarget
from model.sql import SqlMetrics
from model.targets import Service, TcpService

if TYPE_CHECKING:
    from exporter.ledger.strips import Strip

# The worse, the earlier.
STATES: Final = ("down", "degraded", "unknown", "up")
_WORDS: Final = {Health.HEALTHY: "up", Health.DEGRADED: "degraded", Health.UNHEALTHY: "down"}
_GROUPS: Final = ("Services", "Dependencies", "External", "Business figures")
PAGE: Final = 100
# Of those in which probes failed, how many are put in words.
_MOST_RUNS: Final = 5


@dataclass(frozen=True, slots=True)
class Target:
    """One that is watched. `latency` is in seconds; `maintenance` is its window, if one is open."""

    name: str
    kind: str
    group: str
    state: str
    since: datetime | None
    latency: float | None
    reason: str
    detail: str
    maintenance: str | None
    strip: Strip | None = None

    @property
    def is_broken(self) -> bool:
        """Whether somebody has to see to it."""
        return self.state in ("down", "degraded") and self.maintenance is None

    @property
    def day(self) -> str:
        """What its strip shows, for whoever does not see it."""
        from exporter.ledger.strips import SLOT

        if self.strip is None or self.strip.availability is None:
            return "nothing on record"
        begin = self.strip.begin
        bad = [run for run in self.strip.runs if run.went in ("down", "partly")]
        spans = [
            f"{begin + run.start * SLOT:%H:%M} to {begin + (run.start + run.length) * SLOT:%H:%M}"
            for run in bad[:_MOST_RUNS]
        ]
        more = f" and {len(bad) - _MOST_RUNS} times more" if len(bad) > _MOST_RUNS else ""
        return f"probes failed between {', '.join(spans)}{more}" if bad else "no probe failed"


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """How many of a group there are, and how many in each state, the worst first."""

    name: str
    total: int
    states: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of those that were asked for: `found` in all, on `pages` pages."""

    targets: Sequence[Target]
    found: int
    number: int
    pages: int


def target_of(shot: TargetSnapshot, resting: Mapping[str, Open]) -> Target:
    """What is known of a target."""
    told = details(shot)
    result, window = shot.result, resting.get(shot.target.name)
    return Target(
        name=shot.target.name,
        kind=shot.target.kind,
        group=_group(shot),
        state=UNKNOWN if result is None else _WORDS[result.health],
        since=None if shot.since is None else datetime.fromtimestamp(shot.since, UTC),
        latency=None if result is None else result.duration,
        reason=str(told.get("reason", "")).replace("_", " "),
        detail=str(told.get("message", "")),
        maintenance=None if window is None else _window(window),
    )


def _group(shot: TargetSnapshot) -> str:
    match shot.target:
        case Service() | TcpService():
            return _GROUPS[0]
        case JsonTarget():
            return _GROUPS[2]
        case SqlMetrics():
            return _GROUPS[3]
        case _:
            return _GROUPS[1]


def _window(window: Open) -> str:
    until = datetime.fromtimestamp(min(window.until, _LAST), UTC)
    return f"{window.reason}, until {until:%d %b %H:%M} UTC"


# datetime knows no later year than 9999.
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def broken(targets: Iterable[Target]) -> list[Target]:
    """Those that somebody has to see to: the worst first, of these the one that broke last."""
    found = [target for target in targets if target.is_broken]
    return sorted(found, key=lambda target: (STATES.index(target.state), -_at(target)))


def _at(target: Target) -> float:
    return target.since.timestamp() if target.since is not None else 0.0


def counts(targets: Iterable[Target]) -> list[GroupCounts]:
    """How many are how, group by group."""
    by_group: dict[str, Counter[str]] = {}
    for target in targets:
        by_group.setdefault(target.group, Counter())[target.state] += 1
    return [
        GroupCounts(
            group,
            by_group[group].total(),
            [(state, by_group[group][state]) for state in STATES if by_group[group][state]],
        )
        for group in _GROUPS
        if group in by_group
    ]


def chosen(targets: Iterable[Target], text: str, state: str, number: int) -> Shown:
    """A page of those whose name, kind or trouble has a text, and that are in a state."""
    wanted = text.casefold()
    found = [
        target
        for target in targets
        if (not state or target.state == state)
        and (not wanted or any(wanted in word.casefold() for word in _words_of(target)))
    ]
    found.sort(key=lambda target: (_GROUPS.index(target.group), STATES.index(target.state)))
    pages = max(1, -(-len(found) // PAGE))
    number = min(max(number, 1), pages)
    return Shown(found[(number - 1) * PAGE : number * PAGE], len(found), number, pages)


def _words_of(target: Target) -> Sequence[str]:
    return (target.name, target.kind, target.reason, target.detail)


def with_strips(targets: Iterable[Target], strips: Mapping[str, Strip]) -> list[Target]:
    """The same with how their day went, where that is known."""
    return [replace(target, strip=strips.get(target.name)) for target in targets]
