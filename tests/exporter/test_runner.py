"""Watching targets: each on its own clock, whatever the others, the prober or the machine do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio
from standins import StandIn, failure, redis_target, success, until

from exporter.connectivity import Connectivity
from exporter.probers.http.resolve import Resolver
from exporter.probers.result import Reason, Sample
from exporter.runner import Runner
from exporter.telemetry import Telemetry
from exporter.watch import Assignment
from model import names
from model.declared import ConfigError
from model.redis import Redis

# What a busy machine with two cores may add to a moment that is asserted.
SLACK = 0.9
# How long past its deadline a prober may take, as the runner says.
GRACE = 0.5


@pytest_asyncio.fixture
async def runner() -> AsyncIterator[Runner]:
    telemetry = Telemetry()
    made = Runner(telemetry, Connectivity(Resolver(), telemetry))
    yield made
    await made.stop()


def assigned(
    target: Redis, prober: StandIn, key: object = "", host: str = "127.0.0.1"
) -> Assignment:
    return Assignment(target, lambda: prober, (target.name, key), host)


def assignments(probers: Iterable[StandIn], **times: float) -> list[Assignment]:
    return [
        assigned(redis_target(f"redis-{number}", **times), prober)
        for number, prober in enumerate(probers)
    ]


def errors(runner: Runner) -> float:
    value = runner._telemetry.registry.get_sample_value(
        "monitoring_errors_total", {"component": "prober"}
    )
    assert value is not None
    return value


def value_of(runner: Runner, name: str) -> bytes:
    """What the single target's lines say of a metric."""
    [found] = [*runner.fragments()]
    return found[name]


# --- clocks -------------------------------------------------------------------------------------


async def test_the_first_probes_are_spread_over_the_interval(runner: Runner) -> None:
    probers = [StandIn() for _ in range(40)]
    # So long that a machine that is held up for a second does not make half of them late.
    interval = 3.0
    began = time.monotonic()
    await runner.watch(assignments(probers, interval=interval))
    await until(lambda: all(prober.starts for prober in probers), interval + 10)
    starts = sorted((prober.starts[0] - began) / interval for prober in probers)
    # 40 random starts leave a half of the interval empty once in 10^12 runs.
    assert starts[0] < 0.5 < starts[-1]
    for begin in range(9):
        window = [one for one in starts if begin / 10 <= one < begin / 10 + 0.1]
        assert len(window) < 20, "half of them started together"


async def test_a_target_is_probed_once_per_interval(runner: Runner) -> None:
    prober = StandIn()
    await runner.watch([assigned(redis_target(interval=1), prober)])
    # So many that what the machine adds is a small share of it.
    await until(lambda: len(prober.starts) == 7)
    total = prober.starts[6] - prober.starts[0]
    assert 6 - 0.1 - SLACK < total < 6 + 0.1 + SLACK


async def test_a_target_is_never_probed_twice_at_once_however_slow_it_is(runner: Runner) -> None:
    prober = StandIn()
    prober.takes = 0.45
    await runner.watch([assigned(redis_target(interval=1, timeout=0.5), prober)])
    await until(lambda: len(prober.starts) == 3)
    assert prober.most_at_once == 1


async def test_a_slow_answer_does_not_shift_the_next_start(runner: Runner) -> None:
    prober = StandIn()
    prober.takes = 0.45
    await runner.watch([assigned(redis_target(interval=1, timeout=0.5), prober)])
    await until(lambda: len(prober.starts) == 5)
    assert prober.starts[4] - prober.starts[0] < 4 + SLACK, "1.8 s late: the answers add up"


async def test_hanging_targets_delay_no_other(runner: Runner) -> None:
    hanging, quick = [StandIn() for _ in range(20)], StandIn()
    for prober in hanging:
        prober.takes = None
    await runner.watch(assignments([*hanging, quick]))
    await until(lambda: len(quick.starts) >= 3)
    assert all(end - start < SLACK for start, end in zip(quick.starts, quick.ends, strict=False))


async def test_after_a_suspension_longer_than_the_interval_not_everything_starts_at_once(
    runner: Runner,
) -> None:
    probers = [StandIn() for _ in range(40)]
    # So long that a machine that is held up for a second does not make half of them late.
    interval = 3.0
    await runner.watch(assignments(probers, interval=interval))
    await until(lambda: all(prober.starts for prober in probers), interval + 10)
    time.sleep(1.3 * interval)  # noqa: ASYNC251 - nothing runs, as if the process were stopped
    resumed = time.monotonic()
    for prober in probers:
        prober.starts.clear()
    await until(lambda: all(prober.starts for prober in probers), 2 * interval + 10)
    starts = [(prober.starts[0] - resumed) / interval for prober in probers]
    assert sum(start < 0.1 for start in starts) < 20, sorted(starts)


