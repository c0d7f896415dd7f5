"""Tasks that two processes share: all are done, each once, and what fails is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from rules.beside import all_of

# The fixture below forks beside the threads of whatever runs the tests, on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work is shared, whatever runs the tests, and no process that was started is left."""
    fork, started = os.fork, list[int]()

    def recorded() -> int:
        pid = fork()
        started.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", recorded)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    yield
    assert started
    for pid in started:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def slowly(number: int, directory: Path) -> tuple[int, int]:
    time.sleep(0.02)
    (directory / f"{number} {os.getpid()}").touch()
    return number, os.getpid()


@pytest.mark.usefixtures("two_processors")
def test_results_come_in_the_order_of_the_tasks_and_each_is_done_once(tmp_path: Path) -> None:
    found = all_of([partial(slowly, number, tmp_path) for number in range(20)])
    assert [number for number, _ in found] == list(range(20))
    assert {file.name for file in tmp_path.iterdir()} == {f"{n} {pid}" for n, pid in found}


@pytest.mark.usefixtures("two_processors")
def test_another_process_takes_its_share(tmp_path: Path) -> None:
    processes = {pid for _, pid in all_of([partial(slowly, n, tmp_path) for n in range(20)])}
    assert len(processes) == 2
    assert os.getpid() in processes


def test_where_another_thread_runs_nothing_is_forked(tmp_path: Path) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        processes = {pid for _, pid in all_of([partial(slowly, n, tmp_path) for n in range(4)])}
    finally:
        over.set()
        thread.join()
    assert processes == {os.getpid()}


def failing(number: int) -> int:
    time.sleep(0.02)
    if number == 7:
        raise ValueError("the seventh")
    return number


@pytest.mark.usefixtures("two_processors")
def test_what_a_task_raises_is_raised_whichever_process_it_was_in() -> None:
    for _ in range(4):
        with pytest.raises(ValueError, match="the seventh"):
            all_of([partial(failing, number) for number in range(12)])


def unless_here(number: int, here: int) -> int:
    time.sleep(0.02)
    if os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.usefixtures("two_processors")
def test_where_the_other_process_is_killed_its_share_is_done_here() -> None:
    here = os.getpid()
    assert all_of([partial(unless_here, n, here) for n in range(8)]) == list(range(8))


def test_no_task_is_no_work() -> None:
    assert all_of([]) == []
