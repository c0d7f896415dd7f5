"""The commands of "Common Issues": each shows what it is asked for."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime

from classes import Run
from front import NAME
from live import BROKEN, Live, until

from exporter.ledger.store import APPLICATION_NAME


async def who_has_the_port(live: Live, line: str) -> None:
    shown = (await live.run(line)).out.splitlines()
    assert any(
        str(live.stack.exporter.pid) in one.split() and one.endswith("(LISTEN)") for one in shown
    )


async def the_memory_of_the_service(live: Live, line: str) -> None:
    value = [
        one
        for one in (await live.run(line)).out.splitlines()
        if one.startswith("process_resident_memory_bytes ")
    ]
    assert float(value[0].split()[1]) > 20e6


async def the_pools_size_and_use(live: Live, line: str) -> None:
    shown = (await live.run(line)).out
    values = dict(one.split() for one in shown.splitlines() if not one.startswith("#"))
    assert float(values["monitoring_db_pool_max_connections"]) == 10
    assert 0 < float(values["monitoring_db_pool_available_connections"]) <= 10
    assert float(values["monitoring_db_pool_waiting_requests"]) == 0


async def connections_by_who_has_them(live: Live, line: str) -> None:
    rows = [one.split("|") for one in (await live.run(line)).out.splitlines() if "|" in one]
    counted = {row[1].strip(): int(row[0]) for row in rows[1:]}
    assert counted[APPLICATION_NAME] >= 2


async def idle_connections_end_and_the_service_does_not_mind(live: Live, line: str) -> None:
    as_printed = (await live.run(line)).out
    assert "pg_terminate_backend" in as_printed
    assert re.search(r"\(\d+ rows?\)", as_printed)
    # None need have been idle for so long here.
    at_once = line.replace("5 minutes", "0 seconds")
    ended = (await live.run(at_once.replace("pg_term", "pid, pg_term"))).out
    pids = re.findall(r"^ *(\d+) \| t$", ended, re.MULTILINE)
    assert pids

    async def gone() -> bool:
        return not live.sql(f"SELECT 1 FROM pg_stat_activity WHERE pid IN ({', '.join(pids)})")

    await until(gone)
    alert = await live.alert()
    for _ in range(3):
        assert (await live.api(f"/api/alerts/{alert}"))["id"] == alert
    assert await live.stack.api.health()


async def the_one_worker_without_a_token_on_this_machine(live: Live, line: str) -> None:
    worker = await live.json(line)
    assert worker["name"] == "alert-evaluation"
    every = live.stack.platform.workers.alert_evaluation
    assert worker["interval"] == every.total_seconds() * 1000

    async def runs_well() -> bool:
        nonlocal worker
        before, worker = worker, await live.json(line)
        if worker["errorCount"] > before["errorCount"]:
            return False
        return bool(worker["successCount"] > before["successCount"])

    # A run may have lost its connection to what the runbook ends besides.
    await until(runs_well)
    assert worker["status"] in ("idle", "running")


async def what_alertmanager_delivers(live: Live, line: str) -> None:
    await live.alert()
    service = live.stack.simulated.services[BROKEN]
    async with asyncio.TaskGroup() as both:
        ended = f"ServiceDown {BROKEN} resolved".encode()
        both.create_task(live.shell.watch(line, b"alert notification taken", ended))
        await service.repair()

    async def over() -> bool:
        found = await live.api(f"/api/alerts?name=ServiceDown&service={BROKEN}")
        return not found["active"]

    await until(over)
    live.alerts.clear()


async def the_mail_server_greets(live: Live, line: str) -> None:
    shown = await live.shell.watch(line, b"220 ", b"221 ", typed=b"QUIT\n")
    assert "Connected to" in shown


async def which_channels_have_variables(live: Live, line: str) -> None:
    names = {one.partition("=")[0] for one in (await live.run(line)).out.splitlines()}
    assert {"SMTP_HOST", "SMTP_PORT", "SLACK_WEBHOOK_URL_FILE"} <= names
    assert "PAGERDUTY_ROUTING_KEY_FILE" in names


async def metrics_and_none_of_them_stale(live: Live, line: str) -> None:
    shown = (await live.run(line)).out
    assert shown.count("\nprobe_success{") >= 23
    stamps = [
        float(one.rpartition(" ")[2])
        for one in shown.splitlines()
        if one.startswith("monitoring_probe_last_result_timestamp_seconds{")
    ]
    assert len(stamps) >= 23
    assert datetime.now().timestamp() - min(stamps) < 60  # noqa: DTZ005 - a difference


async def that_prometheus_scrapes_us(live: Live, line: str) -> None:
    targets = (await live.json(line))["data"]["activeTargets"]
    (ours,) = [one for one in targets if one["labels"]["job"] == "monitoring-service"]
    assert (ours["health"], ours["lastError"]) == ("up", "")


async def that_the_workers_run(live: Live, line: str) -> None:
    workers = {one["name"]: one for one in (await live.json(line))["workers"]}
    assert workers["alert-evaluation"]["lastRun"] is not None
    # What probes find is summed up when the next five minutes are over.
    assert workers["metric-aggregation"]["nextRun"] is not None
    assert workers["metric-aggregation"]["errorCount"] == 0
    # From elsewhere, which is through nginx, nobody is told without a token.
    asked = await live.run(line.replace("http://localhost:3017", f"https://{NAME}"))
    assert json.loads(asked.out)["code"] == "UNAUTHORIZED"


async def the_job_that_scrapes_us(live: Live, line: str) -> None:
    assert "job_name: monitoring-service" in (await live.run(line)).out


async def the_connection_and_the_answer(live: Live, line: str) -> None:
    said = await live.run(line)
    assert "Connected to" in said.err
    assert "< HTTP/1.1 200 OK" in said.err
    assert "\nprobe_success{" in said.out


RUN = (
    Run("Service Won't Start", ("lsof",), who_has_the_port),
    Run("High Memory Usage", ("process_resident_memory",), the_memory_of_the_service),
    Run("Database Connection Pool Exhausted", ("grep db_pool",), the_pools_size_and_use),
    Run("Database Connection Pool Exhausted", ("count(*)",), connections_by_who_has_them),
    Run(
        "Database Connection Pool Exhausted",
        ("pg_terminate_backend",),
        idle_connections_end_and_the_service_does_not_mind,
    ),
    Run(
        "Alerts Not Being Sent",
        ("jq '.workers[]",),
        the_one_worker_without_a_token_on_this_machine,
    ),
    Run("Alerts Not Being Sent", ("tail -f",), what_alertmanager_delivers),
    Run("Alerts Not Being Sent", ("telnet",), the_mail_server_greets),
    Run("Alerts Not Being Sent", ("env | grep",), which_channels_have_variables),
    Run(
        "Metrics Not Being Collected",
        ("curl http://localhost:3017/metrics",),
        metrics_and_none_of_them_stale,
    ),
    Run("Metrics Not Being Collected", ("prometheus:9090",), that_prometheus_scrapes_us),
    Run("Metrics Not Being Collected", ("/workers",), that_the_workers_run),
    Run("Metrics Not Being Collected", ("cat ",), the_job_that_scrapes_us),
    Run("Metrics Not Being Collected", ("curl -v",), the_connection_and_the_answer),
)
