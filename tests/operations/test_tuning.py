"""The runbook's tuning advice as the doctor gives it, where it applies and where it does not."""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml
from episodes import add_ended_episode
from examining import advice, findings, variables_of
from remembering import backfill
from sqlalchemy import text
from standins import until
from stores import new_database, opened, sqlite

from exporter.ledger.store import Store, StoreOptions
from exporter.operations.checks import growth, indexes, redis_settings, upkeep
from exporter.operations.checks.finding import Advice
from exporter.operations.doctor import examine
from programs import Postgres, Prometheus, Redis

NOW = datetime.now(UTC)
Usage = namedtuple("Usage", "total used free")
TIMES = "timeout=seconds(2), interval=seconds(5)"


@pytest.fixture
async def store(options: StoreOptions) -> AsyncIterator[Store]:
    async with opened(options) as made:
        yield made


async def run(store: Store, *statements: str) -> None:
    async with store.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def measure(store: Store, at: datetime, number: int = 1) -> None:
    """Rows of figures of one time, each of another target."""
    shown = f"{at:%Y-%m-%d %H:%M:%S.%f}"
    when = f"timestamptz '{shown}+00'" if store.postgres else f"'{shown}'"
    await run(
        store,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
        f'{number}) INSERT INTO metrics ("timestamp", target, replica, kind, seconds, probes, '
        "successes, degraded, duration_sum, buckets) "
        f"SELECT {when}, 'target-' || i, '{at.timestamp()}', 'http', 300, 60, 60, 0, 0.1, "
        "'{}' FROM n",
    )


# --- indexes ------------------------------------------------------------------------------------


async def test_an_index_that_is_missing_is_named_with_the_statement_that_makes_it(
    tmp_path: Path, options: StoreOptions, store: Store
) -> None:
    variables = variables_of(tmp_path, options)
    assert await advice(indexes.check, variables) == []
    await run(store, "DROP INDEX alerts_by_creation")
    (found,) = await findings(indexes.check, variables)
    assert (found.advice, found.what) == (
        Advice.INDEX_MISSING,
        "alerts has no index on created_at",
    )
    assert ("CONCURRENTLY" in found.do) == store.postgres
    await run(store, found.do.strip("`;").replace(" CONCURRENTLY", ""))
    assert await advice(indexes.check, variables) == []


async def test_the_runbooks_index_serves_under_its_own_name(
    tmp_path: Path, options: StoreOptions, store: Store
) -> None:
    variables = variables_of(tmp_path, options)
    await run(
        store,
        "DROP INDEX alerts_by_creation",
        "CREATE INDEX idx_alerts_created_status ON alerts(created_at, status)",
    )
    assert await advice(indexes.check, variables) == []


@pytest.mark.parametrize(
    "replacement",
    [
        "CREATE INDEX other ON alerts(status, created_at)",
        "CREATE INDEX other ON alerts(created_at) WHERE status = 'active'",
    ],
)
async def test_an_index_of_other_rows_or_in_another_order_does_not_serve(
    tmp_path: Path, options: StoreOptions, store: Store, replacement: str
) -> None:
    await run(store, "DROP INDEX alerts_by_creation", replacement)
    assert await advice(indexes.check, variables_of(tmp_path, options)) == [Advice.INDEX_MISSING]


async def test_what_keeps_a_second_open_episode_out_has_to_be_unique(
    tmp_path: Path, options: StoreOptions, store: Store
) -> None:
    await run(
        store,
        "DROP INDEX alerts_one_open",
        "CREATE INDEX alerts_one_open ON alerts(fingerprint) WHERE status <> 'resolved'",
    )
    assert await advice(indexes.check, variables_of(tmp_path, options)) == [Advice.INDEX_MISSING]


