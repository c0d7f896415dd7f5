"""Rounds: interleaved, dropped when disturbed, counted either way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from bench.rounds import DisturbedError, Figures, Plan, Side, Spread, interleaved
from bench.table import Met, Row, markdown
from bench.usage import Load, cpu_seconds

# No machine takes more than all of it, and none takes less than nothing.
ANYTHING, NOTHING = 1.0, -1.0


def figure(value: float, order: list[float]) -> Callable[[], Figures]:
    def measure() -> Figures:
        order.append(value)
        return {"cpu": value}

    return measure


def test_sides_take_turns() -> None:
    order: list[float] = []
    plan = Plan(rounds=3, seconds=0, limit=ANYTHING, attempts=6)
    measured = interleaved(plan, {"ours": figure(1, order), "peer": figure(2, order)})
    assert order == [1, 2, 1, 2, 1, 2]
    assert measured["ours"].spread("cpu") == Spread(1, 1, 1, kept=3, dropped=0)


def test_disturbed_rounds_are_tried_again_and_counted() -> None:
    plan = Plan(rounds=2, seconds=0, limit=NOTHING, attempts=4)
    measured = interleaved(plan, {"ours": figure(1, [])})
    assert measured["ours"].spread("cpu") == Spread(1, 1, 1, kept=0, dropped=4)


def test_a_side_that_cannot_keep_its_pace_gives_no_figure() -> None:
    def late() -> Figures:
        raise DisturbedError("too late")

    measured = interleaved(Plan(1, 0, ANYTHING, 2), {"ours": late})
    with pytest.raises(DisturbedError, match="too late"):
        measured["ours"].spread("cpu")


def test_kept_rounds_alone_make_the_figure() -> None:
    side = Side(kept=[{"cpu": 1}, {"cpu": 3}, {"cpu": 2}], disturbed=[{"cpu": 9}])
    assert side.spread("cpu") == Spread(2, 1, 3, kept=3, dropped=1)


@pytest.mark.parametrize(
    ("ours", "met"), [(0.13, Met.YES), (0.1301, Met.NO)], ids=["at the goal", "over it"]
)
def test_goal_of_a_ratio(ours: float, met: Met) -> None:
    assert row(Spread(ours, 0, 1, 3, 0)).met is met


def test_nothing_is_met_by_disturbed_rounds() -> None:
    assert row(Spread(0.01, 0, 1, 0, 3)).met is Met.UNKNOWN
    assert row(Spread(0.01, 0, 1, 3, 0), peer_kept=0).met is Met.UNKNOWN


@pytest.mark.parametrize(("ours", "met"), [(60.0, Met.YES), (60.1, Met.NO)])
def test_goal_of_a_most(ours: float, met: Met) -> None:
    found = Row("f", "memory", "MB", Spread(ours, 1, 2, 1, 0), most=60.0)
    assert found.met is met


def test_table_has_medians_ranges_ratio_and_rounds() -> None:
    text = markdown([row(Spread(0.5, 0.4, 0.6, 3, 1)).cells()])
    assert "| ≤ 0.13× | 0.5 µs (0.4–0.6) | 1 µs (1–1) | 0.500× | **no** | 3 + 1 / 2 + 0 |" in text


def row(ours: Spread, peer_kept: int = 2) -> Row:
    return Row("a", "x", "µs", ours, Spread(1, 1, 1, peer_kept, 0), most_ratio=0.13)


def test_cpu_of_a_process_is_what_the_kernel_says_it_used() -> None:
    # To look costs CPU time too, more the more processes there are.
    began, before, looked = time.process_time(), cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - looked < 0.1:
        pass
    burned, after, ended = time.process_time(), cpu_seconds(os.getpid()), time.process_time()
    assert burned - looked - 0.01 < after - before < ended - began + 0.01


def test_cpu_of_children_counts_while_they_live_and_after() -> None:
    before = cpu_seconds(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alive = cpu_seconds(os.getpid()) - before
        child.communicate(b"\n")
    assert alive >= 0.3
    assert cpu_seconds(os.getpid()) - before >= 0.28


def test_what_others_use_is_a_share_of_the_machine() -> None:
    cores = os.cpu_count() or 1
    earlier = Load(busy=10.0, ours=4.0, at=100.0)
    assert Load(busy=12.0, ours=6.0, at=101.0).disturbance(earlier) == 0.0
    assert Load(busy=12.0, ours=4.0, at=102.0).disturbance(earlier) == pytest.approx(1 / cores)