# --- limits -------------------------------------------------------------------------------------


def on_hosts(probers: Iterable[StandIn], hosts: Iterable[str]) -> list[Assignment]:
    return [
        assigned(redis_target(f"redis-{number}"), prober, host=host)
        for number, (prober, host) in enumerate(zip(probers, hosts, strict=True))
    ]


def delays_over(runner: Runner, seconds: float) -> float:
    """How many probes have started later than so many seconds, a bucket's bound, after due."""
    value = runner._telemetry.registry.get_sample_value
    name = "monitoring_probe_start_delay_seconds"
    count, within = value(f"{name}_count"), value(f"{name}_bucket", {"le": str(seconds)})
    assert count is not None
    assert within is not None
    return count - within


async def test_no_more_probes_are_under_way_than_may_be(runner: Runner) -> None:
    runner.limit(3, 3)
    probers = [StandIn() for _ in range(12)]
    for prober in probers:
        prober.takes = 0.1
    await runner.watch(on_hosts(probers, map(str, range(12))))
    most = 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        most = max(most, sum(prober._at_once for prober in probers))
        await asyncio.sleep(0.005)
    assert most == 3
    await until(lambda: all(prober.ends for prober in probers))


async def test_a_host_that_hangs_holds_up_no_other_host(runner: Runner) -> None:
    runner.limit(100, 2)
    hanging, quick = [StandIn() for _ in range(10)], StandIn()
    for prober in hanging:
        prober.takes = None
    await runner.watch(on_hosts([*hanging, quick], [*["hung"] * 10, "well"]))
    await until(lambda: len(quick.ends) >= 3)
    assert sum(prober._at_once for prober in hanging) <= 2


async def test_waiting_for_a_slot_is_a_late_start_and_no_duration(runner: Runner) -> None:
    runner.limit(1, 1)
    probers = [StandIn() for _ in range(3)]
    for prober in probers:
        prober.takes = 0.4
    await runner.watch(on_hosts(probers, "aaa"))
    # More work than fits into an interval of 1 s, so that some have to wait, whenever they start.
    await until(lambda: all(len(prober.ends) >= 2 for prober in probers), 20)
    assert delays_over(runner, 0.1) >= 1
    for prober in probers:
        lengths = [end - start for start, end in zip(prober.starts, prober.ends, strict=False)]
        assert max(lengths) < 0.4 + SLACK / 2


async def test_a_target_that_goes_while_it_waits_for_a_slot_is_never_probed(
    runner: Runner,
) -> None:
    runner.limit(1, 1)
    holder, waiting = StandIn(), StandIn()
    holder.takes = None
    first = assigned(redis_target("a", timeout=0.9), holder)
    await runner.watch([first])
    await until(lambda: holder.starts)
    await runner.watch([first, assigned(redis_target("b"), waiting)])
    await asyncio.sleep(0.2)
    await runner.watch([assigned(redis_target("c"), StandIn())])
    await until(lambda: runner.snapshots()[0].result)
    assert waiting.starts == []


# --- failures -----------------------------------------------------------------------------------


async def test_a_hanging_prober_is_cut_off_at_its_deadline_and_the_grace(runner: Runner) -> None:
    prober = StandIn()
    prober.takes = None
    result = await asyncio.wait_for(runner.probe(prober, 0.2), 0.2 + GRACE + 10)
    assert (result.success, result.reason) == (False, Reason.TIMEOUT)
    assert prober.cancelled == 1
    assert errors(runner) == 1


async def test_a_prober_may_use_the_grace_to_clean_up(runner: Runner) -> None:
    prober = StandIn()
    prober.takes = 0.2 + GRACE / 2
    assert (await runner.probe(prober, 0.2)).success
    assert errors(runner) == 0


@pytest.mark.parametrize("error", [RuntimeError, TimeoutError, ValueError])
async def test_a_prober_that_raises_is_an_error_of_ours_and_a_failed_probe(
    runner: Runner, error: type[Exception]
) -> None:
    def raises() -> None:
        raise error("hunter2")

    prober = StandIn()
    prober.answer = raises  # type: ignore[assignment] # that is the point
    result = await runner.probe(prober, 0.5)
    assert (result.success, result.reason) == (False, Reason.INTERNAL)
    assert "hunter2" not in result.detail
    assert errors(runner) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Sample(names.PG_STAT_ACTIVITY_COUNT, ("one label too few",), 1.0),
        Sample(names.PG_DATABASE_SIZE, ("postgres",), None),  # type: ignore[arg-type] # SQL's NULL
        Sample(names.PG_DATABASE_SIZE, (b"postgres",), 1.0),  # type: ignore[arg-type] # SQL_ASCII
        Sample(names.PG_DATABASE_SIZE, ("\udc80",), 1.0),
    ],
)
async def test_samples_that_cannot_be_printed_are_an_error_and_do_not_stop_the_clock(
    runner: Runner, broken: Sample
) -> None:
    prober = StandIn(lambda: success(broken))
    await runner.watch([assigned(redis_target(), prober)])
    await until(lambda: runner.snapshots()[0].result)
    assert value_of(runner, "probe_success").endswith(b" 0\n")
    assert b'reason="internal"' in value_of(runner, "monitoring_probe_failure_reason")
    assert errors(runner) >= 1
    prober.answer = success
    await until(lambda: value_of(runner, "probe_success").endswith(b" 1\n"))


