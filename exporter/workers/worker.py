"""Runs the workers: when each is due, on which replica, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Any, Literal

import structlog
from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.instruments import Registry
from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.store import Session, Store
from exporter.ledger.tables import replicas, workers
from exporter.workers.lock import held
from exporter.workers.schedule import Schedule
from model import names

# A replica says that it lives every two seconds.
_SILENT = timedelta(seconds=15)
# What a run may take at least before it counts as hung.
_LEAST_PATIENCE = 60.0
_LONGEST_ERROR = 500
# A daily worker's time may be changed by a reload, and its store may be away when it is due.
_LONGEST_LOOK = 60.0

log = structlog.get_logger("exporter.workers")

Status = Literal["waiting", "running", "idle", "failing", "interrupted", "resting"]


class NotDoneError(Exception):
    """A worker could not do its work, or not all of it, and nothing is wrong with it: says why."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Something that is done again and again.

    `shared`: it changes what all replicas share, so one of them does it at a time, and its schedule
    counts from the last run of any. Others run on every replica. `schedule` is asked anew each
    time, since a reload may change it. `before` is done when a run is due, store or no store.
    """

    name: str
    schedule: Callable[[], Schedule]
    run: Callable[[Session, datetime], Awaitable[None]]
    shared: bool = True
    before: Callable[[datetime], None] | None = None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What is known of a worker, of all replicas together.

    `status`: waiting for its first run, running, idle, failing (the last run has failed),
    interrupted (the replica that ran it is gone), or resting (this replica is read-only, and no
    other runs it now). Counts are of all runs since the store was made.
    `last_error` is that of the last run that failed; `replica` is who ran it last.
    """

    name: str
    status: Status
    last_run: datetime | None
    next_run: datetime
    interval: timedelta
    success_count: int
    error_count: int
    last_error: str | None
    replica: str | None


