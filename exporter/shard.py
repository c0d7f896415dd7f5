"""Which of several exporters probes a target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` exporters that share the targets, `number` of them, counted from 1.

    A target belongs to the exporter whose number gives the greatest hash together with the
    target's name (rendezvous hashing, Thaler and Ravishankar 1998). All need to know only how many
    they are, and one more exporter takes targets away from the others, but moves none among them.
    """

    number: int = 1
    count: int = 1

    def owns(self, target: str) -> bool:
        """Whether it probes the target of this name."""
        if self.count == 1:
            return True
        return self.number == max(range(1, self.count + 1), key=lambda one: _weight(one, target))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


# Of more, most would have nothing to do, and one that is missing would go unnoticed for longer.
_MOST = 1000


def parse(text: str) -> Shard:
    """Read `i/n`, such as `2/3`. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip(), re.ASCII)
    if match is None:
        raise ValueError(f'"{text[:20]}" is not i/n; the second of three shards is 2/3')
    number, count = map(int, match.groups())
    if not 1 <= count <= _MOST:
        raise ValueError(f"there cannot be {count} shards; write 1 to {_MOST}")
    if not 1 <= number <= count:
        raise ValueError(f"{number} is none of {count} shards; they are counted from 1 to {count}")
    return Shard(number, count)


def _weight(number: int, target: str) -> bytes:
    return sha256(f"{number}/{target}".encode()).digest()
