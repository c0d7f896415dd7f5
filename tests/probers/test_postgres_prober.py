"""Probing a real Postgres: down with the right reason, in time, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest
from databases import (
    HANGS,
    PASSWORD,
    SLACK,
    TIMEOUT,
    interfering,
    listening,
    no_socket_or_task_left,
    of,
    on_uvloop,
    value,
)

from exporter.probers.postgres import COLLECTORS, PostgresProber
from exporter.probers.result import ProbeResult, Reason
from model import names
from model.targets import Postgres as Target
from programs import Postgres, free_port

MAX_CONNECTIONS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres(settings={"max_connections": str(MAX_CONNECTIONS)}) as started:
        started.execute(
            f"""
            CREATE ROLE monitoring LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor;
            CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}';
            CREATE ROLE lonely LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 0;
            CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0;
            CREATE DATABASE closed;
            REVOKE CONNECT ON DATABASE closed FROM PUBLIC;
            CREATE ROLE forbidden LOGIN PASSWORD '{PASSWORD}';
            CREATE ROLE waiting LOGIN PASSWORD '{PASSWORD}';
            CREATE SCHEMA shadow;
            CREATE TABLE shadow.pg_stat_activity (datname text, state text, backend_type text,
              usename text, application_name text, xact_start timestamptz,
              wait_event_type text, wait_event text);
            GRANT USAGE ON SCHEMA shadow TO forbidden, waiting;
            GRANT SELECT ON shadow.pg_stat_activity TO waiting;
            ALTER ROLE forbidden SET search_path = shadow, pg_catalog;
            ALTER ROLE waiting SET search_path = shadow, pg_catalog;
            """
        )
        yield started


async def probe(url: str, timeout: float = TIMEOUT) -> ProbeResult:
    """One probe; it fails the test if it takes longer than it may."""
    prober = PostgresProber(Target(), url)
    started = time.monotonic()
    try:
        result = await prober.probe(timeout)
    finally:
        await prober.close()
    assert time.monotonic() - started < timeout + SLACK
    assert PASSWORD not in result.detail
    return result


def collectors(result: ProbeResult) -> dict[str, float]:
    return {one.labels[0]: one.value for one in of(result, names.PG_COLLECTOR_SUCCESS)}


def assert_down(result: ProbeResult, reason: Reason) -> None:
    assert (result.success, result.reason) == (False, reason), result.detail
    assert value(result, names.PG_UP) == 0
    assert value(result, names.PG_LAST_SCRAPE_ERROR) == 1
    assert result.detail


def assert_up(result: ProbeResult) -> None:
    assert (result.success, result.reason) == (True, None), result.detail
    assert value(result, names.PG_UP) == 1


def counts(result: ProbeResult) -> dict[tuple[str, ...], float]:
    """Sessions by database, state, user and application; without those that nobody is in.

    And without psql's, which may still be ending.
    """
    found: dict[tuple[str, ...], float] = {}
    for one in of(result, names.PG_STAT_ACTIVITY_COUNT):
        if one.value and one.labels[3] != "psql":
            found[one.labels[:4]] = found.get(one.labels[:4], 0) + one.value
    return found


def sessions(server: Postgres) -> int:
    return int(
        server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'monitoring-service'"
        )
    )


async def nobody_else(server: Postgres) -> None:
    """Wait until the sessions of earlier tests, which end after their connections, are gone."""
    deadline = time.monotonic() + 60
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND application_name <> 'psql'"
    )
    while server.execute(query) != "0":
        assert time.monotonic() < deadline, "sessions are left of an earlier test"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def nothing_left_behind(server: Postgres) -> AsyncIterator[None]:
    """Afterwards neither we nor the server have a connection that was not there before."""
    async with no_socket_or_task_left():
        yield
    deadline = time.monotonic() + 60
    while sessions(server):
        assert time.monotonic() < deadline, "Postgres still has our sessions"
        await asyncio.sleep(0.05)


def through(port: int, server: Postgres) -> str:
    """The URL of a server by way of another port."""
    return server.dsn().replace(f":{server.port}", f":{port}")


# --- down ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["all", "postmaster"])
@on_uvloop
async def test_a_stopped_server_is_down_within_the_deadline_and_leaves_nothing_behind(
    server: Postgres, who: str
) -> None:
    assert_up(await probe(server.dsn()))
    async with nothing_left_behind(server):
        if who == "all":
            server.pause()
        else:
            os.kill(server.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                assert_down(await probe(server.dsn(), HANGS), Reason.CONNECT_TIMEOUT)
        finally:
            server.resume()
        assert_up(await probe(server.dsn()))


@on_uvloop
async def test_a_server_that_nobody_started_refuses() -> None:
    url = f"postgresql://monitoring:{PASSWORD}@127.0.0.1:{free_port()}/x"
    assert_down(await probe(url), Reason.CONNECT_REFUSED)


@on_uvloop
async def test_a_name_that_does_not_exist_is_a_failure_of_dns() -> None:
    assert_down(await probe("postgresql://monitoring@no-such-host.invalid/x"), Reason.DNS)


@pytest.mark.parametrize(
    ("user", "password"),
    [("monitoring", "wrong"), ("monitoring", ""), ("nobody", "x"), ("ssl", "")],
)
@on_uvloop
async def test_a_wrong_user_or_password_is_a_failure_of_authentication(
    server: Postgres, user: str, password: str
) -> None:
    async with nothing_left_behind(server):
        assert_down(await probe(server.dsn(user, password)), Reason.AUTH)


@on_uvloop
async def test_a_database_that_we_may_not_enter_is_a_failure_of_authentication(
    server: Postgres,
) -> None:
    assert_down(await probe(server.dsn("stranger", PASSWORD, "closed")), Reason.AUTH)


@pytest.mark.parametrize("name", ["missing", "ssl_certificates", "connection refused"])
@on_uvloop
async def test_a_database_that_does_not_exist_is_named_whatever_it_is_called(
    server: Postgres, name: str
) -> None:
    result = await probe(server.dsn(dbname=name))
    assert_down(result, Reason.CONNECT)
    assert f'database "{name}" does not exist' in result.detail


@on_uvloop
async def test_tls_that_the_server_does_not_have_is_a_failure_of_tls(server: Postgres) -> None:
    assert_down(await probe(server.dsn() + "?sslmode=require"), Reason.TLS)


@on_uvloop
async def test_a_full_server_has_too_many_clients(server: Postgres) -> None:
    async with nothing_left_behind(server), AsyncExitStack() as held:
        try:
            for _ in range(MAX_CONNECTIONS + 1):
                await held.enter_async_context(await psycopg.AsyncConnection.connect(server.dsn()))
        except psycopg.OperationalError:
            pass
        else:
            pytest.fail("the server is not full")
        assert_down(await probe(server.dsn()), Reason.TOO_MANY_CLIENTS)
        assert_down(await probe(server.dsn("monitoring", PASSWORD)), Reason.TOO_MANY_CLIENTS)


@on_uvloop
async def test_a_role_that_has_all_its_connections_has_too_many_clients(server: Postgres) -> None:
    assert_down(await probe(server.dsn("lonely", PASSWORD)), Reason.TOO_MANY_CLIENTS)


@pytest.mark.parametrize("password", [f"{PASSWORD}%zz", f"{PASSWORD} x"])
@on_uvloop
async def test_a_url_that_libpq_cannot_read_is_not_repeated(password: str) -> None:
    url = f"postgresql://monitoring:{password}@127.0.0.1:{free_port()}/x"
    assert_down(await probe(url), Reason.CONNECT)


@on_uvloop
async def test_a_server_that_is_not_postgres_is_down_in_time() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with listening(speak) as port:
        result = await probe(f"postgresql://monitoring@127.0.0.1:{port}/x")
    assert (result.success, value(result, names.PG_UP)) == (False, 0)


# --- the trivial query --------------------------------------------------------------------------


@on_uvloop
async def test_a_query_that_never_comes_back_is_a_timeout_and_counts_as_over_every_bucket(
    server: Postgres,
) -> None:
    async with (
        nothing_left_behind(server),
        interfering(server.port, b"SELECT 1\0", "swallow") as port,
    ):
        prober = PostgresProber(Target(), through(port, server))
        result = await prober.probe(HANGS)
        assert_down(result, Reason.TIMEOUT)
        [sample] = of(result, names.PG_ROUND_TRIP)
        assert (sum(sample.buckets), sample.buckets[-1]) == (1, 1)
        assert 0 < sample.sum < HANGS + SLACK
        [again] = of(await prober.probe(HANGS), names.PG_ROUND_TRIP)
        assert (sum(again.buckets), again.buckets[-1]) == (2, 2)
        await prober.close()


@on_uvloop
async def test_a_server_that_is_stopped_in_the_middle_of_a_query_holds_up_nothing(
    server: Postgres,
) -> None:
    """It cannot be asked to cancel the query either, as psycopg would."""
    asked = asyncio.Event()
    async with (
        nothing_left_behind(server),
        interfering(server.port, b"SELECT 1\0", "swallow", asked) as port,
    ):
        try:
            async with no_socket_or_task_left():
                task = asyncio.create_task(probe(through(port, server), TIMEOUT))
                await asyncio.wait_for(asked.wait(), TIMEOUT)
                server.pause()
                assert_down(await task, Reason.TIMEOUT)
        finally:
            server.resume()


@on_uvloop
async def test_a_connection_that_breaks_is_down(server: Postgres) -> None:
    async with nothing_left_behind(server), interfering(server.port, b"SELECT 1\0", "cut") as port:
        result = await probe(through(port, server))
        assert_down(result, Reason.RESET)
        [sample] = of(result, names.PG_ROUND_TRIP)
        assert sum(sample.buckets) == 0


@on_uvloop
async def test_a_connection_that_breaks_between_collectors_is_down(server: Postgres) -> None:
    async with interfering(server.port, b"pg_database_size", "cut") as port:
        assert_down(await probe(through(port, server)), Reason.RESET)


@on_uvloop
async def test_every_answer_is_one_round_trip_in_the_histogram(server: Postgres) -> None:
    prober = PostgresProber(Target(), server.dsn())
    for count in (1, 2, 3):
        [sample] = of(await prober.probe(TIMEOUT), names.PG_ROUND_TRIP)
        assert (sum(sample.buckets), sample.buckets[-1]) == (count, 0)
        assert 0 < sample.sum < count * TIMEOUT
    await prober.close()


# --- collectors ---------------------------------------------------------------------------------


@on_uvloop
async def test_a_forbidden_view_fails_its_collector_and_nothing_else(server: Postgres) -> None:
    result = await probe(server.dsn("forbidden", PASSWORD))
    assert_up(result)
    assert collectors(result) == {each.name: each.name != "stat_activity" for each in COLLECTORS}
    assert value(result, names.PG_LAST_SCRAPE_ERROR) == 1
    assert result.detail == "stat_activity: permission denied for table pg_stat_activity"
    assert value(result, names.PG_SETTINGS_MAX_CONNECTIONS) == MAX_CONNECTIONS


@on_uvloop
async def test_a_view_that_is_locked_is_no_reason_to_page_as_postgres_has_answered(
    server: Postgres,
) -> None:
    async with nothing_left_behind(server):
        async with await psycopg.AsyncConnection.connect(server.dsn()) as other:
            await other.execute("LOCK TABLE shadow.pg_stat_activity IN ACCESS EXCLUSIVE MODE")
            result = await probe(server.dsn("waiting", PASSWORD), 4.0)
            await other.rollback()
        assert_up(result)
        assert collectors(result) == {
            each.name: each.name != "stat_activity" for each in COLLECTORS
        }
        assert value(result, names.PG_LAST_SCRAPE_ERROR) == 1
        assert result.detail.startswith("stat_activity: ")


@on_uvloop
async def test_without_pg_monitor_others_sessions_are_counted_all_the_same(
    server: Postgres,
) -> None:
    await nobody_else(server)
    async with await psycopg.AsyncConnection.connect(server.dsn(dbname="ascii")):
        result = await probe(server.dsn("stranger", PASSWORD))
    assert_up(result)
    assert counts(result) == {
        ("postgres", "active", "stranger", "monitoring-service"): 1,
        # The connection that was made to see whether one can be.
        ("postgres", "idle", "stranger", "monitoring-service"): 1,
        ("ascii", "hidden", "postgres", ""): 1,
    }


@on_uvloop
async def test_with_pg_monitor_sessions_are_counted_by_database_and_state(
    server: Postgres,
) -> None:
    await nobody_else(server)
    async with (
        await psycopg.AsyncConnection.connect(server.dsn(dbname="ascii"), autocommit=True),
        await psycopg.AsyncConnection.connect(server.dsn()) as transaction,
    ):
        await transaction.execute("SELECT 1")
        result = await probe(server.dsn("monitoring", PASSWORD))
    assert counts(result) == {
        ("postgres", "active", "monitoring", "monitoring-service"): 1,
        ("postgres", "idle", "monitoring", "monitoring-service"): 1,
        ("postgres", "idle in transaction", "postgres", ""): 1,
        ("ascii", "idle", "postgres", ""): 1,
    }


@pytest.mark.parametrize("dbname", ["postgres", "ascii"])
@on_uvloop
async def test_a_healthy_server_has_every_sample_whatever_its_encoding(
    server: Postgres, dbname: str
) -> None:
    result = await probe(server.dsn("monitoring", PASSWORD, dbname))
    assert_up(result)
    assert result.detail == ""
    assert value(result, names.PG_LAST_SCRAPE_ERROR) == 0
    assert set(collectors(result).values()) == {1}
    started = float(server.execute("SELECT extract(epoch FROM pg_postmaster_start_time())"))
    assert value(result, names.PG_POSTMASTER_START_TIME) == pytest.approx(started, abs=0.001)
    sizes = {one.labels[0]: one.value for one in of(result, names.PG_DATABASE_SIZE)}
    assert {"postgres", "ascii", "template1"} <= set(sizes)
    assert "closed" not in sizes, "its size would need the right to connect"
    assert min(sizes.values()) > 1_000_000


# --- cancelling ---------------------------------------------------------------------------------


@on_uvloop
async def test_cancelling_at_any_moment_leaves_nothing_behind(server: Postgres) -> None:
    prober = PostgresProber(Target(), server.dsn())
    async with nothing_left_behind(server):
        for moment in range(40):
            task = asyncio.create_task(prober.probe(TIMEOUT))
            await asyncio.sleep(moment * 0.0005)
            task.cancel()
            await asyncio.wait([task], timeout=TIMEOUT / 2)
            assert task.done(), f"it goes on after being cancelled at {moment * 0.5} ms"
        await prober.close()


@on_uvloop
async def test_cancelling_a_query_that_hangs_takes_no_longer_than_one_that_does_not(
    server: Postgres,
) -> None:
    asked = asyncio.Event()
    async with (
        nothing_left_behind(server),
        interfering(server.port, b"SELECT 1\0", "swallow", asked) as port,
    ):
        prober = PostgresProber(Target(), through(port, server))
        task = asyncio.create_task(prober.probe(60))
        await asyncio.wait_for(asked.wait(), 60)
        task.cancel()
        await asyncio.wait([task], timeout=SLACK)
        assert task.cancelled()
        await prober.close()