async def test_an_index_whose_making_has_failed_is_named(
    tmp_path: Path, postgres: Postgres
) -> None:
    options = StoreOptions(url=new_database(postgres))
    assert options.url is not None
    database = options.url.rpartition("/")[2]
    async with opened(options) as store:
        for number in (1, 2):
            await add_ended_episode(store, number)
        with pytest.raises(Exception, match="could not create unique index"):
            postgres.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON alerts(name)", database)
        (found,) = await findings(indexes.check, variables_of(tmp_path, options))
    assert found.advice is Advice.INDEX_INVALID
    assert "broken of alerts" in found.what
    assert "DROP INDEX CONCURRENTLY broken;" in found.do


# --- what is old, and what Postgres knows -------------------------------------------------------


@pytest.mark.parametrize(("days", "due"), [(91, False), (93, True)])
async def test_metrics_that_cleanup_should_have_archived_are_counted(
    tmp_path: Path, options: StoreOptions, store: Store, days: int, due: bool
) -> None:
    await measure(store, NOW - timedelta(days=days), 3)
    found = await findings(upkeep.check, variables_of(tmp_path, options))
    assert [one.advice for one in found if one.advice] == ([Advice.ARCHIVING_DUE] if due else [])
    assert any("metrics has 3 rows older than 90 days" in one.what for one in found) == due


@pytest.mark.parametrize(("days", "firing", "due"), [(31, 0, 0), (33, 0, 1), (33, 1, 0)])
async def test_alerts_are_due_once_they_have_ended_and_fire_no_more(
    tmp_path: Path, options: StoreOptions, store: Store, days: int, firing: int, due: int
) -> None:
    at = NOW - timedelta(days=days)
    await add_ended_episode(store, starts_at=at, created_at=at, ends_at=at, firing=bool(firing))
    expected = [Advice.ARCHIVING_DUE] * due
    assert await advice(upkeep.check, variables_of(tmp_path, options)) == expected


@pytest.mark.parametrize(
    ("inserted", "updated", "expected"),
    [
        (9_000, 0, []),
        (11_000, 0, [Advice.STATISTICS_STALE]),
        (30_000, 11_000, [Advice.STATISTICS_STALE]),
        (20_000, 11_000, [Advice.DEAD_ROWS, Advice.STATISTICS_STALE]),
    ],
)
async def test_statistics_and_dead_rows_are_told_once_autovacuum_is_late(
    tmp_path: Path, postgres: Postgres, inserted: int, updated: int, expected: list[Advice]
) -> None:
    options = StoreOptions(url=new_database(postgres))
    assert options.url is not None
    database = options.url.rpartition("/")[2]
    variables = variables_of(tmp_path, options)
    async with opened(options) as store:
        await run(store, "ALTER TABLE metrics SET (autovacuum_enabled = off)")
        await measure(store, NOW, inserted)
        some = f"(SELECT target FROM metrics LIMIT {updated})"
        await run(store, f"UPDATE metrics SET probes = 61 WHERE target IN {some}")
    # What a session has done is counted when it ends, which is after its client has left.
    counted = "SELECT n_mod_since_analyze FROM pg_stat_user_tables WHERE relname = 'metrics'"
    await until(lambda: postgres.execute(counted, database) == str(inserted + updated), 60)
    assert await advice(upkeep.check, variables) == expected
    postgres.execute("VACUUM ANALYZE metrics", database)
    assert await advice(upkeep.check, variables) == []


# --- size ---------------------------------------------------------------------------------------


async def fill(store: Store) -> None:
    """A day's worth of 100 rows, for eight days."""
    for day in range(1, 9):
        await measure(store, NOW - timedelta(days=day, minutes=1), 100)


async def test_growth_is_forecast_from_the_ledgers_own_rows(
    tmp_path: Path, options: StoreOptions, store: Store
) -> None:
    variables = variables_of(tmp_path, options)
    (found,) = await findings(growth.check, variables)
    assert "too young" in found.what
    await fill(store)
    (found,) = await findings(growth.check, variables)
    assert "a day (by its own rows)" in found.what
    assert "in 30 days" in found.what


