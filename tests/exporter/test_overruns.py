"""A task that overruns its limit is cancelled, whoever has a longer limit, and may go on after."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar
from time import monotonic

import pytest

from exporter.overruns import Overruns

# What a busy machine may add to a limit: far less than the limit of a minute beside it.
SLACK = 20.0


async def limited(overruns: Overruns, limit: float, takes: float) -> tuple[str, float]:
    """How it ended, and after how many seconds."""
    began, watched = monotonic(), overruns.limit(limit)
    try:
        await asyncio.sleep(takes)
    except asyncio.CancelledError:
        if not watched.is_why():
            raise
        return "cut off", monotonic() - began
    else:
        return "in time", monotonic() - began
    finally:
        overruns.forget(watched)


async def test_what_ends_in_time_is_left_alone() -> None:
    overruns = Overruns()
    assert (await limited(overruns, 60, 0.01))[0] == "in time"
    assert len(overruns) == 0


async def test_a_short_limit_is_kept_though_a_long_one_was_set_before() -> None:
    overruns = Overruns()
    long = asyncio.create_task(limited(overruns, 60, 60))
    await asyncio.sleep(0)
    how, took = await limited(overruns, 0.1, 60)
    assert how == "cut off"
    assert 0.1 <= took < 0.1 + SLACK
    assert len(overruns) == 1
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert len(overruns) == 0


async def test_a_limit_that_comes_after_others_have_expired_is_kept_too() -> None:
    overruns = Overruns()
    assert (await limited(overruns, 0.05, 60))[0] == "cut off"
    assert (await limited(overruns, 0.05, 60))[0] == "cut off"


async def test_a_task_that_was_cut_off_can_be_limited_by_others_again() -> None:
    async def both() -> str:
        await limited(Overruns(), 0.05, 60)
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(60)
        except TimeoutError:
            return "as usual"
        return "never"

    assert await asyncio.wait_for(asyncio.create_task(both()), SLACK) == "as usual"


async def test_whoever_cancels_the_task_from_outside_is_obeyed() -> None:
    task = asyncio.create_task(limited(Overruns(), 60, 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_shared_timer_keeps_nothing_of_the_task_that_set_it() -> None:
    variable = ContextVar[object]("variable")

    class Held:
        """What a request may put into its context."""

    async def one(overruns: Overruns) -> weakref.ref[Held]:
        held = Held()
        variable.set(held)
        await limited(overruns, 60, 0)
        return weakref.ref(held)

    overruns = Overruns()
    reference = await asyncio.create_task(one(overruns))
    await asyncio.sleep(0)
    gc.collect()
    assert reference() is None
