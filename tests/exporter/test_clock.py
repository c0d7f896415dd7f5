"""The clock: wakes seldom, starts one a turn, and says how late each start was."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from standins import until

from exporter.clock import Clock

# Longer than any start here is put off, shorter than one that is put off for a minute.
SOON = 20.0


class Wakes:
    """Counts how often a clock wakes."""

    def __init__(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        wake = clock._wake

        def counted() -> None:
            self.count += 1
            wake()

        monkeypatch.setattr(clock, "_wake", counted)


async def test_a_start_that_raises_stops_no_other() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    clock, started, now = Clock(), list[float](), monotonic()

    def raises(_late: float) -> None:
        raise RuntimeError("it does not start")

    clock.start(now, now + 0.01, raises)
    clock.start(now, now + 0.01, started.append)
    clock.start(now + 0.02, now + 0.03, started.append)
    await until(lambda: len(started) == 2, SOON)


async def test_a_cancelled_start_does_not_happen_and_costs_no_wake_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, started, now = Clock(), list[float](), monotonic()
    wakes = Wakes(clock, monkeypatch)
    clock.start(now, now + 0.01, started.append)
    clock.start(now, now + 0.1, started.append).cancel()
    await until(lambda: started, SOON)
    await asyncio.sleep(0.2)
    assert len(started) == 1
    assert wakes.count == 1


async def test_what_may_start_already_shares_the_wake_up_of_what_must(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, started, now = Clock(), list[float](), monotonic()
    wakes = Wakes(clock, monkeypatch)
    for number in range(10):
        clock.start(now, now + 0.05 + number, started.append)
    await until(lambda: len(started) == 10, SOON)
    assert wakes.count == 1


async def test_nothing_starts_before_it_may() -> None:
    clock, started, now = Clock(), list[float](), monotonic()
    clock.start(now, now + 0.01, started.append)
    clock.start(now + 60, now + 61, started.append)
    await until(lambda: started, SOON)
    await asyncio.sleep(0.1)
    assert len(started) == 1


async def test_each_start_has_a_turn_of_the_event_loop_to_itself() -> None:
    clock, turns, turn, now = Clock(), list[int](), 0, monotonic()
    for _ in range(5):
        clock.start(now, now + 0.01, lambda _late: turns.append(turn))
    end = now + SOON
    while len(turns) < 5 and monotonic() < end:
        turn += 1
        await asyncio.sleep(0)
    assert len(set(turns)) == 5, "started in one turn they would wait for one another"


async def test_a_wake_up_takes_along_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, started, now = Clock(most_at_once=4), list[float](), monotonic()
    wakes = Wakes(clock, monkeypatch)
    for _ in range(12):
        clock.start(now, now + 0.01, started.append)
    await until(lambda: len(started) == 12, SOON)
    assert wakes.count == 3


async def test_the_lateness_is_counted_from_the_wake_up_that_was_planned() -> None:
    clock, late, now = Clock(), dict[str, float](), monotonic()
    clock.start(now, now + 0.05, lambda seconds: late.update(must=seconds))
    clock.start(now, now + 60, lambda seconds: late.update(may=seconds))
    await asyncio.sleep(0)
    # Whatever holds the event loop makes both late, also the one that had a minute left.
    while monotonic() < now + 0.25:
        pass
    await until(lambda: len(late) == 2, SOON)
    assert 0.2 <= late["must"] <= late["may"] <= monotonic() - (now + 0.05)


async def test_a_stopped_clock_starts_nothing() -> None:
    clock, started, now = Clock(), list[float](), monotonic()
    clock.start(now, now + 0.01, started.append)
    clock.stop()
    await asyncio.sleep(0.1)
    assert started == []


async def test_a_few_starts_may_share_a_turn_and_one_that_raises_stops_no_other() -> None:
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    clock, started, now = Clock(starts_a_turn=3), list[float](), monotonic()

    def raises(_late: float) -> None:
        raise RuntimeError("it does not start")

    clock.start(now, now + 0.01, raises)
    for _ in range(5):
        clock.start(now, now + 0.01, started.append)
    await until(lambda: len(started) == 5, SOON)
    assert [str(error) for error in told] == ["it does not start"]
