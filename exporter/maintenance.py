"""Who is in maintenance now, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.exposition import fragments, join
from exporter.probers.result import Sample
from model import names
from model.maintenance import Window

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Open:
    """An open window: until when, in unix seconds, and why."""

    until: float
    reason: str


class Calendar:
    """The maintenance windows of some targets. Looked at often, computed when one opens or closes.

    `targets` are the names of those that are spoken for; windows of others are left out.
    """

    def __init__(self, windows: Iterable[Window], targets: Iterable[str]) -> None:
        spoken_for = frozenset(targets)
        self._windows = tuple(windows)
        named = (name for window in self._windows for name in window.targets)
        self._targets = tuple(dict.fromkeys(name for name in named if name in spoken_for))
        # What follows holds from the first moment up to the second.
        self._holds = (_NEVER, _NEVER)
        self._open: Mapping[str, Open] = {}
        self._text = b""

    def open(self, now: float) -> Mapping[str, Open]:
        """The open window of each target that is in one; of several the one that closes last."""
        self._look(now)
        return self._open

    def text(self, now: float) -> bytes:
        """What /metrics says: 0 or 1 for every target that a window names."""
        self._look(now)
        return self._text

    def _look(self, now: float) -> None:
        if self._holds[0] <= now < self._holds[1]:
            return
        found: dict[str, Open] = {}
        changes = [_NEVER]
        for window in self._windows:
            span = window.span(now)
            if span is None:
                continue
            start, end = span
            changes.append(start if now < start else end)
            if now < start:
                continue
            for name in window.targets:
                if name in self._targets and (name not in found or found[name].until < end):
                    found[name] = Open(end, window.reason)
        self._open, self._holds = found, (now, min(changes))
        lines = [
            fragments([Sample(names.MAINTENANCE, value=float(name in found))], name)
            for name in self._targets
        ]
        self._text = b"".join(join((names.MAINTENANCE,), lines))
