"""Long pages in slices, so that no page holds the event loop that times the probes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

# Half a millisecond or so: less than a probe waits for the others of its wake-up.
_SLICE = 10

T = TypeVar("T")
R = TypeVar("R")


async def sliced(make: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What `make` makes of each item; after every few the event loop does what else is due."""
    made: list[R] = []
    for number, item in enumerate(items, start=1):
        made.append(make(item))
        if not number % _SLICE:
            await asyncio.sleep(0)
    return made