async def test_one_failed_probe_is_soon_followed_by_another(runner: Runner) -> None:
    prober = StandIn()
    await runner.watch([assigned(redis_target(interval=3, retry=0.2), prober)])
    await until(lambda: prober.ends)
    # The next one, and only that, fails.
    answers = iter([failure()])
    prober.answer = lambda: next(answers, None) or success()
    await until(lambda: b" 0\n" in value_of(runner, "probe_success"))
    seen = await until(lambda: b" 1\n" in value_of(runner, "probe_success"), 3)
    assert seen < 0.2 + SLACK, "the retry comes as late as any other probe"
    assert prober.starts[-1] - prober.ends[-2] < 0.2 + SLACK


async def test_a_first_probe_that_fails_is_soon_followed_by_another(runner: Runner) -> None:
    prober = StandIn(failure)
    await runner.watch([assigned(redis_target(interval=3, retry=0.2), prober)])
    await until(lambda: len(prober.starts) == 2)
    assert prober.starts[1] - prober.starts[0] < 0.2 + SLACK


async def test_a_target_that_stays_down_is_probed_no_more_often_than_others(
    runner: Runner,
) -> None:
    prober = StandIn(failure)
    await runner.watch([assigned(redis_target(interval=1, retry=0.1), prober)])
    # The retry, and the next start of the grid.
    await until(lambda: len(prober.starts) == 3)
    await until(lambda: len(prober.starts) == 7)
    assert prober.starts[6] - prober.starts[2] > 4 - SLACK, "every other one is a retry"


# --- what is known ------------------------------------------------------------------------------


async def test_a_result_vanishes_after_three_intervals_but_the_counters_stay(
    runner: Runner,
) -> None:
    prober = StandIn()
    await runner.watch([assigned(redis_target(interval=1), prober)])
    await until(lambda: prober.ends)
    # From now on no result arrives: the event loop's clock is all that moves.
    [watch] = runner._watches.values()
    assert watch._start is not None
    watch._start.cancel()
    looks = 0
    while (before := time.monotonic()) < watch._stale_at:
        known, result = "probe_success" in runner.fragments()[0], runner.snapshots()[0].result
        # A look that the machine has drawn out beyond that moment says nothing.
        if time.monotonic() < watch._stale_at:
            assert known
            assert result is not None
            looks += 1
        await asyncio.sleep(0.02)
    assert looks
    assert before >= prober.ends[0] + 3
    assert [*runner.fragments()[0]] == ["monitoring_probes_total"]
    assert (runner.snapshots()[0].result, runner.snapshots()[0].since) == (None, None)
    assert b'result="success"} 1\n' in runner.fragments()[0]["monitoring_probes_total"]


async def test_since_is_when_the_health_changed_not_when_it_was_last_seen(runner: Runner) -> None:
    prober = StandIn()
    await runner.watch([assigned(redis_target(), prober)])
    await until(lambda: runner.snapshots()[0].result)
    first = runner.snapshots()[0].result
    await until(lambda: len(prober.ends) == 2)
    shot = runner.snapshots()[0]
    assert first is not None
    assert shot.result is not None
    assert shot.since == first.ended_at < shot.result.ended_at
    prober.answer = failure
    await until(lambda: not (runner.snapshots()[0].result or success()).success)
    changed = runner.snapshots()[0]
    assert changed.result is not None
    assert changed.since == changed.result.ended_at


async def test_both_outcomes_are_counted_from_the_first_result_on(runner: Runner) -> None:
    await runner.watch([assigned(redis_target(), StandIn(failure))])
    await until(lambda: runner.snapshots()[0].result)
    counts = runner.fragments()[0]["monitoring_probes_total"]
    assert b'result="success"} 0\n' in counts
    assert b'result="failure"} 1\n' in counts


# --- another config, and the end ----------------------------------------------------------------


async def test_an_unchanged_target_keeps_its_result_and_its_prober(runner: Runner) -> None:
    prober, other = StandIn(), StandIn()
    await runner.watch([assigned(redis_target(), prober)])
    await until(lambda: runner.snapshots()[0].result)
    await runner.watch([assigned(redis_target(), other), assigned(redis_target("new"), StandIn())])
    assert runner.snapshots()[0].result is not None
    assert prober.closed == 0
    await until(lambda: len(prober.starts) == 2)
    assert other.starts == []