async def test_a_file_whose_volume_will_be_full_within_30_days_is_told(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    async with opened(options) as store:
        await fill(store)
    variables = variables_of(tmp_path, options)
    for free, expected in ((1 << 30, []), (1000, [Advice.OUT_OF_ROOM])):
        with patch("shutil.disk_usage", return_value=Usage(1 << 40, 0, free)):
            assert await advice(growth.check, variables) == expected


async def test_growth_is_that_of_prometheus_where_it_has_watched_for_a_day(
    tmp_path: Path, postgres: Postgres
) -> None:
    options = StoreOptions(url=new_database(postgres))
    assert options.url is not None
    database = options.url.rpartition("/")[2]
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump({}))
    async with opened(options):
        for hours, source in ((12, "too young"), (72, "grows by 24.0 MiB a day (by Prometheus)")):
            directory = tmp_path / str(hours)
            remember(directory / "data", database, hours)
            with Prometheus(directory, config, retention="10d") as prometheus:
                address = prometheus.url.removeprefix("http://")
                watched = f"""
                postgres=(Postgres(url="postgresql://127.0.0.1:1/x", {TIMES}),),
                watched_by=Prometheus(prometheus=("{address}",)),"""
                (found,) = await findings(growth.check, variables_of(tmp_path, options, watched))
                assert source in found.what


def remember(data: Path, database: str, hours: int) -> None:
    """Prometheus' blocks of a database that grew by a MiB an hour for so long."""
    series = f'pg_database_size_bytes{{target="postgresql",datname="{database}"}}'
    backfill(data, {series: lambda ago: 2**30 - ago / 3600 * 2**20}, hours)


# --- Redis --------------------------------------------------------------------------------------

LIMIT = ("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
SNAPSHOTS = ("--save", "900 1")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), [Advice.REDIS_NO_LIMIT, Advice.REDIS_NOT_PERSISTENT]),
        (("--maxmemory", "64mb", *SNAPSHOTS), [Advice.REDIS_NO_POLICY]),
        (LIMIT, [Advice.REDIS_NOT_PERSISTENT]),
        ((*LIMIT, "--appendonly", "yes"), []),
        ((*LIMIT, *SNAPSHOTS), []),
    ],
)
async def test_a_redis_is_told_by_its_limit_its_policy_and_its_persistence(
    tmp_path: Path, args: tuple[str, ...], expected: list[Advice]
) -> None:
    with Redis(tmp_path / "redis", args=args) as server:
        assert await advice(redis_settings.check, of_redis(tmp_path, server)) == expected


async def test_a_redis_whose_settings_nobody_may_see_is_unknown(tmp_path: Path) -> None:
    for args, more, why in (
        (("--rename-command", "CONFIG", ""), "", "CONFIG was refused"),
        ((), "config_command=None,", "config_command is None"),
    ):
        with Redis(tmp_path / "redis", args=args) as server:
            (found,) = await findings(redis_settings.check, of_redis(tmp_path, server, more))
        assert not found.examined
        assert why in found.what


def of_redis(directory: Path, server: Redis, more: str = "") -> dict[str, str]:
    redis = f'redis=(Redis(url="redis://127.0.0.1:{server.port}/0", {more} {TIMES}),),'
    return variables_of(directory, sqlite(directory), redis)


# --- all of it ----------------------------------------------------------------------------------


async def test_without_a_store_all_of_it_is_unknown_and_nothing_is_advised(
    tmp_path: Path,
) -> None:
    variables = variables_of(tmp_path, sqlite(tmp_path))
    for check in (indexes.check, upkeep.check, growth.check):
        found = await findings(check, variables)
        assert found
        assert not any(one.examined for one in found)
    variables["LEDGER"] = "off"
    for check in (indexes.check, upkeep.check, growth.check):
        found = await findings(check, variables)
        assert all("no ledger is kept" in one.what for one in found)
    assert [one for one in await examine(variables, time.time) if one.advice is not None] == []
