"""What a scenario is: what is done, what fires of it, and what else it leaves standing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from demo.stack import Stack

# Entered, it makes the condition true; left, it undoes that.
Means = Callable[[Stack], contextlib.AbstractAsyncContextManager[None]]


class Stage(IntEnum):
    """Scenarios of one stage disturb each other in nothing; those of two might."""

    ALL_PARTS_RUN = 1
    REDIS_IS_DOWN = 2
    POSTGRES_IS_DOWN = 3
    EXPORTER_IS_DOWN = 4


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Scenario:
    """One real fault. `fires` has a firing alert's labels, as far as they tell it from others.

    `done` and `undone` say in words what happens. `lingers` says why its alerts go on firing for
    minutes after that, if they do. `lacks` says what this machine has not that it needs, if so.
    """

    fires: Mapping[str, Mapping[str, str]]
    done: str
    undone: str
    means: Means
    stage: Stage = Stage.ALL_PARTS_RUN
    lingers: str = ""
    lacks: Callable[[], str | None] = _nothing