async def test_a_changed_target_starts_anew_and_the_old_prober_is_closed(runner: Runner) -> None:
    old, new = StandIn(), StandIn()
    old.takes = None
    await runner.watch([assigned(redis_target(), old, key="old")])
    await until(lambda: old.starts)
    await runner.watch([assigned(redis_target(), new, key="new")])
    assert (old.closed, old.cancelled, len(old.ends)) == (1, 1, 1)
    await until(lambda: new.ends)
    assert new.starts[0] >= old.ends[0], "two probes of one target at once"


async def test_a_target_that_is_gone_leaves_no_series(runner: Runner) -> None:
    await runner.watch(
        [assigned(redis_target("a"), StandIn()), assigned(redis_target("b"), StandIn())]
    )
    await until(lambda: all(shot.result for shot in runner.snapshots()))
    await runner.watch([assigned(redis_target("b"), StandIn())])
    assert [shot.target.name for shot in runner.snapshots()] == ["b"]
    assert len(runner.fragments()) == 1


async def test_a_prober_that_cannot_be_closed_does_not_stop_the_change(runner: Runner) -> None:
    class Stuck(StandIn):
        async def close(self) -> None:
            raise RuntimeError("it does not close")

    await runner.watch([assigned(redis_target(), Stuck(), key="old")])
    new = StandIn()
    await runner.watch([assigned(redis_target(), new, key="new")])
    await until(lambda: new.starts)


async def test_targets_that_cannot_be_probed_are_all_named_and_nothing_changes(
    runner: Runner,
) -> None:
    def refuses() -> StandIn:
        raise ValueError("its port is not a number")

    kept, never = StandIn(), StandIn()
    await runner.watch([assigned(redis_target("kept"), kept)])
    bad = [Assignment(redis_target(name), refuses, name, "") for name in ("bad", "worse")]
    with pytest.raises(ConfigError) as caught:
        await runner.watch([*bad, assigned(redis_target("never"), never)])
    assert [problem.what for problem in caught.value.problems] == [
        "bad: its port is not a number",
        "worse: its port is not a number",
    ]
    assert [shot.target.name for shot in runner.snapshots()] == ["kept"]
    assert (kept.closed, never.closed) == (0, 1)
    await until(lambda: kept.starts)
    assert never.starts == []


async def test_stopping_ends_probes_under_way_closes_all_probers_and_leaves_no_task(
    runner: Runner,
) -> None:
    before = asyncio.all_tasks()
    probers = [StandIn() for _ in range(10)]
    for prober in probers:
        prober.takes = None
    await runner.watch(assignments(probers))
    await until(lambda: all(prober.starts for prober in probers))
    await runner.stop()
    assert [(prober.cancelled, prober.closed) for prober in probers] == [(1, 1)] * 10
    assert asyncio.all_tasks() == before
    assert runner.snapshots() == ()


async def test_a_reload_that_comes_after_the_stop_starts_nothing(runner: Runner) -> None:
    await runner.stop()
    late = StandIn()
    await runner.watch([assigned(redis_target(), late)])
    await asyncio.sleep(1.1)
    assert late.starts == []


async def test_a_stop_in_the_middle_of_a_reload_starts_nothing(runner: Runner) -> None:
    class SlowToClose(StandIn):
        async def close(self) -> None:
            await asyncio.sleep(0.2)

    late = StandIn()
    await runner.watch([assigned(redis_target(), SlowToClose(), key="old")])
    reload = asyncio.create_task(runner.watch([assigned(redis_target(), late, key="new")]))
    await asyncio.sleep(0.05)
    await runner.stop()
    await reload
    await asyncio.sleep(1.1)
    assert (late.starts, late.closed) == ([], 1)


# --- what is counted for the ledger -------------------------------------------------------------


async def test_each_result_is_counted_but_for_those_that_were_withheld() -> None:
    counted: list[tuple[str, bool]] = []
    telemetry = Telemetry()
    runner = Runner(
        telemetry,
        Connectivity(Resolver(), telemetry),
        lambda target, result: counted.append((target.name, result.success)),
    )
    prober = StandIn(lambda: failure(Reason.TIMEOUT))
    try:
        await runner.watch([assigned(redis_target(), prober)])
        await until(lambda: any("probe_success" in lines for lines in runner.fragments()), 10)
        runner._withhold()
        prober.answer = success
        await until(lambda: len(counted) >= 2, 10)
        prober.answer = failure
        await until(lambda: ("redis", False) in counted, 10)
    finally:
        await runner.stop()
    assert counted[:2] == [("redis", True), ("redis", True)]
