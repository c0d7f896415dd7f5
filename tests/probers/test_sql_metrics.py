"""Metrics read by SQL from a real Postgres: all of a query's samples, or none and the reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import psycopg
import pytest
from databases import (
    HANGS,
    PASSWORD,
    SLACK,
    TIMEOUT,
    interfering,
    no_socket_or_task_left,
    of,
    on_uvloop,
    value,
)

from exporter.probers.result import ProbeResult, Reason
from exporter.probers.sql import SqlProber
from model import names
from model.durations import seconds
from model.sql import SqlMetrics, SqlValue
from programs import Postgres, free_port

MAX_CONNECTIONS = 12


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres(settings={"max_connections": str(MAX_CONNECTIONS)}) as started:
        started.execute(
            f"""
            CREATE TABLE payments (status text, amount numeric, paid boolean, tenant text);
            INSERT INTO payments VALUES
              ('completed', 10.5, true, 'a'), ('completed', NULL, true, 'b'),
              ('failed', 3, false, 'a'), (NULL, 1, false, 'b');
            CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';
            GRANT SELECT ON payments TO reader;
            CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}';
            CREATE TABLE walled AS SELECT * FROM payments;
            GRANT SELECT, INSERT ON walled TO reader;
            ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
            CREATE POLICY only_a ON walled TO reader USING (tenant = 'a');
            CREATE TABLE unlucky AS SELECT * FROM payments;
            GRANT SELECT ON unlucky TO reader;
            ALTER TABLE unlucky ENABLE ROW LEVEL SECURITY;
            """
        )
        yield started


COUNTS = "SELECT status, count(*) AS n FROM payments GROUP BY status"


def metrics(
    query: str = COUNTS,
    key_labels: tuple[str, ...] = ("status",),
    columns: tuple[str, ...] = ("n",),
    **limits: int,
) -> SqlMetrics:
    values = tuple(
        SqlValue(column=column, metric_name=f"shop_{column}", help="A figure.")
        for column in columns
    )
    return SqlMetrics(name="shop", query=query, key_labels=key_labels, values=values, **limits)


async def probe(url: str, target: SqlMetrics, timeout: float = TIMEOUT) -> ProbeResult:
    """One probe; it fails the test if it takes longer than it may."""
    prober = SqlProber(target, url)
    started = time.monotonic()
    result = await prober.probe(timeout)
    await prober.close()
    assert time.monotonic() - started < timeout + SLACK
    assert PASSWORD not in result.detail
    return result


def figures(result: ProbeResult, target: SqlMetrics) -> dict[tuple[str, ...], float]:
    return {
        (one.metric.name, *one.labels): one.value
        for one in result.samples
        if one.metric in target.metrics
    }


async def failing(server: Postgres, target: SqlMetrics) -> str:
    """What a query fails of; it must leave no sample but the time of its last success."""
    async with no_socket_or_task_left():
        result = await probe(server.dsn("reader", PASSWORD), target)
    assert (result.success, result.reason) == (False, Reason.QUERY), result.detail
    assert [sample.metric for sample in result.samples] == [names.SQL_LAST_SUCCESS]
    return result.detail


# --- the query ----------------------------------------------------------------------------------


@on_uvloop
async def test_a_query_that_writes_is_refused_although_the_role_may(server: Postgres) -> None:
    insert = (
        "WITH x AS (INSERT INTO walled VALUES ('x', 1, true, 'a') RETURNING 1) SELECT 1 AS n FROM x"
    )
    said = await failing(server, metrics(insert, ()))
    assert "WITH clause containing a data-modifying statement" in said
    server.execute(
        "CREATE OR REPLACE FUNCTION sell() RETURNS int LANGUAGE sql SECURITY DEFINER AS "
        "$$INSERT INTO payments VALUES ('x') RETURNING 1$$"
    )
    said = await failing(server, metrics("SELECT sell() AS n", ()))
    assert said == "cannot execute INSERT in a read-only transaction"


@on_uvloop
async def test_two_statements_are_refused(server: Postgres) -> None:
    assert "syntax error" in await failing(server, metrics("SELECT 1 AS n; COMMIT", ()))


@on_uvloop
async def test_a_table_that_is_not_there_and_one_that_is_forbidden_say_so(server: Postgres) -> None:
    said = await failing(server, metrics("SELECT count(*) AS n FROM nowhere", ()))
    assert said == 'relation "nowhere" does not exist'
    result = await probe(server.dsn("stranger", PASSWORD), metrics())
    assert (result.success, result.detail) == (False, "permission denied for table payments")


@on_uvloop
async def test_a_query_may_end_with_a_semicolon_hold_a_percent_sign_and_end_in_a_comment(
    server: Postgres,
) -> None:
    for query in (
        f"{COUNTS};",
        f"{COUNTS} -- all of them",
        COUNTS.replace("GROUP", "WHERE status LIKE '%' OR status IS NULL GROUP"),
    ):
        assert (await probe(server.dsn(), metrics(query))).success, query


# --- rows, labels, values -----------------------------------------------------------------------


@on_uvloop
async def test_each_row_is_a_label_set_a_null_label_is_empty_and_a_null_value_no_sample(
    server: Postgres,
) -> None:
    target = metrics(
        "SELECT status, tenant, amount AS n, paid AS m FROM payments",
        ("tenant", "status"),
        ("n", "m"),
    )
    result = await probe(server.dsn("reader", PASSWORD), target)
    assert result.success, result.detail
    assert figures(result, target) == {
        ("shop_n", "a", "completed"): 10.5,
        ("shop_m", "a", "completed"): 1,
        ("shop_m", "b", "completed"): 1,
        ("shop_n", "a", "failed"): 3,
        ("shop_m", "a", "failed"): 0,
        ("shop_n", "b", ""): 1,
        ("shop_m", "b", ""): 0,
    }
    assert value(result, names.SQL_ROWS) == 4


@on_uvloop
async def test_no_row_is_a_success_without_samples(server: Postgres) -> None:
    target = metrics("SELECT 'x' AS status, 1 AS n WHERE false")
    result = await probe(server.dsn(), target)
    assert result.success
    assert figures(result, target) == {}
    assert value(result, names.SQL_ROWS) == 0


@on_uvloop
async def test_as_many_rows_as_the_limit_pass_and_one_more_fails(server: Postgres) -> None:
    def rows(count: int) -> SqlMetrics:
        return metrics(f"SELECT n AS status, n FROM generate_series(1, {count}) AS n", row_limit=5)

    assert len(figures(await probe(server.dsn(), rows(5)), rows(5))) == 5
    assert await failing(server, rows(6)) == "it returns more than 5 rows"


@on_uvloop
async def test_a_hundred_million_rows_cost_no_more_than_one_too_many(server: Postgres) -> None:
    said = await failing(server, metrics("SELECT 1 AS n FROM pg_class, pg_class b, pg_class c", ()))
    assert said == "it returns more than 100 rows"


@on_uvloop
async def test_a_label_as_long_as_the_limit_passes_and_one_character_more_fails(
    server: Postgres,
) -> None:
    def label(length: int) -> SqlMetrics:
        return metrics(f"SELECT repeat('ü', {length}) AS status, 1 AS n", label_length_limit=8)

    assert figures(await probe(server.dsn(), label(8)), label(8)) == {("shop_n", "ü" * 8): 1}
    said = await failing(server, label(9))
    assert said == "a value of the label status is longer than 8 characters"


@pytest.mark.parametrize(
    ("query", "key_labels", "says"),
    [
        ("VALUES (1), (2)", (), "it has no column, or more than one, named n"),
        ("SELECT 1 AS n, 2 AS n", (), "it has no column, or more than one, named n"),
        ("SELECT 1 AS n", ("status",), "it has no column, or more than one, named status"),
        ("SELECT 1 AS n UNION ALL SELECT 2", (), "two rows have the same labels (it has no key"),
        (
            "SELECT NULL AS status, 1 AS n UNION ALL SELECT '', 2",
            ("status",),
            "two rows have the same labels (status)",
        ),
        ("SELECT '7' AS n", (), "the value column n holds str, which is no number; cast it"),
        ("SELECT now() AS n", (), "the value column n holds datetime, which is no number"),
        ("SELECT 1 / 0 AS n", (), "division by zero"),
    ],
)
@on_uvloop
async def test_what_cannot_be_a_sample_fails_the_query(
    server: Postgres, query: str, key_labels: tuple[str, ...], says: str
) -> None:
    assert (await failing(server, metrics(query, key_labels))).startswith(says)


@pytest.mark.parametrize(
    ("sql", "number"),
    [("9223372036854775807", 2.0**63), ("12.25", 12.25), ("'-Infinity'::float8", float("-inf"))],
)
@on_uvloop
async def test_every_type_of_number_is_read(server: Postgres, sql: str, number: float) -> None:
    target = metrics(f"SELECT {sql} AS n", ())
    assert figures(await probe(server.dsn(), target), target) == {("shop_n",): number}


# --- row-level security -------------------------------------------------------------------------


@on_uvloop
async def test_with_row_level_security_the_roles_policy_decides_what_is_counted(
    server: Postgres,
) -> None:
    target = metrics("SELECT count(*) AS n FROM walled", ())
    url = server.dsn("reader", PASSWORD)
    assert figures(await probe(url, target), target) == {("shop_n",): 2}
    assert figures(await probe(server.dsn(), target), target) == {("shop_n",): 4}


@on_uvloop
async def test_without_a_policy_for_the_role_a_table_with_row_level_security_is_empty(
    server: Postgres,
) -> None:
    target = metrics("SELECT count(*) AS n FROM unlucky", ())
    result = await probe(server.dsn("reader", PASSWORD), target)
    assert figures(result, target) == {("shop_n",): 0}


# --- time, connections --------------------------------------------------------------------------


def sessions(server: Postgres) -> int:
    return int(
        server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'monitoring-service'"
        )
    )


async def no_session_left(server: Postgres) -> None:
    deadline = time.monotonic() + 60
    while sessions(server):
        assert time.monotonic() < deadline, "Postgres still has our sessions"
        await asyncio.sleep(0.05)


@on_uvloop
async def test_a_slow_query_is_ended_by_the_server_in_time(server: Postgres) -> None:
    async with no_socket_or_task_left():
        result = await probe(server.dsn(), metrics("SELECT pg_sleep(60), 1 AS n", ()), TIMEOUT)
    assert (result.success, result.reason) == (False, Reason.TIMEOUT)
    assert result.detail == "canceling statement due to statement timeout"
    await no_session_left(server)


@on_uvloop
async def test_a_locked_table_is_a_timeout(server: Postgres) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn()) as other:
        await other.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        result = await probe(server.dsn(), metrics(), HANGS)
        await other.rollback()
    assert (result.success, result.reason) == (False, Reason.TIMEOUT)


@on_uvloop
async def test_a_query_whose_answer_is_lost_is_cut_off_in_time(server: Postgres) -> None:
    async with (
        no_socket_or_task_left(),
        interfering(server.port, b"payments", "swallow") as port,
    ):
        url = server.dsn().replace(f":{server.port}", f":{port}")
        result = await probe(url, metrics(), HANGS)
    assert (result.success, result.reason) == (False, Reason.TIMEOUT)
    await no_session_left(server)


@on_uvloop
async def test_a_server_that_hangs_refuses_or_dislikes_the_password_is_a_failure_with_a_reason(
    server: Postgres,
) -> None:
    nobody = await probe(f"postgresql://reader@127.0.0.1:{free_port()}/x", metrics())
    assert nobody.reason is Reason.CONNECT_REFUSED
    assert (await probe(server.dsn("reader", "wrong"), metrics())).reason is Reason.AUTH
    server.pause()
    try:
        async with no_socket_or_task_left():
            assert (await probe(server.dsn(), metrics(), HANGS)).reason is Reason.CONNECT_TIMEOUT
    finally:
        server.resume()
    await no_session_left(server)


@on_uvloop
async def test_the_time_of_the_last_success_outlives_failures(server: Postgres) -> None:
    prober = SqlProber(metrics(), server.dsn())
    [never] = of(await SqlProber(metrics("x"), server.dsn()).probe(3), names.SQL_LAST_SUCCESS)
    assert never.value == 0
    before = time.time()
    assert before <= value(await prober.probe(TIMEOUT), names.SQL_LAST_SUCCESS) <= time.time()
    server.execute("ALTER TABLE payments RENAME TO moved")
    try:
        broken = await prober.probe(TIMEOUT)
    finally:
        server.execute("ALTER TABLE moved RENAME TO payments")
    assert not broken.success
    assert before <= value(broken, names.SQL_LAST_SUCCESS) < broken.ended_at


@on_uvloop
async def test_cancelling_a_query_leaves_nothing_behind(server: Postgres) -> None:
    async with no_socket_or_task_left():
        prober = SqlProber(metrics("SELECT pg_sleep(60), 1 AS n", ()), server.dsn())
        task = asyncio.create_task(prober.probe(60))
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait([task], timeout=SLACK)
        assert task.cancelled()
    await no_session_left(server)


def test_the_default_deadline_fits_into_the_interval() -> None:
    assert metrics().timeout < metrics().interval == seconds(60)
