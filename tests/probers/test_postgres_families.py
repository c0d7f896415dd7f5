"""Every family that a real Postgres tells of itself, on each version that can be had here."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases import PASSWORD, SLACK, TIMEOUT, of, on_uvloop, value
from postgres_versions import candidates, runnable

from exporter.exposition import fragments, join
from exporter.probers.postgres import COLLECTORS, PostgresProber, collector, sessions
from exporter.probers.result import ProbeResult
from model import names
from model.metric import Metric
from model.targets import Postgres as Target
from programs import Postgres, find

NEW_IN_17 = {m for m in names.catalogue().values() if m.name.startswith("pg_stat_checkpointer_")}
ONLY_SOMETIMES = (
    "pg_stat_replication_",
    "pg_stat_archiver_last_archive_age",
    "pg_stat_progress_vacuum_",
    "pg_replication_slot_slot_confirmed_flush_lsn",
    "pg_replication_slot_safe_wal_size_bytes",
)
# Those of extensions have a dot; promtool objects to the last.
NUMBERS = """
WHERE vartype IN ('bool', 'integer', 'real') AND name NOT LIKE '%.%'
AND name <> 'wal_summary_keep_time'"""
GONE_IN_17 = {
    names.PG_STAT_BGWRITER_BUFFERS_BACKEND,
    names.PG_STAT_BGWRITER_BUFFERS_BACKEND_FSYNC,
}


def test_the_versions_that_are_tested_and_those_that_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with capsys.disabled():
        print("\nPostgres versions:", *candidates(), sep="\n  ")
    assert runnable(), "no Postgres runs here"


@pytest.fixture(scope="module", params=runnable(), ids=lambda one: one.said.split()[-1][:12])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    settings = {"wal_level": "replica", "archive_mode": "on", "archive_command": "false"}
    with Postgres(settings=settings, binaries=request.param.binaries) as started:
        started.execute(
            f"""
            CREATE ROLE monitoring LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor;
            CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}';
            CREATE TABLE payments (id int);
            INSERT INTO payments SELECT generate_series(1, 100);
            DELETE FROM payments WHERE id <= 40;
            CREATE TABLE ticks (id int);
            SELECT pg_create_physical_replication_slot('spare', true);
            CHECKPOINT;
            """
        )
        yield started


async def probe(url: str, times: int = 1) -> ProbeResult:
    prober = PostgresProber(Target(), url)
    try:
        for _ in range(times):
            result = await prober.probe(TIMEOUT)
    finally:
        await prober.close()
    return result


def by_labels(result: ProbeResult, metric: Metric) -> dict[tuple[str, ...], float]:
    return {sample.labels: sample.value for sample in of(result, metric)}


def major(server: Postgres) -> int:
    return int(server.execute("SHOW server_version_num")) // 10000


def collected(result: ProbeResult) -> dict[str, float]:
    return {one.labels[0]: one.value for one in of(result, names.PG_COLLECTOR_SUCCESS)}


# --- privileges ---------------------------------------------------------------------------------


@on_uvloop
async def test_pg_monitor_is_all_that_is_needed(server: Postgres) -> None:
    result = await probe(server.dsn("monitoring", PASSWORD), times=2)
    assert result.success
    assert result.detail == ""
    assert set(collected(result).values()) == {1}
    expected = {
        m for m in names.catalogue().values() if m.name.startswith(("pg_", "monitoring_pg"))
    } - set(names.PG_SETTINGS.values())
    expected -= GONE_IN_17 if major(server) >= 17 else NEW_IN_17
    # There is no standby, no slot in use or in danger, no vacuum under way.
    expected -= {m for m in expected if m.name.startswith(ONLY_SOMETIMES)}
    found = {sample.metric for sample in result.samples}
    assert found - set(names.PG_SETTINGS.values()) == expected
    told = int(server.execute(f"SELECT count(*) FROM pg_settings {NUMBERS}"))
    assert len(found & set(names.PG_SETTINGS.values())) == told


@on_uvloop
async def test_without_pg_monitor_every_collector_still_works_and_sees_less(
    server: Postgres,
) -> None:
    result = await probe(server.dsn("stranger", PASSWORD))
    assert result.success
    assert set(collected(result).values()) == {1}


@on_uvloop
async def test_a_revoked_view_fails_its_collector_and_comes_back_when_it_is_granted(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.probers.postgres.collection.APART", 0.0)
    server.execute("REVOKE SELECT ON pg_stat_archiver, pg_locks FROM PUBLIC")
    prober = PostgresProber(Target(), server.dsn("stranger", PASSWORD))
    try:
        for _ in range(3):
            result = await prober.probe(TIMEOUT)
            assert result.success
            failed = {name for name, success in collected(result).items() if not success}
            assert failed == {"locks", "stat_archiver"}
            assert "locks: permission denied for view pg_locks" in result.detail
            assert of(result, names.PG_LOCKS_COUNT) == []
            assert of(result, names.PG_REPLICATION_IS_REPLICA)
        server.execute("GRANT SELECT ON pg_stat_archiver, pg_locks TO PUBLIC")
        result = await prober.probe(TIMEOUT)
        assert set(collected(result).values()) == {1}
        assert result.detail == ""
    finally:
        server.execute("GRANT SELECT ON pg_stat_archiver, pg_locks TO PUBLIC")
        await prober.close()


# --- families -----------------------------------------------------------------------------------


@on_uvloop
async def test_sessions_and_the_oldest_transaction_of_each_state(server: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(
        server.dsn(), application_name="shop"
    ) as other:
        began = time.monotonic()
        await other.execute("SELECT 1")
        await asyncio.sleep(0.3)
        result = await probe(server.dsn("monitoring", PASSWORD))
        took = time.monotonic() - began
    waiting = ("client backend", "Client", "ClientRead")
    labels = ("postgres", "idle in transaction", "postgres", "shop", *waiting)
    count = by_labels(result, names.PG_STAT_ACTIVITY_COUNT)
    assert count[labels] == 1
    assert count["template0", "active", "", "", "", "", ""] == 0
    oldest = by_labels(result, names.PG_STAT_ACTIVITY_MAX_TX_DURATION)
    assert 0.3 <= oldest[labels] <= took


@on_uvloop
async def test_locks_are_counted_by_database_and_mode_zeros_included(server: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn()) as other:
        await other.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        result = await probe(server.dsn("monitoring", PASSWORD))
        await other.rollback()
    assert result.detail == "", "a locked table is no reason for a statistics view to wait"
    locks = by_labels(result, names.PG_LOCKS_COUNT)
    assert locks["postgres", "accessexclusivelock"] >= 1
    assert locks["template1", "accessexclusivelock"] == 0
    assert len(locks) == 9 * 3


@on_uvloop
async def test_settings_are_in_the_units_of_their_names(server: Postgres) -> None:
    result = await probe(server.dsn())
    assert value(result, names.PG_SETTINGS["shared_buffers"]) == 32 << 20
    assert value(result, names.PG_SETTINGS["checkpoint_timeout"]) == 300
    assert value(result, names.PG_SETTINGS["max_connections"]) == 100
    assert value(result, names.PG_SETTINGS["autovacuum_vacuum_cost_delay"]) == 0.002
    assert value(result, names.PG_SETTINGS["autovacuum_work_mem"]) == -1
    # Not our own, which ends the query that asks.
    assert value(result, names.PG_SETTINGS["statement_timeout"]) == 0
    assert value(result, names.PG_SETTINGS["fsync"]) == 0
    assert value(result, names.PG_SETTINGS["autovacuum"]) == 1
    assert value(result, names.PG_SETTINGS["autovacuum_freeze_max_age"]) == 200_000_000


@on_uvloop
async def test_tables_of_the_connected_database_have_their_live_and_dead_rows(
    server: Postgres,
) -> None:
    async def live() -> dict[tuple[str, ...], float]:
        return by_labels(await probe(server.dsn()), names.PG_STAT_USER_TABLES_N_LIVE_TUP)

    labels = ("postgres", "public", "payments")
    deadline = time.monotonic() + 60
    while (await live()).get(labels) != 60:
        assert time.monotonic() < deadline, "statistics have not arrived"
        await asyncio.sleep(0.1)
    result = await probe(server.dsn())
    assert by_labels(result, names.PG_STAT_USER_TABLES_N_DEAD_TUP)[labels] in (0, 40)
    assert by_labels(result, names.PG_STAT_USER_TABLES_LAST_AUTOVACUUM)[labels] >= 0


@on_uvloop
async def test_counters_of_databases_and_of_the_writer_grow(server: Postgres) -> None:
    before = await probe(server.dsn())
    server.execute("CHECKPOINT; INSERT INTO ticks VALUES (1)")
    deadline = time.monotonic() + 60
    database = (
        server.execute("SELECT oid FROM pg_database WHERE datname = 'postgres'"),
        "postgres",
    )
    while True:
        after = await probe(server.dsn())
        commits = [by_labels(one, names.PG_STAT_DATABASE_XACT_COMMIT) for one in (before, after)]
        requested = [value(one, names.PG_STAT_BGWRITER_CHECKPOINTS_REQ) for one in (before, after)]
        if commits[1][database] > commits[0][database] and requested[1] > requested[0]:
            return
        assert time.monotonic() < deadline, "statistics have not arrived"
        await asyncio.sleep(0.1)


@on_uvloop
async def test_archiving_that_fails_is_seen_at_once(server: Postgres) -> None:
    server.execute("SELECT pg_switch_wal()")
    deadline = time.monotonic() + 60
    while True:
        result = await probe(server.dsn("monitoring", PASSWORD))
        if value(result, names.PG_STAT_ARCHIVER_FAILED_COUNT) > 0:
            break
        assert time.monotonic() < deadline, "the archiver has not failed"
        await asyncio.sleep(0.2)
    assert value(result, names.PG_ARCHIVER_FAILING) == 1
    assert value(result, names.PG_STAT_ARCHIVER_ARCHIVED_COUNT) == 0
    assert of(result, names.PG_STAT_ARCHIVER_LAST_ARCHIVE_AGE) == []


@on_uvloop
async def test_a_slot_that_nobody_uses_keeps_wal(server: Postgres) -> None:
    result = await probe(server.dsn("monitoring", PASSWORD))
    assert by_labels(result, names.PG_REPLICATION_SLOTS_ACTIVE) == {("spare", "physical", ""): 0}
    assert by_labels(result, names.PG_REPLICATION_SLOT_WAL_STATUS) == {
        ("spare", "physical", "reserved"): 1
    }
    [kept] = by_labels(result, names.PG_REPLICATION_SLOTS_WAL_LSN_DIFF).values()
    assert kept > 0


# --- what promtool says -------------------------------------------------------------------------


def test_promtool_has_nothing_to_say_about_what_is_exposed(server: Postgres) -> None:
    result = asyncio.run(probe(server.dsn("monitoring", PASSWORD)))
    text = b"".join(join(names.catalogue().values(), [fragments(result.samples, "postgresql")]))
    checked = subprocess.run(
        [find("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


# --- limits -------------------------------------------------------------------------------------


@on_uvloop
async def test_tables_beyond_the_limit_are_left_out_the_smallest_first_and_counted(
    server: Postgres,
) -> None:
    server.execute(
        "CREATE DATABASE large; \\c large\n"
        "DO $$BEGIN FOR i IN 1..103 LOOP EXECUTE format('CREATE TABLE t%s (x int)', i); "
        "END LOOP; END$$; INSERT INTO t77 SELECT generate_series(1, 50)"
    )
    deadline = time.monotonic() + 60
    while True:
        result = await probe(server.dsn("monitoring", PASSWORD, "large"))
        live = by_labels(result, names.PG_STAT_USER_TABLES_N_LIVE_TUP)
        if live.get(("large", "public", "t77")) == 50:
            break
        assert time.monotonic() < deadline, "statistics have not arrived"
        await asyncio.sleep(0.1)
    assert len(live) == collector.TABLES
    omitted = by_labels(result, names.PG_ROWS_OMITTED)
    assert omitted["stat_user_tables",] == 3
    assert omitted["stat_activity",] == omitted["locks",] == 0
    server.execute("DROP DATABASE large WITH (FORCE)")


async def alone(own: psycopg.AsyncConnection[Any], others: int) -> None:
    """Wait until the sessions of earlier tests, which end after their connections, are gone."""
    deadline = time.monotonic() + 60
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    while (await (await own.execute(query)).fetchone()) != (others,):
        assert time.monotonic() < deadline, "sessions are left of an earlier test"
        await asyncio.sleep(0.05)


@on_uvloop
async def test_groups_of_sessions_beyond_the_limit_are_folded_so_that_the_sum_stays_true(
    server: Postgres,
) -> None:
    query = sessions.ACTIVITY_QUERY.replace(f"n <= {collector.SESSION_GROUPS}", "n <= 2")
    others = [
        await psycopg.AsyncConnection.connect(server.dsn(), application_name=f"app{number}")
        for number in range(4)
    ]
    try:
        async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as own:
            await alone(own, len(others))
            rows = await (await own.execute(query.encode())).fetchall()
    finally:
        for other in others:
            await other.close()
    counts = [(row[0], row[7]) for row in rows if row[7]]
    assert len(counts) == 3
    assert sum(count for _, count in counts) == 5
    assert [count for name, count in counts if name == "other"] == [3]


# --- a server that changes ----------------------------------------------------------------------


@on_uvloop
async def test_a_restart_between_two_probes_costs_no_failure(server: Postgres) -> None:
    prober = PostgresProber(Target(), server.dsn())
    assert (await prober.probe(TIMEOUT)).detail == ""
    server.stop()
    assert not (await prober.probe(TIMEOUT)).success
    server.start()
    server.wait_ready()
    result = await prober.probe(TIMEOUT)
    assert result.success
    assert result.detail == ""
    assert set(collected(result).values()) == {1}
    await prober.close()


@on_uvloop
async def test_a_kept_connection_that_was_terminated_is_replaced_in_the_same_probe(
    server: Postgres,
) -> None:
    prober = PostgresProber(Target(), server.dsn())
    await prober.probe(TIMEOUT)
    mine = "SELECT pid FROM pg_stat_activity WHERE application_name = 'monitoring-service'"
    before = server.execute(mine)
    server.execute(f"SELECT pg_terminate_backend(pid) FROM ({mine}) AS mine")
    result = await prober.probe(TIMEOUT)
    assert result.success
    assert result.detail == ""
    assert server.execute(mine) not in ("", before)
    await prober.close()


@on_uvloop
async def test_many_probes_hold_one_connection_and_closing_gives_it_back(server: Postgres) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'monitoring-service'"
    prober = PostgresProber(Target(), server.dsn())
    for _ in range(10):
        await prober.probe(TIMEOUT)
    deadline = time.monotonic() + 60
    while server.execute(count) != "1":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await prober.close()
    while server.execute(count) != "0":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@on_uvloop
async def test_a_hundred_probes_of_a_server_that_hangs_leave_one_connection_at_most(
    server: Postgres,
) -> None:
    prober = PostgresProber(Target(), server.dsn())
    await prober.probe(TIMEOUT)
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    server.pause()
    try:
        for _ in range(100):
            started = time.monotonic()
            result = await prober.probe(0.05)
            assert not result.success
            assert value(result, names.PG_UP) == 0
            assert time.monotonic() - started < 0.05 + SLACK
            assert len(list(Path("/proc/self/fd").iterdir())) <= open_files + 1
    finally:
        server.resume()
    deadline = time.monotonic() + 60
    while not (await prober.probe(TIMEOUT)).success:
        assert time.monotonic() < deadline, "it does not come back"
    await prober.close()


# --- a standby ----------------------------------------------------------------------------------


@on_uvloop
async def test_a_hot_standby_is_up_says_that_it_is_one_and_how_far_behind(
    server: Postgres,
) -> None:
    standby = Postgres(binaries=server.binaries)
    try:
        standby.follow(server, slot="standby")
        standby.start()
        standby.wait_ready()
        primary = await probe(server.dsn("monitoring", PASSWORD))
        deadline = time.monotonic() + 60
        while not of(primary, names.PG_STAT_REPLICATION_WAL_LSN_DIFF):
            assert time.monotonic() < deadline, "the standby does not stream"
            await asyncio.sleep(0.2)
            primary = await probe(server.dsn("monitoring", PASSWORD))
        assert value(primary, names.PG_REPLICATION_IS_REPLICA) == 0
        assert by_labels(primary, names.PG_REPLICATION_SLOTS_ACTIVE)["standby", "physical", ""] == 1
        result = await probe(standby.dsn("monitoring", PASSWORD))
        assert result.success
        assert result.detail == ""
        assert value(result, names.PG_REPLICATION_IS_REPLICA) == 1
        assert 0 <= value(result, names.PG_REPLICATION_LAG) < 60
        assert set(collected(result)) == {each.name for each in COLLECTORS}
        assert set(collected(result).values()) == {1}
    finally:
        standby.close()
        # The primary lets go of it after the standby has gone.
        deadline = time.monotonic() + 60
        active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'standby'"
        while server.execute(active) == "t":
            assert time.monotonic() < deadline, "the slot is still in use"
            await asyncio.sleep(0.05)
        server.execute("SELECT pg_drop_replication_slot('standby')")
