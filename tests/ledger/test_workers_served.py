"""The workers of a served exporter: what they write, and what /metrics tells of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from served_ledger import environment, ledger_of, with_ledger
from serving import Fleet, config_text, serving
from sqlalchemy import select
from standins import until

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import metrics

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
            states = {state.name: state for state in await workers.states()}
            registry = served.service.telemetry.registry
            cleaned = {"worker": "cleanup", "result": "success"}
            await until(
                lambda: registry.get_sample_value("monitoring_worker_runs_total", cleaned), 30
            )
            for task in running:
                task.cancel()
        await ledger.close()
    assert set(states) == {"alert-evaluation", "metric-aggregation", "cleanup"}
    assert {row.replica for row in rows} == {"pod-1"}
    assert all(row.successes == row.probes > 0 for row in rows)
    assert states["metric-aggregation"].success_count >= 1
    assert states["metric-aggregation"].interval.total_seconds() == 1


async def test_a_read_only_exporter_moves_nothing_to_the_archives(
    tmp_path: Path, options: StoreOptions
) -> None:
    variables = {**environment(options), "READ_ONLY": "1"}
    async with serving(tmp_path, Fleet(), variables, with_ledger()) as served:
        workers, ledger = served.service.workers, ledger_of(served)
        assert workers is not None
        await ledger.store.open()
        names = [state.name for state in await workers.states()]
        await ledger.close()
    assert names == ["alert-evaluation", "metric-aggregation"]
