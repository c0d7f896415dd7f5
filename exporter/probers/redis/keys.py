"""The sizes of the keys that a config names."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.probers.redis.fields import SIZE
from exporter.probers.redis.protocol import Refusal, Reply
from exporter.probers.redis.server import Answer
from exporter.probers.result import Sample
from model import names
from model.redis import RedisKey


class KeySizes:
    """Asks for the sizes of keys, database by database, and reads the replies.

    A key of another kind than declared has no size. Nor have keys of a database that cannot be
    selected: what follows would be answered from the database before it.
    """

    def __init__(self, keys: Sequence[RedisKey], database: int) -> None:
        commands: list[tuple[str, ...]] = []
        # The labels of the sample that a reply becomes; None for a change of the database.
        self._steps: list[tuple[str, str] | None] = []
        at = database
        for wanted, key in sorted(
            ((database if key.database is None else key.database, key) for key in keys),
            key=lambda one: (one[0] != database, one[0]),
        ):
            if wanted != at:
                at = wanted
                commands.append(("SELECT", str(at)))
                self._steps.append(None)
            commands.append((SIZE[key.kind], key.name))
            self._steps.append((f"db{at}", key.name))
        self.commands = tuple(commands)
        self._last: dict[tuple[str, str], Sample] = {}

    def read(self, answer: Answer, replies: Sequence[Reply]) -> None:
        """Take the samples of the replies."""
        if not self.commands:
            return
        complaint = "" if len(replies) == len(self._steps) else "some sizes of keys were not told"
        refusal: Refusal | None = None
        for labels, reply in zip(self._steps, replies, strict=False):
            if labels is None:
                refusal = reply if isinstance(reply, Refusal) else None
            elif refusal is not None:
                complaint = complaint or f"database {labels[0]} was refused: {refusal.text}"
            elif isinstance(reply, int):
                answer.samples.append(self._sample(labels, float(reply)))
            else:
                why = reply.text if isinstance(reply, Refusal) else "its size is no number"
                complaint = complaint or f"the key {labels[1]}: {why}"
        if complaint:
            answer.complaints.append(complaint)
        answer.collected["keys"] = not complaint

    def _sample(self, labels: tuple[str, str], size: float) -> Sample:
        last = self._last.get(labels)
        if last is None or last.value != size:
            last = self._last[labels] = Sample(names.REDIS_KEY_SIZE, labels, size)
        return last
