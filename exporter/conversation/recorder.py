"""What is noted while one probe's conversation is recorded.

Probes in the background are not recorded. Those that speak by our own connections need nothing for
that: their network makes connections that note (`network.py`). A library that connects by itself
is asked here, by a context variable that is unset but for recorded probes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.probers.http.clock import now

if TYPE_CHECKING:
    from exporter.conversation.connection import RecordedConnection


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened: when, in seconds of `clock.now`, and what."""

    at: float
    text: str


@dataclass(slots=True)
class Recorder:
    """One probe's conversation, in the order in which it happened. It holds secrets."""

    started_at: float = field(default_factory=now)
    notes: list[Note] = field(default_factory=list)
    connections: list[RecordedConnection] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Note that something happens now."""
        self.notes.append(Note(now(), text))


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def recording() -> Recorder | None:
    """Who records the present probe, None if nobody does."""
    return _recorder.get()


@contextmanager
def recorded_by(recorder: Recorder | None) -> Iterator[None]:
    """Have the probe inside recorded, if by anybody."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)
