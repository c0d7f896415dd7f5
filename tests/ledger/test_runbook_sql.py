"""The runbook's SQL on the ledger's tables, as it is printed there, by psql on a real Postgres."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from printed import USERS, read
from sqlalchemy import func, insert, select
from stores import new_database, opened
from test_archives import alert, measured

from exporter.ledger.archives import archive_tables, everywhere
from exporter.ledger.service_figures import figures
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alert_notes, alerts, metrics
from exporter.workers.cleanup import clean_up
from model.workers import Workers
from programs import Postgres


def printed(section: str) -> str:
    """All statements of a section of the runbook."""
    return "".join(line.text for line in read(USERS).lines if line.section == section)


async def psql(server: Postgres, url: str, sql: str) -> str:
    """What psql prints; it stops at the first complaint."""
    command = (str(server.binaries / "psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", url)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    said, complaint = await asyncio.wait_for(process.communicate(sql.encode()), 120)
    assert (process.returncode, complaint.decode()) == (0, "")
    return said.decode()


async def ids(store: Store) -> set[str]:
    async with store.read() as connection:
        everything = await everywhere(connection, alerts)
        found = (await connection.execute(select(everything.c.id))).scalars().all()
    assert len(found) == len(set(found))
    return set(found)


async def test_the_runbooks_sql_runs_as_printed_and_history_still_reads_everything(
    postgres: Postgres,
) -> None:
    url = new_database(postgres)
    now = datetime.now(UTC)
    rows = [
        *(alert(now - timedelta(days=days)) for days in (29, 31, 45, 400)),
        alert(now - timedelta(days=45), status="active"),
    ]
    ages = (0, 1, 89, 91, 200)
    async with opened(StoreOptions(url=url)) as store:
        async with store.begin() as connection:
            await connection.execute(insert(alerts), rows)
            await connection.execute(
                insert(metrics), [measured(now - timedelta(days=days)) for days in ages]
            )
            note = {"created_at": now, "author": "me", "channel": "api", "text": "kept"}
            await connection.execute(
                insert(alert_notes), [{**note, "alert_id": row["id"]} for row in rows]
            )
        before = await figures(store, ["web"], now)

        said = await psql(postgres, url, printed("Database Cleanup"))
        assert [line for line in said.splitlines() if line.startswith("DELETE")] == [
            "DELETE 2",
            "DELETE 3",
        ]
        assert await ids(store) == {row["id"] for row in rows}
        assert await figures(store, ["web"], now) == before
        async with store.read() as connection:
            everything = await everywhere(connection, metrics)
            assert await connection.scalar(select(func.count()).select_from(everything)) == 5
            notes = select(func.count()).select_from(alert_notes)
            assert await connection.scalar(notes) == len(rows)

        await psql(postgres, url, printed("Optimize Database Queries"))

        # Our own cleanup goes on where people have left off.
        async with store.begin() as connection:
            await connection.execute(insert(alerts), [alert(now - timedelta(days=45))])
        async with store.session() as session:
            await clean_up(session, Workers(), now)
        assert len(await ids(store)) == len(rows) + 1
        async with store.read() as connection:
            archives = await archive_tables(connection, alerts)
        assert archives == [
            "alerts_archive_2025_01",
            f"alerts_archive_{rows[2]['created_at']:%Y_%m}",
        ]
