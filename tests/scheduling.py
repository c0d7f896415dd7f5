"""Which of pytest's workers runs which file: those that wait, beside those that compute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xdist.scheduler import LoadFileScheduling

# Beginnings of the names of files whose tests mostly wait for alerts, intervals and deadlines. The
# longest come first, so that none of them is the last that everybody waits for.
WAITING = (
    "tests/demo/test_scenarios",
    "tests/demo/test_chain",
    "tests/demo/test_ledger_chain",
    "tests/demo/test_chaos",
    "tests/demo/",
    "tests/operations/test_channel_tests.py",
    "tests/programs/test_fetch_packages.py",
    "tests/runbook/",
    "tests/bench/",
    "tests/ledger/test_real_alerting.py",
    "tests/exporter/test_isolation.py",
    "tests/compatibility/",
    "tests/console/test_console_browser.py",
    "tests/probers/test_postgres",
    "tests/probers/test_redis",
    "tests/probers/test_sql",
    "tests/ledger/test_worker",
    "tests/ledger/test_chat_chain.py",
    "tests/exporter/test_serve",
)


class BesideScheduling(LoadFileScheduling):  # type: ignore[misc]
    """Files stay whole, as with `--dist loadfile`, and half of the workers run those that wait.

    So no processor is idle because all wait, and what measures time is held up by no more workers
    that compute than the other half has.
    """

    def _reschedule(self, node: Any) -> None:
        if waits(node.gateway.id) and self.workqueue and waiting(self.workqueue) is None:
            if not node.shutting_down:
                node.shutdown()
            return
        super()._reschedule(node)

    def _assign_work_unit(self, node: Any) -> None:
        file = next_file(self.workqueue, to_wait=waits(node.gateway.id))
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)


def waits(worker: str) -> bool:
    """Whether a worker, such as "gw1", is one of those for files that wait."""
    return int(worker.removeprefix("gw")) % 2 == 1


def next_file(left: Iterable[str], *, to_wait: bool) -> str:
    """The file that a worker runs next: of its own kind, and else of what there is."""
    files = list(left)
    first = waiting(files)
    computing = next((file for file in files if not file.startswith(WAITING)), None)
    chosen = first or computing if to_wait else computing or first
    assert chosen is not None, "asked for the next of no files"
    return chosen


def waiting(left: Iterable[str]) -> str | None:
    """The first of the files that wait."""
    found = [
        (index, file)
        for file in left
        for index, name in enumerate(WAITING)
        if file.startswith(name)
    ]
    return min(found)[1] if found else None
