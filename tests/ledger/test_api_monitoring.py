"""What is watched, by the API: services, one of them, workers, all at a glance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api_serving import Api, alert, api
from sqlalchemy import insert
from stores import sqlite

from exporter.ledger.tables import metrics

SERVICES = "/api/v1/monitoring/services"
WORKERS = "/api/v1/monitoring/workers"
OVERVIEW = "/api/v1/monitoring/dashboard/overview"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path, sqlite(tmp_path)) as made:
        yield made


# --- workers ------------------------------------------------------------------------------------


async def test_a_client_on_this_machine_reads_the_workers_without_a_token(served: Api) -> None:
    answer = await served.client.get(WORKERS)
    assert answer.status == 200
    workers = (await answer.json())["workers"]
    assert {"alert-evaluation", "metric-aggregation", "cleanup"} <= {
        worker["name"] for worker in workers
    }
    assert sorted(workers[0]) == sorted(
        (
            "name",
            "status",
            "lastRun",
            "nextRun",
            "interval",
            "successCount",
            "errorCount",
            "lastError",
            "replica",
        )
    )
    (aggregation,) = (one for one in workers if one["name"] == "metric-aggregation")
    assert (aggregation["interval"], aggregation["errorCount"]) == (300_000, 0)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Via"])
async def test_a_stranger_behind_a_proxy_on_this_machine_needs_a_token(
    served: Api, header: str
) -> None:
    forwarded = {header: "127.0.0.1"}
    assert (await served.client.get(WORKERS, headers=forwarded)).status == 401
    with_token = forwarded | served.bearer("viewer")
    assert (await served.client.get(WORKERS, headers=with_token)).status == 200


async def test_being_on_this_machine_opens_nothing_else(served: Api) -> None:
    for path in (SERVICES, OVERVIEW, "/api/alerts"):
        assert (await served.client.get(path)).status == 401
    assert (await served.client.post(WORKERS)).status == 405


async def test_a_token_that_is_not_valid_is_not_overlooked_on_this_machine(served: Api) -> None:
    headers = {"Authorization": "Bearer forged"}
    assert (await served.client.get(WORKERS, headers=headers)).status == 401


# --- services -----------------------------------------------------------------------------------


async def test_every_service_is_listed_and_counted(served: Api) -> None:
    found = await served.get(SERVICES)
    assert [one["service"] for one in found["services"]] == ["auth-service", "own-service"]
    assert sorted(found["services"][0]) == sorted(
        ("service", "kind", "status", "latency", "maintenance", "details", "figures")
    )
    summary = found["summary"]
    assert summary["total"] == 2 == sum(summary.values()) - summary["total"]


async def test_a_service_is_told_with_its_figures_over_days(served: Api) -> None:
    now = datetime.now(UTC)
    row = {
        "target": "auth-service",
        "replica": "a",
        "kind": "http",
        "seconds": 300,
        "probes": 60,
        "successes": 45,
        "degraded": 5,
        "duration_sum": 4.5,
        "buckets": {},
    }
    async with served.store.begin() as connection:
        for days in (0.1, 3, 20, 40):
            at = now - timedelta(days=days)
            await connection.execute(insert(metrics).values(**row, timestamp=at))
    for path in (f"{SERVICES}/auth-service", SERVICES):
        found = await served.get(path)
        figures = (found["services"][0] if path == SERVICES else found)["figures"]
        assert {window: one["probes"] for window, one in figures.items()} == {
            "24h": 60,
            "7d": 120,
            "30d": 180,
        }
        assert (figures["24h"]["availability"], figures["24h"]["degraded"]) == (0.75, 5)
        assert figures["24h"]["latency"] == {"p50": None, "p95": None, "p99": None}
    own = (await served.get(f"{SERVICES}/own-service"))["figures"]
    assert (own["24h"]["probes"], own["24h"]["availability"]) == (0, None)


async def test_one_service_is_told_with_its_address_and_no_secret(served: Api) -> None:
    found = await served.get(f"{SERVICES}/auth-service")
    assert (found["service"], found["kind"]) == ("auth-service", "http")
    assert found["url"] == "http://127.0.0.1:1/x"
    assert (await served.get(f"{SERVICES}/postgresql"))["kind"] == "postgres"


@pytest.mark.parametrize("name", ["auth-servcie", "x" * 1000, "%00", "..%2Fetc", "' OR 1=1"])
async def test_a_service_that_is_none_is_not_found(served: Api, name: str) -> None:
    body = await served.get(f"{SERVICES}/{name}", 404)
    assert body["code"] == "NOT_FOUND"
    assert len(body["error"]) < 150
    if name == "auth-servcie":
        assert 'did you mean "auth-service"?' in body["error"]


# --- all at a glance ----------------------------------------------------------------------------


async def test_the_overview_tells_of_services_and_alerts(served: Api) -> None:
    now = datetime.now(UTC)
    hour, day = timedelta(hours=1), timedelta(days=1)
    await served.add(
        alert(1, now - hour / 2),
        alert(2, now - 3 * hour, acknowledged_at=now - 2 * hour, acknowledged_by="me"),
        alert(3, now - 3 * day, ends_at=now - 2 * day, name="TooSlow", severity="warning"),
    )
    for time_range, count in (("1h", 1), ("6h", 2), ("24h", 2), ("7d", 3), ("30d", 3)):
        found = await served.get(OVERVIEW, timeRange=time_range)
        alerts = found["alerts"]
        assert (alerts["range"]["count"], found["timeRange"]) == (count, time_range)
        assert (alerts["active"], alerts["acknowledged"]) == (1, 1)
        assert (alerts["open"]["total"], alerts["open"]["critical"]) == (2, 2)
    assert [one["name"] for one in alerts["mostFrequent"]] == ["ServiceDown", "TooSlow"]
    assert found["services"]["total"] == 2
    assert list(found["dependencies"]) == ["postgresql"]


@pytest.mark.parametrize("time_range", ["2h", "1", "24H", "90d"])
async def test_a_range_that_is_none_is_told(served: Api, time_range: str) -> None:
    body = await served.get(OVERVIEW, 400, timeRange=time_range)
    assert "is none of 1h, 6h, 24h, 7d, 30d" in body["error"]
