"""The slow log: how long it is, and of its last entry the number and the duration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from exporter.probers.redis.protocol import Refusal, Reply
from exporter.probers.redis.server import Answer
from exporter.probers.result import Sample
from model import names

# Of refusals that will not end by themselves.
_FOR_GOOD = ("NOPERM", "ERR unknown command")


class SlowLog:
    """Asks for the slow log. What the slow command was is not looked at.

    Where an ACL forbids it Redis logs each attempt: then it is not asked again.
    """

    def __init__(self) -> None:
        self.commands: tuple[tuple[str, ...], ...] = (("SLOWLOG", "LEN"), ("SLOWLOG", "GET", "1"))
        self._refused = ""

    def read(self, answer: Answer, replies: Sequence[Reply]) -> None:
        """Take the samples of the replies."""
        refusal = next((reply.text for reply in replies if isinstance(reply, Refusal)), "")
        if refusal.startswith(_FOR_GOOD):
            self.commands, self._refused = (), refusal
        if refusal or self._refused:
            answer.complaints.append(f"SLOWLOG was refused: {refusal or self._refused}")
            return
        length, entries = (*replies, None, None)[:2]
        if not isinstance(length, int) or not isinstance(entries, list):
            answer.complaints.append("SLOWLOG was answered with something else than the slow log")
            return
        # An entry begins with its number, the time, and the duration in microseconds.
        first = entries[0] if entries else None
        told = [part if isinstance(part, int) else 0 for part in first] if _long(first) else [0] * 3
        answer.samples += (
            Sample(names.REDIS_SLOWLOG_LENGTH, (), length),
            Sample(names.REDIS_SLOWLOG_LAST_ID, (), told[0]),
            Sample(names.REDIS_LAST_SLOW_DURATION, (), told[2] / 1e6),
        )
        answer.collected["slowlog"] = True


def _long(entry: Reply) -> TypeGuard[list[Reply]]:
    return isinstance(entry, list) and len(entry) >= 3
