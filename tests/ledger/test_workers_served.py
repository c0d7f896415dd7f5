"""The workers of a served exporter: what they write, and what /metrics tells of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from alerting_standins import StandInAlertmanager, StandInPrometheus, listening
from served_ledger import environment, ledger_of, with_ledger
from serving import Fleet, config_text, serving
from sqlalchemy import func, select
from standins import until

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import metadata, metrics
from exporter.workers.worker import Workers, WorkerState

OFTEN = "workers=Workers(metric_aggregation=seconds(1), alert_evaluation=seconds(1)),"


async def test_without_a_ledger_there_are_no_workers_and_none_of_their_metrics(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, Fleet(), text=config_text("web", "own-service")) as served:
        assert served.service.workers is None
        said = await (await served.client.get("/metrics")).text()
    assert "monitoring_worker_" not in said


async def test_what_probes_find_is_in_the_store_after_an_interval(
    tmp_path: Path, options: StoreOptions
) -> None:
    variables = environment(options, "pod-1")
    async with serving(tmp_path, Fleet(), variables, with_ledger(OFTEN)) as served:
        ledger, workers = ledger_of(served), served.service.workers
        assert workers is not None
        async with asyncio.TaskGroup() as background:
            running = [background.create_task(part.run()) for part in (ledger, workers)]
            rows: list[Any] = []
            async with asyncio.timeout(60):
                while len({row.target for row in rows}) < 5:
                    await asyncio.sleep(0.2)
                    if ledger.store.opened.is_set():
                        async with ledger.store.read() as connection:
                            rows = list((await connection.execute(select(metrics))).all())
            states = await noted(workers, "metric-aggregation")
            registry = served.service.telemetry.registry
            cleaned = {"worker": "cleanup", "result": "success"}
            await until(
                lambda: registry.get_sample_value("monitoring_worker_runs_total", cleaned), 60
            )
            for task in running:
                task.cancel()
        await ledger.close()
    assert set(states) == {"alert-evaluation", "metric-aggregation", "cleanup"}
    assert {row.replica for row in rows} == {"pod-1"}
    assert all(row.successes == row.probes > 0 for row in rows)
    assert states["metric-aggregation"].success_count >= 1
    assert states["metric-aggregation"].interval.total_seconds() == 1


async def noted(workers: Workers, name: str) -> dict[str, WorkerState]:
    """All states, once a worker's first run is noted to be over, which is after what it wrote."""
    async with asyncio.timeout(60):
        while True:
            states = {state.name: state for state in await workers.states()}
            if states[name].success_count:
                return states
            await asyncio.sleep(0.1)


async def test_nothing_is_written_while_an_exporter_is_read_only(
    tmp_path: Path, options: StoreOptions
) -> None:
    variables = {**environment(options), "READ_ONLY": "1"}
    async with serving(tmp_path, Fleet(), variables, with_ledger(OFTEN)) as served:
        workers, ledger = served.service.workers, ledger_of(served)
        assert workers is not None
        async with asyncio.TaskGroup() as background:
            running = [background.create_task(part.run()) for part in (ledger, workers)]
            async with asyncio.timeout(60):
                await ledger.store.opened.wait()
            # Longer than two of its workers have to wait.
            await asyncio.sleep(3)
            states = await workers.states()
            async with ledger.store.read() as connection:
                rows = [
                    await connection.scalar(select(func.count()).select_from(table))
                    for table in metadata.sorted_tables
                ]
            up = served.service.telemetry.registry.get_sample_value("alert_ledger_store_up")
            for task in running:
                task.cancel()
        await ledger.close()
    assert {state.name: state.status for state in states} == dict.fromkeys(
        ("alert-evaluation", "metric-aggregation", "cleanup"), "resting"
    )
    assert set(rows) == {0}
    # New alerts and acknowledgements are not kept, so the rules have to fail open.
    assert up == 0


async def test_alert_evaluation_fails_while_alertmanager_or_prometheus_is_silent(
    tmp_path: Path, options: StoreOptions
) -> None:
    alertmanager, prometheus = StandInAlertmanager(), StandInPrometheus()
    async with AsyncExitStack() as stack:
        addresses = [
            await stack.enter_async_context(listening(one)) for one in (alertmanager, prometheus)
        ]
        watched = (
            "watched_by=Prometheus("
            f"alertmanagers=({addresses[0]!r},), prometheus=({addresses[1]!r},)),"
        )
        variables = environment(options)
        served = await stack.enter_async_context(
            serving(tmp_path, Fleet(), variables, with_ledger(OFTEN + watched))
        )
        ledger, workers = ledger_of(served), served.service.workers
        assert workers is not None
        async with asyncio.TaskGroup() as background:
            running = [background.create_task(part.run()) for part in (ledger, workers)]
            async with asyncio.timeout(60):
                await ledger.store.opened.wait()
            await _evaluation(workers, "idle")
            alertmanager.answers = False
            state = await _evaluation(workers, "failing")
            assert state.last_error == (
                f"Alertmanager {addresses[0]} does not tell its alerts: it answers 503"
            )
            alertmanager.answers, prometheus.answers = True, False
            await _evaluation(workers, "failing", f"Prometheus {addresses[1]}")
            prometheus.answers = True
            await _evaluation(workers, "idle")
            for task in running:
                task.cancel()
        await ledger.close()


async def _evaluation(workers: Workers, status: str, why: str = "") -> WorkerState:
    """The state of alert-evaluation as soon as it is such."""
    async with asyncio.timeout(60):
        while True:
            state = (await workers.states())[0]
            if state.status == status and (state.last_error or "").startswith(why):
                return state
            await asyncio.sleep(0.1)
