"""While rows are archived the API answers, every time and in time, and no row is lost."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from api_serving import Api, alert, api
from sqlalchemy import func, select, text

from exporter.ledger.archives import everywhere
from exporter.ledger.store import DEADLINE, StoreOptions
from exporter.ledger.tables import metrics
from exporter.workers.cleanup import clean_up
from model.workers import Workers

ROWS = 20_000
# A row in three minutes for each of 21 targets, from 91 days ago on, into the past.
POSTGRES = f"""
INSERT INTO metrics (timestamp, target, replica, kind, seconds, probes, successes, degraded,
    duration_sum, buckets)
SELECT now() - interval '91 days' - n / 21 * interval '3 minutes', 'service-' || (n % 21), '*',
    'http', 180, 36, 36, 0, 0.4, '{{}}' FROM generate_series(0, {ROWS - 1}) AS n
"""
SQLITE = f"""
INSERT INTO metrics (timestamp, target, replica, kind, seconds, probes, successes, degraded,
    duration_sum, buckets)
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers LIMIT {ROWS})
SELECT strftime('%Y-%m-%d %H:%M:%S', 'now', '-91 days', '-' || (n / 21 * 3) || ' minutes')
    || '.000000', 'service-' || (n % 21), '*', 'http', 180, 36, 36, 0, 0.4, '{{}}' FROM numbers
"""


async def test_the_api_answers_while_20_000_rows_are_archived_and_all_of_them_are_there(
    tmp_path: Path, options: StoreOptions
) -> None:
    async with api(tmp_path, options, RATE_LIMIT_PER_MINUTE="1000000") as served:
        await served.add(*(alert(number) for number in range(20)))
        async with served.store.begin(60) as connection:
            await connection.execute(text(SQLITE if options.url is None else POSTGRES))
        working = asyncio.create_task(clean(served))
        took: list[float] = []
        while not working.done():
            started = time.monotonic()
            assert len((await served.get("/api/alerts"))["active"]) == 20
            took.append(time.monotonic() - started)
        await working
        # It answered many times meanwhile, each within what the store gives a transaction.
        assert len(took) > 5
        assert max(took) < DEADLINE
        async with served.store.read(60) as connection:
            assert await connection.scalar(select(func.count()).select_from(metrics)) == 0
            whole = await everywhere(connection, metrics)
            counts = select(func.count(), func.sum(whole.c.probes)).select_from(whole)
            assert tuple((await connection.execute(counts)).one()) == (ROWS, 36 * ROWS)


async def clean(served: Api) -> None:
    async with served.store.session() as session:
        await clean_up(session, Workers(), datetime.now(UTC))
