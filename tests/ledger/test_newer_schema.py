"""This version on the schema of the next one: it runs, says so, and loses nothing of it.

What a step may add is what test_schema_steps.py lets pass: tables, columns that are nullable or
have a default, and indexes. All of it is added here to every table.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from api_serving import CONFIG, INGEST, Api, api, environment
from api_serving import alert as row
from operating import operate
from schemas import contents, on, run, shapes, upgrade
from served_ledger import alert, body
from sqlalchemy import insert, select, text
from stores import new_database, opened
from structlog.testing import capture_logs

from exporter.ledger import migrate
from exporter.ledger.archives import archive_tables
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alerts, metadata, metrics
from exporter.workers.cleanup import clean_up
from model.workers import Workers
from programs import Postgres

NEWER = "9999"
NOW = datetime.now(UTC).replace(microsecond=0)
_ADDED = """
ALTER TABLE {table} ADD COLUMN later_text text;
ALTER TABLE {table} ADD COLUMN later_number integer NOT NULL DEFAULT 7;
CREATE INDEX later_{table} ON {table} (later_number);
"""


async def make_newer(options: StoreOptions) -> None:
    """Migrate a store as a version does that this one does not know."""
    await upgrade(options, "head")
    added = "".join(_ADDED.format(table=table.name) for table in metadata.sorted_tables)
    more = "CREATE TABLE later (id integer PRIMARY KEY);\nINSERT INTO later VALUES (1);\n"
    await run(options, f"{added}{more}UPDATE ledger_version SET version_num = '{NEWER}';\n")


@pytest.fixture
async def newer(options: StoreOptions) -> StoreOptions:
    """A store whose schema is a newer version's."""
    await make_newer(options)
    return options


@pytest.fixture
async def served(newer: StoreOptions, tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path, newer) as made:
        yield made


# --- it says so ---------------------------------------------------------------------------------


@pytest.fixture
def plain_log() -> Iterator[None]:
    """A log that nobody has configured, until the end of the test."""
    configured = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**configured)


@pytest.mark.usefixtures("plain_log")
async def test_it_opens_the_store_changes_nothing_and_says_so_in_the_log(
    newer: StoreOptions,
) -> None:
    before = await on(newer, shapes)
    with capture_logs() as lines:
        async with opened(newer) as store:
            assert await store.open() == NEWER
    told = [one for one in lines if "newer version" in one["event"]]
    assert told
    assert {(one["log_level"], one["revision"], one["ours"]) for one in told} == {
        ("warning", NEWER, migrate.head())
    }
    assert await on(newer, shapes) == before


async def test_migrate_leaves_it_as_it_is_and_doctor_says_what_it_is(
    newer: StoreOptions, tmp_path: Path
) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    variables = environment(newer, MONITORING_CONFIG=str(tmp_path / "config.py"))
    ended = await operate(tmp_path, "migrate", **variables)
    assert (ended.code, f"revision {NEWER}" in ended.said) == (0, True)
    said = (await operate(tmp_path, "doctor", **variables)).said
    assert f"its schema, {NEWER}, is a newer version's than this one's, {migrate.head()}" in said
    assert "schema behind" not in said


# --- it works -----------------------------------------------------------------------------------


async def deliver(served: Api, *entries: object) -> None:
    headers = {"Authorization": f"Bearer {INGEST}"}
    data = io.BytesIO(json.dumps(body(*entries)).encode())
    answer = await served.client.post("/api/alertmanager/webhook", data=data, headers=headers)
    assert answer.status == 200, await answer.text()


async def test_an_alert_comes_is_acknowledged_noted_and_ends(served: Api) -> None:
    begun = NOW - timedelta(minutes=5)
    await deliver(served, alert(begun))
    (found,) = (await served.get("/api/alerts"))["active"]
    path = f"/api/alerts/{found['id']}"
    await served.post(f"/api/alerts/acknowledge/{found['id']}", {"notes": "on it"})
    await served.post(f"{path}/notes", {"notes": "more"})
    await deliver(served, alert(begun, NOW))
    await served.post(f"{path}/false-positive", {})
    one = await served.get(path)
    assert (one["status"], one["falsePositive"], len(one["notes"])) == ("resolved", True, 2)
    assert {"acknowledge", "note", "false_positive"} <= {line["action"] for line in one["timeline"]}
    assert (await served.get("/api/alerts/statistics", window="24h"))["total"]["count"] == 1
    assert len((await served.get("/api/alerts/history"))["alerts"]) == 1
    assert (await served.get("/api/v1/monitoring/services"))["services"]
    assert (await served.get("/api/v1/monitoring/workers"))["workers"]


async def old_rows(store: Store) -> None:
    """An alert and figures that are due for archiving, with what a newer version has added."""
    past = NOW - timedelta(days=200)
    measured = {
        "timestamp": past,
        "target": "auth-service",
        "replica": "*",
        "kind": "http",
        "seconds": 3600,
        "probes": 1,
        "successes": 1,
        "degraded": 0,
        "duration_sum": 0.1,
        "buckets": {},
    }
    async with store.begin() as connection:
        await connection.execute(insert(alerts).values(row(1, past, ends_at=past)))
        await connection.execute(insert(metrics).values(measured))
        for table in (alerts, metrics):
            await connection.execute(
                text(f"UPDATE {table.name} SET later_text = 'kept', later_number = 8")
            )


async def test_what_it_archives_keeps_the_columns_that_it_does_not_know(
    newer: StoreOptions,
) -> None:
    async with opened(newer) as store:
        await old_rows(store)
        async with store.session() as session:
            await clean_up(session, Workers(), NOW)
        async with store.read() as connection:
            for table in (alerts, metrics):
                assert (await connection.execute(select(table))).all() == []
                (archive,) = await archive_tables(connection, table)
                kept = text(f"SELECT later_text, later_number FROM {archive}")
                assert (await connection.execute(kept)).all() == [("kept", 8)]


async def test_a_backup_has_all_of_it_and_is_restored_as_it_was(
    newer: StoreOptions, tmp_path: Path, postgres: Postgres
) -> None:
    async with opened(newer) as store:
        await old_rows(store)
    before = await on(newer, lambda connection: contents(shapes(connection))(connection))
    assert before["later"] == ["(1,)"]
    ended = await operate(tmp_path, "backup", **environment(newer))
    assert (ended.code, ended.complaint) == (0, ""), ended
    (file,) = tmp_path.glob("monitoring_backup_*")
    elsewhere = StoreOptions(file=tmp_path / "elsewhere.sqlite3")
    if newer.url is not None:
        elsewhere = StoreOptions(url=new_database(postgres))
    ended = await operate(tmp_path, "restore", file.name, **environment(elsewhere))
    assert (ended.code, ended.last[-11:]) == (0, f"schema {NEWER}"), ended
    assert "migrated by a newer version" in ended.complaint
    after = await on(elsewhere, lambda connection: contents(shapes(connection))(connection))
    for table in before.keys() - {"facts"}:  # when the backup was made is one
        assert after[table] == before[table], table
