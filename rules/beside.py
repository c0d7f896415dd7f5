"""Work that two processes share, where that is safe.

A fork knows all that is known here already, so that nothing but results is handed over.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar

T = TypeVar("T")

# A turn is the number of a task. As many fit into a pipe at once.
_TURN = struct.Struct("I")
_MOST = 4096


def all_of(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """The results of tasks, in their order; whichever process is free takes the next one.

    Tasks must change nothing, and their results be such as can be pickled. What a task raises is
    raised here.
    """
    found: dict[int, T] = {}
    if len(tasks) > 1 and _may_fork(len(tasks)):
        found = _shared(tasks)
    # What the other process has failed at fails here again, or it was killed.
    return [found[n] if n in found else task() for n, task in enumerate(tasks)]


def _may_fork(tasks: int) -> bool:
    # Another thread may hold a lock, which nobody would release in the fork.
    return threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1 and tasks <= _MOST


def _shared(tasks: Sequence[Callable[[], T]]) -> dict[int, T]:
    turns, giving = os.pipe()
    os.write(giving, b"".join(map(_TURN.pack, range(len(tasks)))))
    os.close(giving)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work(tasks, turns, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as theirs:
            found = {turn: tasks[turn]() for turn in _taken(turns)}
            said = theirs.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(turns)
        os.waitpid(child, 0)
    return found | (pickle.loads(said) if said else {})  # noqa: S301 - said by our own fork


def _work(tasks: Sequence[Callable[[], T]], turns: int, writing: int) -> NoReturn:
    """Be the other process: nothing of the one that it came from may go on in it."""
    try:
        found = {}
        for turn in _taken(turns):
            found[turn] = tasks[turn]()
        with os.fdopen(writing, "wb") as ours:
            pickle.dump(found, ours)
    finally:
        os._exit(0)


def _taken(turns: int) -> Iterator[int]:
    while turn := os.read(turns, _TURN.size):
        yield _TURN.unpack(turn)[0]
