"""The workers: when each runs, on which replica, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, text
from standins import until
from stores import new_database, opened

from exporter.instruments import Registry
from exporter.ledger.store import Session, Store, StoreOptions
from exporter.ledger.tables import replicas
from exporter.workers import worker as module
from exporter.workers.lock import held
from exporter.workers.schedule import Aligned, Every
from exporter.workers.worker import Worker, Workers, WorkerState
from programs import Postgres

SECOND = timedelta(seconds=1)
# For a machine that is busy with other things.
SOON = 60.0
NAME = "stand-in"


@dataclass
class Job:
    """What a worker does in these tests: notes that it ran, and what it is told besides."""

    does: Callable[[Session], Awaitable[None]] | None = None
    runs: list[datetime] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def run(self, session: Session, now: datetime) -> None:
        self.runs.append(now)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            if self.does is not None:
                await self.does(session)
        finally:
            self.at_once -= 1

    def worker(self, interval: timedelta = SECOND, *, shared: bool = True) -> Worker:
        schedule = Every(interval) if shared else Aligned(interval)
        return Worker(NAME, lambda: schedule, self.run, shared=shared)


@asynccontextmanager
async def working(
    store: Store, *workers: Worker, replica: str = "a", registry: Registry | None = None
) -> AsyncIterator[Workers]:
    made = Workers(store, replica, registry or Registry(), workers)
    running = asyncio.create_task(made.run())
    try:
        yield made
        assert not running.done()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def told(workers: Workers, condition: Callable[[WorkerState], bool]) -> WorkerState:
    """Its state as soon as it is such."""
    async with asyncio.timeout(SOON):
        while not condition(state := (await workers.states())[0]):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    return state


async def seen(store: Store, replica: str, at: datetime) -> None:
    async with store.begin() as connection:
        await connection.execute(delete(replicas))
        row = {"name": replica, "started_at": at, "seen_at": at, "version": "1"}
        await connection.execute(insert(replicas).values(row))


async def fail(_session: Session) -> None:
    raise ZeroDivisionError("nothing divides by it")


async def wait_for_ever(_session: Session) -> None:
    await asyncio.sleep(1e6)


# --- what goes wrong ----------------------------------------------------------------------------


async def test_a_worker_that_fails_is_told_and_tried_again_and_holds_up_no_other(
    store: Store,
) -> None:
    failing, well, registry = Job(fail), Job(), Registry()
    other = Worker("other", lambda: Every(SECOND), well.run)
    async with working(store, failing.worker(), other, registry=registry) as workers:
        # Between its runs, that is: while it runs it is told to run.
        state = await told(
            workers, lambda state: state.error_count >= 2 and state.status == "failing"
        )
        assert state.success_count == 0
        assert state.last_error == "ZeroDivisionError: nothing divides by it"
        await until(lambda: well.runs, SOON)
        runs = registry.get_sample_value(
            "monitoring_worker_runs_total", {"worker": NAME, "result": "error"}
        )
        assert runs is not None
        assert runs >= 2
        failing.does = None
        state = await told(workers, lambda state: state.status == "idle")
    # What went wrong last stays to be read.
    assert state.last_error == "ZeroDivisionError: nothing divides by it"


async def test_a_run_that_hangs_is_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_PATIENCE", 0.2)
    async with working(store, Job(wait_for_ever).worker(SECOND / 10)) as workers:
        state = await told(workers, lambda state: state.error_count >= 1)
    assert state.last_error == "it took longer than 0.2 s"


async def test_a_store_that_is_down_is_an_error_and_work_goes_on_when_it_is_back() -> None:
    with Postgres() as server:
        registry, job = Registry(), Job()

        def errors() -> float:
            labels = {"worker": NAME, "result": "error"}
            return registry.get_sample_value("monitoring_worker_runs_total", labels) or 0.0

        async with (
            opened(StoreOptions(url=new_database(server))) as store,
            working(store, job.worker(), registry=registry) as workers,
        ):
            await until(lambda: job.runs, SOON)
            await asyncio.to_thread(server.stop)
            await until(lambda: errors() >= 2, SOON)
            before = len(job.runs)
            await asyncio.to_thread(_started, server)
            await until(lambda: len(job.runs) > before, SOON)
            state = await told(workers, lambda state: state.error_count >= 2)
        assert "the ledger's store does not work" in (state.last_error or "")
        assert state.status in {"idle", "running", "interrupted"}


def _started(server: Postgres) -> None:
    server.start()
    server.wait_ready()


async def test_a_run_does_nothing_more_once_its_connection_and_so_its_lock_is_lost(
    postgres: Postgres,
) -> None:
    url = new_database(postgres)
    lost, changed = asyncio.Event(), False

    async def lose(session: Session) -> None:
        nonlocal changed
        async with session.begin() as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        lost.set()
        for _ in range(2):
            async with session.begin():
                changed = True

    async with (
        opened(StoreOptions(url=url)) as store,
        working(store, Job(lose).worker(timedelta(hours=1))) as workers,
    ):
        state = await told(workers, lambda state: state.error_count >= 1)
        await lockable(store)
    assert (lost.is_set(), changed, state.status) == (True, False, "failing")


# --- which replica ------------------------------------------------------------------------------


async def test_of_several_replicas_one_runs_it_once_an_interval(postgres: Postgres) -> None:
    url = new_database(postgres)

    async def take_a_while(_session: Session) -> None:
        await asyncio.sleep(0.3)

    job = Job(take_a_while)
    async with AsyncExitStack() as stack:
        for replica in "abc":
            store = await stack.enter_async_context(opened(StoreOptions(url=url)))
            await stack.enter_async_context(working(store, job.worker(), replica=replica))
        await until(lambda: len(job.runs) >= 6, SOON)
    assert job.most_at_once == 1
    gaps = [later - earlier for earlier, later in zip(job.runs, job.runs[1:], strict=False)]
    assert min(gaps) >= SECOND


async def test_whoever_holds_the_lock_keeps_the_others_away_until_its_connection_ends(
    postgres: Postgres,
) -> None:
    url = new_database(postgres)
    async with opened(StoreOptions(url=url)) as one, opened(StoreOptions(url=url)) as two:
        async with held(one, NAME) as session:
            assert session is not None
            async with held(two, NAME) as refused, held(two, "other") as other:
                assert (refused, other is not None) == (None, True)
        await lockable(two)


async def lockable(store: Store) -> None:
    """Wait until the lock can be had: a server ends a connection after its client has."""
    async with asyncio.timeout(SOON):
        while True:
            async with held(store, NAME) as session:
                if session is not None:
                    return


async def test_a_worker_that_is_not_shared_runs_on_every_replica_when_the_clock_strikes(
    postgres: Postgres,
) -> None:
    url = new_database(postgres)
    jobs = {replica: Job() for replica in "ab"}
    strikes: dict[str, datetime] = {}
    async with AsyncExitStack() as stack:
        for replica, job in jobs.items():
            store = await stack.enter_async_context(opened(StoreOptions(url=url)))
            worker = job.worker(shared=False)
            strikes[replica] = Aligned(SECOND).next(None, datetime.now(UTC))
            workers = await stack.enter_async_context(working(store, worker, replica=replica))
        await until(lambda: all(len(job.runs) >= 2 for job in jobs.values()), SOON)
        state = await told(workers, lambda state: state.success_count >= 4)
    assert state.next_run.microsecond == 0
    assert all(job.runs[0] >= strikes[replica] for replica, job in jobs.items())


# --- what is told -------------------------------------------------------------------------------


async def test_a_worker_that_never_ran_is_waiting(store: Store) -> None:
    workers = Workers(store, "a", Registry(), (Job().worker(),))
    (state,) = await workers.states()
    assert (state.status, state.last_run, state.replica) == ("waiting", None, None)
    assert (state.success_count, state.error_count, state.interval) == (0, 0, SECOND)
    assert state.next_run <= datetime.now(UTC) + SECOND


async def test_a_run_tells_when_it_began_and_when_the_next_one_is_due(store: Store) -> None:
    job, registry = Job(), Registry()
    hour = timedelta(hours=1)
    async with working(store, job.worker(hour), replica="pod-7", registry=registry) as workers:
        state = await told(workers, lambda state: state.success_count == 1)
    assert (state.status, state.replica, state.last_error) == ("idle", "pod-7", None)
    assert state.last_run == job.runs[0]
    assert state.next_run == job.runs[0] + hour
    labels = {"worker": NAME}
    name = "monitoring_worker_last_success_timestamp_seconds"
    assert registry.get_sample_value(name, labels) == pytest.approx(
        datetime.now(UTC).timestamp(), abs=60
    )
    assert registry.get_sample_value("monitoring_worker_duration_seconds", labels) is not None


async def test_a_run_of_a_replica_that_is_gone_is_interrupted(store: Store) -> None:
    job = Job(wait_for_ever)
    async with working(store, job.worker(timedelta(hours=1))) as workers:
        await until(lambda: job.runs, SOON)
        await seen(store, "a", datetime.now(UTC))
        assert (await workers.states())[0].status == "running"
        await seen(store, "a", datetime.now(UTC) - timedelta(minutes=1))
        assert (await workers.states())[0].status == "interrupted"


async def test_what_ran_before_a_restart_is_not_run_again_before_it_is_due(store: Store) -> None:
    job = Job()
    hourly = job.worker(timedelta(hours=1))
    async with working(store, hourly):
        await until(lambda: job.runs, SOON)
    async with working(store, hourly) as workers:
        await asyncio.sleep(1.5)
        (state,) = await workers.states()
    assert (len(job.runs), state.success_count + (state.status == "interrupted")) == (1, 1)
