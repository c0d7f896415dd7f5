"""A ledger of the first revision comes through all later ones: nothing is lost, all is read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api_serving import Api, api
from schemas import contents, first_ledger, on, shapes
from sqlalchemy import func, select
from stores import opened

from exporter import audit_trail
from exporter.ledger import deliveries
from exporter.ledger.archives import archive_tables, everywhere
from exporter.ledger.migrate import head
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alerts, metrics
from exporter.workers.cleanup import clean_up
from model.workers import Workers

# A day after the last row.
THEN = datetime(2026, 1, 21, 12, tzinfo=UTC)
DELIVERED: dict[deliveries.Source, str] = {"slack": "v0=abc", "pagerduty": "01ABC"}


def id_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


async def test_every_row_of_every_table_and_archive_is_what_it_was(options: StoreOptions) -> None:
    await first_ledger(options)
    tables = await on(options, shapes)
    before = await on(options, contents(tables))
    assert all(before.values()), "the first ledger has something in every table"
    assert {"alerts_archive_2025_11", "metrics_archive_2025_08"} < before.keys()
    async with opened(options) as store:
        assert await store.open() == head()
    assert await on(options, contents(tables)) == before


async def test_the_api_reads_all_of_it(options: StoreOptions, tmp_path: Path) -> None:
    await first_ledger(options)
    async with api(tmp_path, options) as served:
        found = await served.get("/api/alerts")
        assert [one["id"] for one in found["active"]] == [id_of(1), id_of(2), id_of(3)]
        assert found["summary"]["total"] == 3
        second = found["active"][1]
        assert second["labels"]["größe"] == "ü☃"
        assert (second["acknowledgedBy"], second["startsAt"]) == (
            "jane@example.com",
            "2026-01-20T11:00:00.123Z",
        )
        ended = await served.get("/api/alerts/history", limit="50")
        listed = [1, 2, 3, 4, 5, 6, 7, 9, 8]
        assert [one["id"] for one in ended["alerts"]] == [id_of(number) for number in listed]
        one = await served.get(f"/api/alerts/{id_of(4)}")
        assert [note["text"] for note in one["notes"]] == ["restarted; fine"]
        assert {"acknowledge", "note"} <= {line["action"] for line in one["timeline"]}
        archived = await served.get(f"/api/alerts/{id_of(8)}")
        assert [note["text"] for note in archived["notes"]] == ["of an alert that is archived"]
        assert (await served.get("/api/v1/monitoring/services"))["services"]
        workers = (await served.get("/api/v1/monitoring/workers"))["workers"]
        assert {one["successCount"] for one in workers if one["name"] == "cleanup"} == {19}
        await served.post(f"/api/alerts/acknowledge/{id_of(1)}", {"notes": "on it"})
        await served.post(f"/api/alerts/{id_of(1)}/resolve", {})
        await audited(served)


async def audited(served: Api) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    trail = [entry.what async for entry in audit_trail.actions(served.store, since)]
    assert [words.partition(" ")[0] for words in trail][:3] == ["acknowledge", "note", "other"]


async def counted(store: Store, of: Any) -> int:
    async with store.read() as connection:
        whole = await everywhere(connection, of)
        found: int = (await connection.scalars(select(func.count()).select_from(whole))).one()
    return found


async def test_what_is_old_joins_the_archives_that_were_made_then(options: StoreOptions) -> None:
    await first_ledger(options)
    async with opened(options) as store:
        async with store.session() as session:
            await clean_up(session, Workers(), THEN)
        assert (await counted(store, alerts), await counted(store, metrics)) == (9, 5)
        async with store.read() as connection:
            left = [
                await connection.scalar(select(func.count()).select_from(table))
                for table in (alerts, metrics)
            ]
            made = [await archive_tables(connection, table) for table in (alerts, metrics)]
        assert left == [7, 3]
        assert made == [["alerts_archive_2025_11"], ["metrics_archive_2025_08"]]


async def test_what_was_delivered_then_counts_as_delivered_now(options: StoreOptions) -> None:
    await first_ledger(options)
    async with opened(options) as store, store.begin() as connection:
        for source, event in DELIVERED.items():
            assert not await deliveries.is_first(connection, source, event, THEN)
        sent = f"key:{id_of(2)}"
        assert await deliveries.known(connection, "pagerduty-out", [sent], THEN) == {sent}