class Workers:
    """The workers of a replica. While they are `resting`, none is ever run."""

    def __init__(
        self,
        store: Store,
        replica: str,
        registry: Registry,
        workers: tuple[Worker, ...],
        *,
        resting: bool = False,
    ) -> None:
        self._store = store
        self._replica = replica
        self._workers = workers
        self._resting = resting
        self._last_success = registry.family(names.WORKER_LAST_SUCCESS)
        self._runs = registry.family(names.WORKER_RUNS)
        self._duration = registry.family(names.WORKER_DURATION)
        # Errors that the store did not hear of, with the last one's text.
        self._untold: dict[str, tuple[int, str]] = {}
        for worker in workers:
            self._last_success.labels(worker.name)
            for result in ("success", "error"):
                self._runs.labels(worker.name, result)

    async def run(self) -> None:
        """Run them when they are due, until cancelled."""
        if self._resting:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                follow = self._follow_shared if worker.shared else self._follow_own
                group.create_task(follow(worker))

    async def states(self) -> list[WorkerState]:
        """What is known of each. Raises StoreUnavailableError."""
        async with self._store.read() as connection:
            now = await _clock(connection)
            rows = {row.name: row for row in await connection.execute(select(workers))}
            seen = {
                row.name: row.seen_at
                for row in await connection.execute(select(replicas.c.name, replicas.c.seen_at))
            }
        states = [_state(worker, rows.get(worker.name), seen, now) for worker in self._workers]
        return [self._shown(state) for state in states]

    def _shown(self, state: WorkerState) -> WorkerState:
        rests = self._resting and state.status != "running"
        return replace(state, status="resting") if rests else state

    # --- one replica at a time ------------------------------------------------------------------

    async def _follow_shared(self, worker: Worker) -> None:
        look = _look(worker)
        with suppress(TimeoutError):
            async with asyncio.timeout(look):
                await self._store.opened.wait()
        while True:
            look = _look(worker)
            try:
                wait = min(await self._until_due(worker), look)
                if wait <= 0:
                    wait = 0.0 if await self._run_if_alone(worker) else look
            except StoreUnavailableError as error:
                self._not_run(worker, str(error))
                wait = look
            except Exception as error:  # noqa: BLE001 - a defect here must not end the probes
                self._defect(worker, error)
                wait = look
            await asyncio.sleep(wait)

    async def _until_due(self, worker: Worker) -> float:
        """Seconds."""
        async with self._store.read() as connection:
            now = await _clock(connection)
            row = await _row(connection, worker)
        due = worker.schedule().next(row.started_at if row else None, now)
        return (due - now).total_seconds()

    async def _run_if_alone(self, worker: Worker) -> bool:
        """Run it, unless another replica does; whether there is no reason to wait."""
        async with held(self._store, worker.name) as session:
            if session is None:
                return False
            async with session.begin() as connection:
                now = await _clock(connection)
                row = await _row(connection, worker)
                if worker.schedule().next(row.started_at if row else None, now) > now:
                    return True  # another one was faster
                await self._note_start(connection, worker, now)
            await self._run(worker, session, now)
        return True

    # --- on every replica -----------------------------------------------------------------------

    async def _follow_own(self, worker: Worker) -> None:
        last = datetime.now(UTC)
        while True:
            now = datetime.now(UTC)
            due = worker.schedule().next(last, now)
            # A reload may have brought it forward.
            wait = min((due - now).total_seconds(), _look(worker))
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            last = now
            if worker.before is not None:
                worker.before(now)
            try:
                async with self._store.session() as session:
                    async with session.begin() as connection:
                        await self._note_start(connection, worker, now)
                    await self._run(worker, session, now)
            except StoreUnavailableError as error:
                self._not_run(worker, str(error))
            except Exception as error:  # noqa: BLE001 - as above
                self._defect(worker, error)

    # --- a run ----------------------------------------------------------------------------------

    async def _run(self, worker: Worker, session: Session, started: datetime) -> None:
        began = monotonic()
        error = await self._outcome(worker, session, started)
        self._duration.labels(worker.name).set(monotonic() - began)
        if error is None:
            self._last_success.labels(worker.name).set(time())
            self._runs.labels(worker.name, "success").inc()
        else:
            self._not_run(worker, error)
        # On another connection: that of the session may be what was lost.
        async with self._store.begin() as connection:
            await self._note_end(connection, worker, started, succeeded=error is None)

    async def _outcome(self, worker: Worker, session: Session, started: datetime) -> str | None:
        """Run it; what went wrong, None if nothing did."""
        patience = max(worker.schedule().interval.total_seconds(), _LEAST_PATIENCE)
        limit = asyncio.timeout(patience)
        try:
            async with limit:
                await worker.run(session, started)
        except (StoreUnavailableError, NotDoneError) as error:
            return _storable(str(error))
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                return f"it took longer than {patience:g} s"
            log.exception("a worker has failed", worker=worker.name)
            return _named(error)
        return None

    def _defect(self, worker: Worker, error: Exception) -> None:
        log.error("a worker could not be run", worker=worker.name, exc_info=error)
        self._not_run(worker, _named(error))

    def _not_run(self, worker: Worker, error: str) -> None:
        """Count an error, and keep it until the store can be told."""
        errors, last = self._untold.get(worker.name, (0, ""))
        self._untold[worker.name] = (errors + 1, error)
        self._runs.labels(worker.name, "error").inc()
        if error != last:
            log.warning("a worker did not do its work", worker=worker.name, why=error)

    async def _note_start(self, connection: AsyncConnection, worker: Worker, now: datetime) -> None:
        insert = postgresql.insert if self._store.postgres else sqlite.insert
        run = {"replica": self._replica, "running": True, "started_at": now, "ended_at": None}
        await connection.execute(
            insert(workers)
            .values(name=worker.name, successes=0, errors=0, **run)
            .on_conflict_do_update(index_elements=["name"], set_=run)
        )

    async def _note_end(
        self, connection: AsyncConnection, worker: Worker, started: datetime, *, succeeded: bool
    ) -> None:
        now = await _clock(connection)
        errors, last = self._untold.get(worker.name, (0, None))
        ended: dict[str, Any] = {"running": False, "ended_at": now, "failed": not succeeded}
        counts: dict[str, Any] = {
            "successes": workers.c.successes + int(succeeded),
            "errors": workers.c.errors + errors,
        }
        if last is not None:
            counts["last_error"] = last
        row = update(workers).where(workers.c.name == worker.name)
        await connection.execute(row.values(counts))
        # Whose connection was lost may be late: by now somebody else's run may be under way.
        ours = (workers.c.replica == self._replica, workers.c.started_at == started)
        await connection.execute(row.where(*ours).values(ended))
        self._untold.pop(worker.name, None)


def _named(error: Exception) -> str:
    return _storable(f"{type(error).__name__}: {error}")


def _storable(text: str) -> str:
    """Postgres takes no NUL and no half of a character."""
    return text[:_LONGEST_ERROR].replace("\0", "").encode("utf-8", "replace").decode()


def _look(worker: Worker) -> float:
    """How often to look whether it is due, in seconds: whoever ran it may be dead by then."""
    quarter = worker.schedule().interval.total_seconds() / 4
    return min(max(quarter, 1.0), _LONGEST_LOOK)


def _state(
    worker: Worker, row: Row[Any] | None, seen: dict[str, datetime], now: datetime
) -> WorkerState:
    schedule = worker.schedule()
    if row is None:
        due = schedule.next(None, now)
        return WorkerState(worker.name, "waiting", None, due, schedule.interval, 0, 0, None, None)
    return WorkerState(
        name=worker.name,
        status=_status(row, seen.get(row.replica), now),
        last_run=row.started_at,
        next_run=schedule.next(row.started_at, now),
        interval=schedule.interval,
        success_count=row.successes,
        error_count=row.errors,
        last_error=row.last_error,
        replica=row.replica,
    )


def _status(row: Row[Any], seen: datetime | None, now: datetime) -> Status:
    if not row.running:
        return "failing" if row.failed else "idle"
    return "running" if seen is not None and now - seen < _SILENT else "interrupted"


async def _row(connection: AsyncConnection, worker: Worker) -> Row[Any] | None:
    return (
        await connection.execute(select(workers).where(workers.c.name == worker.name))
    ).one_or_none()


async def _clock(connection: AsyncConnection) -> datetime:
    """The store's time, which all replicas share."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return now.astimezone(UTC)
