"""`archive`: what the cleanup worker does at night, now, beside the service or without it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from operating import environment, operate
from serving import SERVICES, config_text
from sqlalchemy import func, insert, select
from stores import opened, sqlite

from exporter.ledger.archives import archive_tables, everywhere
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alerts, metrics
from exporter.workers.lock import held


async def fill(store: Store, ages: dict[int, int]) -> None:
    """So many rows of metrics and ended alerts, by their age in days."""
    now = datetime.now(UTC)
    async with store.begin(60) as connection:
        for days, number in ages.items():
            at = [now - timedelta(days=days, minutes=minute) for minute in range(number)]
            await connection.execute(
                insert(metrics),
                [
                    {
                        "timestamp": one,
                        "target": "auth-service",
                        "replica": "*",
                        "kind": "http",
                        "seconds": 60,
                        "probes": 12,
                        "successes": 12,
                        "degraded": 0,
                        "duration_sum": 0.1,
                        "buckets": {},
                    }
                    for one in at
                ],
            )
            await connection.execute(
                insert(alerts),
                [
                    {
                        "id": str(uuid.uuid4()),
                        "fingerprint": "0" * 16,
                        "name": "ServiceDown",
                        "severity": "critical",
                        "service": "auth-service",
                        "status": "resolved",
                        "labels": {},
                        "annotations": {},
                        "starts_at": one,
                        "ends_at": one,
                        "created_at": one,
                        "updated_at": one,
                        "source": "webhook",
                        "firing": False,
                    }
                    for one in at
                ],
            )


def config(directory: Path) -> dict[str, str]:
    file = directory / "config.py"
    file.write_text(config_text(*SERVICES))
    return {"MONITORING_CONFIG": str(file)}


async def test_a_config_that_is_wrong_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("CONFIG = None\n")
    variables = {"MONITORING_CONFIG": str(tmp_path / "config.py"), "LEDGER_FILE": "x"}
    assert (await operate(tmp_path, "archive", **variables)).code == 2


async def test_read_only_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    variables = config(tmp_path) | environment(sqlite(tmp_path))
    assert (await operate(tmp_path, "archive", **variables)).code == 1
    ended = await operate(tmp_path, "archive", READ_ONLY="1", **variables)
    assert ended.code == 1
    assert "READ_ONLY" in ended.complaint


async def test_what_is_old_is_moved_beside_a_running_service_and_counted(
    tmp_path: Path, options: StoreOptions
) -> None:
    async with opened(options) as store:
        await fill(store, {0: 3, 40: 20, 100: 30})
        ended = await operate(tmp_path, "archive", **config(tmp_path), **environment(options))
        assert (ended.code, ended.complaint) == (0, ""), ended
        assert ended.last == "done: 30 rows of metrics, 50 rows of alerts archived"
        assert "metrics: archiving what is older than" in ended.said
        async with store.read() as connection:
            for table, left in ((metrics, 23), (alerts, 3)):
                assert await connection.scalar(select(func.count()).select_from(table)) == left
                assert await archive_tables(connection, table)
                whole = select(func.count()).select_from(await everywhere(connection, table))
                assert await connection.scalar(whole) == 53
        again = await operate(tmp_path, "archive", **config(tmp_path), **environment(options))
        assert again.last == "done: 0 rows of metrics, 0 rows of alerts archived"


async def test_while_a_replica_archives_it_says_so(tmp_path: Path, options: StoreOptions) -> None:
    if options.url is None:
        return  # SQLite's store has one writer at a time, which waits for its turn
    async with opened(options) as store, held(store, "cleanup") as session:
        assert session is not None
        ended = await operate(tmp_path, "archive", **config(tmp_path), **environment(options))
        assert ended.code == 1
        assert "a replica is archiving" in ended.complaint
