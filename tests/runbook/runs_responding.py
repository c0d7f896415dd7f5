"""The commands of "Alert Response": acknowledge, investigate, and what single alerts ask for."""

from __future__ import annotations

import asyncio
import json

from classes import Run
from live import DEFECT, Live, until

from demo.hurry import GATEWAY
from programs.process import child


async def the_alert_is_acknowledged_by_whoever_has_the_token(live: Live, line: str) -> None:
    alert = await live.alert()
    done = await live.json(line, {"<alert-id>": alert})
    assert (done["success"], done["alertId"]) == (True, alert)
    kept = await live.api(f"/api/alerts/{alert}")
    assert kept["acknowledged"] is True
    assert kept["acknowledgedAt"] == done["acknowledgedAt"]
    assert "Investigating the issue" in json.dumps(kept["notes"])


async def a_note_is_added_although_curl_calls_it_a_form(live: Live, line: str) -> None:
    alert = await live.alert()
    done = await live.json(line, {"<alert-id>": alert})
    assert done["alertId"] == alert
    kept = await live.api(f"/api/alerts/{alert}")
    assert "Resolved by restarting service" in json.dumps(kept["notes"])


async def errors_and_nothing_else(live: Live, line: str) -> None:
    await live.error()
    shown = (await live.run(line)).out.splitlines()
    assert 1 <= len(shown) <= 20
    assert all("error" in one.lower() for one in shown)


async def the_last_errors(live: Live, line: str) -> None:
    await live.error()
    shown = (await live.run(line)).out.splitlines()
    assert any(DEFECT in one for one in shown)


async def the_values_of_one_metric(live: Live, line: str) -> None:
    shown = (await live.run(line)).out.splitlines()
    assert "# TYPE probe_success gauge" in shown
    values = [one for one in shown if one.startswith("probe_success{")]
    assert len(values) >= 23
    assert {one.rpartition(" ")[2] for one in values} <= {"0", "1", "0.0", "1.0"}


async def the_state_of_everything(live: Live, line: str) -> None:
    health = await live.well(line)
    assert len({one["service"] for one in health["services"]} - {GATEWAY}) == 21


async def the_database_answers(live: Live, line: str) -> None:
    assert "(1 row)" in (await live.run(line)).out


async def redis_answers(live: Live, line: str) -> None:
    assert (await live.run(line)).out == "PONG\n"


async def three_services_one_by_one(live: Live, line: str) -> None:
    shown = (await live.run(line)).out
    for name in ("auth", "venue", "event"):
        answer = shown.partition(f"Checking {name}-service...\n")[2]
        assert f'"service": "{name}-service"' in answer.partition("Checking")[0]


async def the_payment_service_is_well(live: Live, line: str) -> None:
    answer = await live.json(line)
    assert (answer["status"], answer["service"]) == ("healthy", "payment-service")


async def how_the_payments_of_the_last_hour_ended(live: Live, line: str) -> None:
    rows = [one.split("|") for one in (await live.run(line)).out.splitlines() if "|" in one]
    counted = {row[0].strip(): int(row[1]) for row in rows[1:]}
    assert counted.keys() == {"completed", "failed", "refunded"}
    assert counted["completed"] > counted["failed"] > counted["refunded"]


async def how_many_connections_are_in_which_state(live: Live, line: str) -> None:
    rows = [one.split("|") for one in (await live.run(line)).out.splitlines() if "|" in one]
    assert [word.strip() for word in rows[0]] == ["count", "state"]
    counted = {row[1].strip(): int(row[0]) for row in rows[1:]}
    assert counted["active"] >= 1


async def the_slowest_query_and_its_end(live: Live, slow: str, kill: str) -> None:
    psql = child(
        [live.stack.postgres.binaries / "psql", live.dsn, "-c", "SELECT pg_sleep(600)"],
        log=live.shell.directory / "slow.log",
    )
    try:

        async def shown() -> list[str]:
            lines = (await live.run(slow)).out.splitlines()
            return [one for one in lines if "SELECT pg_sleep(600)" in one]

        (row,) = await until(shown)
        pid = row.split("|")[0].strip()
        assert " t\n" in (await live.run(kill, {"<pid>": pid})).out
        assert await asyncio.to_thread(psql.wait, 30) != 0
    finally:
        psql.kill()
    assert "terminating connection" in (live.shell.directory / "slow.log").read_text()


async def errors_are_counted_by_where_they_were_made(live: Live, line: str) -> None:
    shown = (await live.run(line)).out.splitlines()
    assert "# TYPE monitoring_errors_total counter" in shown
    assert any(one.startswith('monitoring_errors_total{component="web"}') for one in shown)


RUN = (
    Run(
        "1. Acknowledge Alert",
        ("acknowledge/<alert-id>",),
        the_alert_is_acknowledged_by_whoever_has_the_token,
    ),
    Run("2. Investigate", ("grep -i",), errors_and_nothing_else),
    Run("2. Investigate", ("<metric-name>",), the_values_of_one_metric),
    Run("2. Investigate", (".com/health",), the_state_of_everything),
    Run("2. Investigate", ("psql",), the_database_answers),
    Run("2. Investigate", ("redis-cli",), redis_answers),
    Run("2. Investigate", ("for service",), three_services_one_by_one),
    Run("4. Post-Resolution", ("/health",), the_state_of_everything),
    Run("4. Post-Resolution", ("/notes",), a_note_is_added_although_curl_calls_it_a_form),
    Run("Payment Failure Spike", ("payment-service",), the_payment_service_is_well),
    Run("Payment Failure Spike", ("psql",), how_the_payments_of_the_last_hour_ended),
    Run("Database Slow", ("count(*)",), how_many_connections_are_in_which_state),
    Run(
        "Database Slow",
        ("ORDER BY duration", "pg_terminate_backend"),
        the_slowest_query_and_its_end,
    ),
    Run("API Error Rate High", ("errors_total",), errors_are_counted_by_where_they_were_made),
    Run("API Error Rate High", ("tail -100",), the_last_errors),
)
