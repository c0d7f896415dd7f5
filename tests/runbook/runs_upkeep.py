"""The commands and statements of "Maintenance Tasks" and "Performance Tuning"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from classes import Run
from live import Live, of_today, one_day, until
from sqlalchemy import insert
from stores import beside
from test_archives import alert, measured

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import alerts, metrics

_PSQL = "psql --no-psqlrc --set=ON_ERROR_STOP=1 $DATABASE_URL"


async def old_metrics_move_to_the_archive(live: Live, statements: str) -> None:
    now = datetime.now(UTC)
    rows = [measured(now - timedelta(days=days), "old-web") for days in (89, 91, 200)]
    async with beside(StoreOptions(url=live.dsn)) as store, store.begin() as connection:
        await connection.execute(insert(metrics), rows)
    said = await live.run(_PSQL, typed=statements)
    assert (said.out, said.err) == ("BEGIN\nSELECT 2\nDELETE 2\nCOMMIT\n", "")
    asked = "SELECT count(*) FROM {} WHERE target = 'old-web'"
    assert live.sql(asked.format("metrics")) == ["1"]
    assert live.sql(asked.format("metrics_archive_2025_01")) == ["2"]


async def old_alerts_move_to_the_archive_and_the_history_has_them_still(
    live: Live, statements: str
) -> None:
    now = datetime.now(UTC)
    rows = [alert(now - timedelta(days=days), service="old-web") for days in (29, 31, 400)]
    rows.append(alert(now - timedelta(days=45), status="active", service="old-web"))
    async with beside(StoreOptions(url=live.dsn)) as store, store.begin() as connection:
        await connection.execute(insert(alerts), rows)
    said = await live.run(_PSQL, typed=statements)
    assert (said.out, said.err) == ("BEGIN\nSELECT 2\nDELETE 2\nCOMMIT\n", "")
    assert live.sql("SELECT count(*) FROM alerts_archive_2025_01") == ["2"]
    kept = {str(row["id"]) for row in rows}
    history = await live.api("/api/alerts/history?service=old-web")
    assert {one["id"] for one in history["alerts"]} == kept
    moved = await live.api(f"/api/alerts/{rows[2]['id']}")
    assert moved["id"] == rows[2]["id"]
    # So that nobody is told about it.
    live.sql("DELETE FROM alerts WHERE service = 'old-web'")


async def tables_are_vacuumed(live: Live, one: str, other: str) -> None:
    for statement, table in ((one, "metrics"), (other, "alerts")):
        before = live.sql(f"SELECT vacuum_count FROM pg_stat_user_tables WHERE relname='{table}'")
        said = await live.run(_PSQL, typed=statement)
        assert (said.out, said.err) == ("VACUUM\n", "")

        async def counted(table: str = table, before: list[str] = before) -> bool:
            asked = f"SELECT vacuum_count FROM pg_stat_user_tables WHERE relname='{table}'"
            return int(live.sql(asked)[0]) > int(before[0])

        await until(counted)


async def the_log_is_rotated_and_goes_on_in_a_new_file(live: Live, entry: str) -> None:
    written = live.logs / "monitoring-combined.log"
    await live.api("/api/alerts")
    file, state = live.shell.directory / "entry", live.shell.directory / "state"
    file.write_text(live.shell.here.applied(entry, {}))
    file.chmod(0o644)
    said = await live.run(f"logrotate --force --state {state} {file}")
    assert said.err == ""
    rotated = written.with_name(f"{written.name}.1")
    # Not compressed before the next turn.
    assert '"event"' in rotated.read_text()

    async def goes_on() -> bool:
        await live.api("/api/alerts")
        return "exporter.access" in written.read_text()

    await until(goes_on)
    assert written.stat().st_mode & 0o777 == 0o640


async def when_the_certificate_ends_and_that_nginx_takes_a_new_one(
    live: Live, dates: str, reload: str
) -> None:
    async def not_after() -> datetime:
        said = (await live.run(dates)).out.splitlines()
        assert [one.partition("=")[0] for one in said] == ["notBefore", "notAfter"]
        text = said[1].partition("=")[2]
        return datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)

    before = await not_after()
    wanted = before + timedelta(days=80)
    # As certbot would.
    live.front.renew(wanted)
    await live.run(reload)

    async def renewed() -> bool:
        return await not_after() == wanted

    await until(renewed)
    assert (await live.api("/api/alerts"))["summary"]


async def a_dump_restores_elsewhere_and_nothing_is_missing(
    live: Live, dump: str, pack: str, unpack: str, restore: str
) -> None:
    await one_day()
    tables = ("alerts", "alert_notes", "payments")
    ids = {table: set(live.sql(f"SELECT id FROM {table}")) for table in tables}
    assert ids["payments"]
    name = f"monitoring_backup_{datetime.now(UTC):%Y%m%d}.sql"
    for line in (dump, pack):
        assert (await live.run(line)).err == ""
    assert (live.shell.directory / f"{name}.gz").exists()
    live.stack.postgres.execute("CREATE DATABASE restored")
    elsewhere = live.stack.postgres.dsn(dbname="restored")
    for line in (unpack, restore):
        said = await live.run(line, of_today(), variables={"DATABASE_URL": elsewhere})
        assert said.err == ""
    for table in tables:
        found = set(live.stack.postgres.execute(f"SELECT id FROM {table}", "restored").split())
        assert found >= ids[table]
    migrated = await live.run("python -m exporter migrate", variables={"DATABASE_URL": elsewhere})
    assert "revision" in migrated.out


async def indexes_are_made_while_the_service_writes(
    live: Live, one: str, other: str, analyze: str, analyze_other: str
) -> None:
    for statement in (one, other, analyze, analyze_other):
        assert (await live.run(_PSQL, typed=statement)).err == ""
    valid = live.sql(
        "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE indisvalid AND relname LIKE 'idx_%' ORDER BY 1"
    )
    assert {"idx_alerts_created_status", "idx_metrics_timestamp"} <= set(valid)


async def redis_keeps_snapshots_and_a_limit_and_we_show_it(
    live: Live, save: str, limit: str, policy: str
) -> None:
    try:
        for line in (save, limit, policy):
            assert (await live.run(line)).out == "OK\n"
        asked = await live.run("redis-cli CONFIG GET maxmemory-policy")
        assert "allkeys-lru" in asked.out
        kept = (await live.run("redis-cli CONFIG GET save")).out
        assert kept.split("\n")[1] == "900 1 300 10 60 10000"

        async def shown() -> bool:
            page = (await live.run("curl -s http://localhost:3017/metrics")).out
            return any(
                one.startswith("redis_config_maxmemory{") and float(one.rpartition(" ")[2]) == 2**31
                for one in page.splitlines()
            )

        await until(shown)
    finally:
        await live.run('redis-cli CONFIG SET save ""')
        await live.run("redis-cli CONFIG SET maxmemory 0")


RUN = (
    Run(
        "Database Cleanup",
        ("CREATE TABLE metrics_archive",),
        old_metrics_move_to_the_archive,
    ),
    Run(
        "Database Cleanup",
        ("CREATE TABLE alerts_archive",),
        old_alerts_move_to_the_archive_and_the_history_has_them_still,
    ),
    Run(
        "Database Cleanup",
        ("VACUUM ANALYZE metrics", "VACUUM ANALYZE alerts"),
        tables_are_vacuumed,
    ),
    Run("Log Rotation", ("rotate 7",), the_log_is_rotated_and_goes_on_in_a_new_file),
    Run(
        "Certificate Renewal",
        ("openssl", "nginx -s reload"),
        when_the_certificate_ends_and_that_nginx_takes_a_new_one,
    ),
    Run(
        "Backup and Restore",
        ("pg_dump", "gzip monitoring", "gunzip", "psql"),
        a_dump_restores_elsewhere_and_nothing_is_missing,
    ),
    Run(
        "Optimize Database Queries",
        ("idx_metrics_timestamp", "idx_alerts", "ANALYZE metrics", "ANALYZE alerts"),
        indexes_are_made_while_the_service_writes,
    ),
    Run(
        "Optimize Redis",
        ("SET save", "maxmemory 2gb", "maxmemory-policy"),
        redis_keeps_snapshots_and_a_limit_and_we_show_it,
    ),
)
