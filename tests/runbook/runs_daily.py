"""The morning's commands, and those of "Useful Commands": what a person sees."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from classes import Run
from live import BROKEN, DEFECT, Live, until

from demo.hurry import GATEWAY


async def the_health_of_all_21_services_and_of_both_databases(live: Live, line: str) -> None:
    health = await live.well(line)
    names = {one["service"] for one in health["services"]} - {GATEWAY}
    assert len(names) == 21
    assert {"payment-service", "monitoring-service"} <= names
    assert health["dependencies"].keys() == {"postgresql", "redis"}
    assert health["uptime"] > 0


async def all_21_services_with_their_figures(live: Live, line: str) -> None:
    services = (await live.json(line))["services"]
    assert len({one["service"] for one in services} - {GATEWAY}) == 21
    for one in services:
        assert one["status"] in ("healthy", "unhealthy"), one
        assert one["latency"] is not None


async def every_worker_and_when_it_ran(live: Live, line: str) -> None:
    async def none_fails() -> dict[str, Any]:
        workers = {one["name"]: one for one in (await live.json(line))["workers"]}
        well = all(one["status"] in ("idle", "running", "waiting") for one in workers.values())
        return workers if well else {}

    # One to which a busy machine let nobody answer is well again after its next run.
    workers = await until(none_fails)
    assert {"alert-evaluation", "metric-aggregation", "cleanup"} <= workers.keys()
    for one in workers.values():
        assert {"lastRun", "nextRun", "interval", "successCount", "errorCount"} <= one.keys()


async def the_open_alerts_although_the_shell_may_read_the_question_mark(
    live: Live, line: str
) -> None:
    alert = await live.alert()
    answer = await live.json(line)
    (mine,) = [one for one in answer["active"] if one["id"] == alert]
    assert mine["ruleName"] == "ServiceDown"
    assert mine["service"] == BROKEN
    assert mine["severity"] == "critical"
    assert answer["summary"]["critical"] >= 1


async def the_errors_of_the_log(live: Live, line: str) -> None:
    await live.error()
    lines = [json.loads(one) for one in (await live.run(line)).out.splitlines()]
    assert 1 <= len(lines) <= 100
    assert {one["level"] for one in lines} == {"error"}
    assert any(DEFECT in one["event"] for one in lines)


async def the_whole_log_as_it_is_written(live: Live, line: str) -> None:
    alert = await live.alert()
    path = f"/api/alerts/{alert}"
    async with asyncio.TaskGroup() as both:
        asking = both.create_task(live.keep_asking(path))
        shown = await live.shell.watch(line, b'"event"', path.encode())
        asking.cancel()
    assert "exporter.access" in shown


async def a_shell_in_the_services_database(live: Live, line: str) -> None:
    said = await live.run(line, typed="SELECT current_database();\n\\dt\n")
    assert "monitoring_prod" in said.out
    for table in ("alerts", "metrics", "payments"):
        assert f" {table} " in said.out


async def how_many_connections_there_are(live: Live, line: str) -> None:
    out = (await live.run(line)).out
    assert int(out.splitlines()[2]) >= 2


async def the_size_of_the_database(live: Live, line: str) -> None:
    out = (await live.run(line)).out
    number, unit = out.splitlines()[2].split()
    assert int(number) > 0
    assert unit in ("kB", "MB")


async def metrics_of_the_whole_service(live: Live, line: str) -> None:
    out = (await live.run(line)).out
    for name in ("probe_success", "monitoring_config_info", "alert_ledger_open_alerts"):
        assert f"\n{name}{{" in out or f"\n{name} " in out, name
    assert out.count("\nprobe_success{") >= 21


async def alerts_for_somebody_on_the_machine_with_a_token(live: Live, line: str) -> None:
    alert = await live.alert()
    answer = await live.json(line)
    assert alert in {one["id"] for one in answer["active"]}
    assert answer.keys() >= {"active", "recent", "summary"}


RUN = (
    Run(
        "Morning Checklist", ("/health | jq",), the_health_of_all_21_services_and_of_both_databases
    ),
    Run("Morning Checklist", ("/monitoring/services",), all_21_services_with_their_figures),
    Run("Morning Checklist", ("/monitoring/workers",), every_worker_and_when_it_ran),
    Run(
        "Morning Checklist",
        ("?status=active",),
        the_open_alerts_although_the_shell_may_read_the_question_mark,
    ),
    Run("Morning Checklist", ("tail -n 100",), the_errors_of_the_log),
    Run("2. Investigate", ("tail -f",), the_whole_log_as_it_is_written),
    Run("Database", ("psql $DATABASE_URL\n",), a_shell_in_the_services_database),
    Run("Database", ("SELECT count(*)",), how_many_connections_there_are),
    Run("Database", ("pg_database_size",), the_size_of_the_database),
    Run("Monitoring", ("/health | jq",), the_health_of_all_21_services_and_of_both_databases),
    Run("Monitoring", ("/metrics",), metrics_of_the_whole_service),
    Run("Monitoring", ("/api/alerts",), alerts_for_somebody_on_the_machine_with_a_token),
)
