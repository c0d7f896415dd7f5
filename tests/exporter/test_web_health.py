"""/health, /status, /-/healthy and /-/ready: the shapes and codes that clients already use."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from serving import HANGING_TIMES, SERVICES, TIMES, Fleet, config_text, serving
from standins import failure, redis_target

from exporter.probers.result import Health, ProbeResult, Reason
from exporter.watch import TargetSnapshot
from exporter.web.health import overall

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UP, DEGRADED, DOWN = Health.HEALTHY, Health.DEGRADED, Health.UNHEALTHY
UNKNOWN = None
HANGING = config_text(*SERVICES).replace(TIMES, HANGING_TIMES)


def shots(*healths: Health | None) -> list[TargetSnapshot]:
    results = [ProbeResult(health, 0.1, 1.0) if health else None for health in healths]
    return [TargetSnapshot(redis_target(), result, 1.0) for result in results]


# --- the verdict --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("services", "dependencies", "verdict"),
    [
        ((UP, UP, UP, UP), (DOWN, UP), DOWN),
        ((DOWN, DOWN, DOWN, UP), (UP, UP), DOWN),
        ((DOWN, DOWN, UP, UP), (UP, UP), DEGRADED),
        ((DOWN, UP, UP, UP), (UP, UP), DEGRADED),
        ((DEGRADED, DEGRADED, DEGRADED, DEGRADED), (UP, UP), DEGRADED),
        ((DEGRADED, UP, UP, UP), (UP, UP), DEGRADED),
        ((UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN), (UP, UP), DEGRADED),
        ((UP, UP, UP, UP), (UNKNOWN, UP), DEGRADED),
        ((UP, UP, UP, UP), (UP, UP), UP),
        ((UP,), (), UP),
        ((), (), UP),
    ],
)
def test_a_database_or_most_services_down_is_unhealthy_anything_unsure_is_degraded(
    services: Sequence[Health | None], dependencies: Sequence[Health | None], verdict: Health
) -> None:
    assert overall(shots(*services), shots(*dependencies)) is verdict


async def health(tmp_path: Path, fleet: Fleet) -> tuple[int, dict[str, Any]]:
    async with serving(tmp_path, fleet) as served:
        await served.results()
        answer = await served.client.get("/health")
        return answer.status, await answer.json()


async def test_a_database_that_is_down_makes_it_503(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["postgresql"] = failure
    status, body = await health(tmp_path, fleet)
    assert (status, body["status"]) == (503, "unhealthy")
    assert body["dependencies"]["postgresql"]["status"] == "unhealthy"
    assert body["dependencies"]["redis"]["status"] == "healthy"


async def test_one_service_that_is_down_is_degraded_and_200(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["auth-service"] = failure
    status, body = await health(tmp_path, fleet)
    assert (status, body["status"]) == (200, "degraded")
    [auth] = [one for one in body["services"] if one["service"] == "auth-service"]
    assert auth["status"] == "unhealthy"
    assert auth["details"]["reason"] == "connect_refused"
    assert auth["details"]["message"] == "the connection was refused"


async def test_the_own_service_is_shown_but_left_out_of_the_verdict(tmp_path: Path) -> None:
    """Or we would be ill because we are ill, for ever."""
    fleet = Fleet()
    fleet.answers["own-service"] = failure
    status, body = await health(tmp_path, fleet)
    assert (status, body["status"]) == (200, "healthy")
    assert body["services"][-1]["service"] == "own-service"
    assert body["services"][-1]["status"] == "unhealthy"


async def test_a_healthy_targets_complaint_is_shown_without_a_reason(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["auth-service"] = lambda: ProbeResult(UP, 0.1, 1.0, detail="INFO was refused")
    _, body = await health(tmp_path, fleet)
    assert body["services"][0]["details"]["message"] == "INFO was refused"
    assert "reason" not in body["services"][0]["details"]


# --- the shape ----------------------------------------------------------------------------------


async def test_before_the_first_result_a_target_is_unknown_and_the_answer_is_there(
    tmp_path: Path,
) -> None:
    fleet = Fleet()
    fleet.takes = dict.fromkeys(("auth-service", "venue-service", "postgresql", "redis"))
    async with serving(tmp_path, fleet, text=HANGING) as served:
        answer = await served.client.get("/health")
        body = await answer.json()
    assert (answer.status, body["status"]) == (200, "degraded")
    assert body["dependencies"] == {
        "postgresql": {"status": "unknown", "latency": None},
        "redis": {"status": "unknown", "latency": None},
    }
    assert body["services"][0] == {
        "service": "auth-service",
        "status": "unknown",
        "latency": None,
        "details": {"message": "no result that is recent enough"},
    }


@pytest.mark.parametrize("of_provider", [UP, DEGRADED, DOWN])
async def test_what_others_run_is_shown_and_does_not_make_the_platform_ill(
    tmp_path: Path, of_provider: Health
) -> None:
    state = 'JsonState(path="is", up=("fine",))'
    target = f'JsonTarget(name="provider", url="http://127.0.0.1:1", state={state}, {TIMES})'
    text = config_text("auth-service", "own-service", databases=f"external=({target},),")
    fleet = Fleet()
    reason = Reason.BODY if of_provider is DOWN else None
    fleet.answers["provider"] = lambda: ProbeResult(of_provider, 0.25, 1767225600.5, reason)
    async with serving(tmp_path, fleet, text=text) as served:
        await served.results()
        answer = await served.client.get("/health")
        body = await answer.json()
    assert (answer.status, body["status"]) == (200, "healthy")
    assert [service["service"] for service in body["services"]] == ["auth-service", "own-service"]
    assert body["dependencies"] == {}
    assert body["external"]["provider"]["status"] == of_provider.value
    assert body["external"]["provider"]["details"].get("reason") == reason


async def test_health_has_exactly_the_documented_shape(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["auth-service"] = lambda: ProbeResult(UP, 0.0123456, 1767225600.5)
    fleet.answers["redis"] = lambda: ProbeResult(UP, 0.25, 1767225600.5)
    began = time.monotonic()
    status, body = await health(tmp_path, fleet)
    assert status == 200
    shape = ["status", "uptime", "timestamp", "services", "dependencies", "external"]
    assert list(body) == shape
    assert body["status"] == "healthy"
    assert 0 < body["uptime"] < time.monotonic() - began + 0.1
    assert ISO.fullmatch(body["timestamp"])
    assert body["services"][0] == {
        "service": "auth-service",
        "status": "healthy",
        "latency": 12.346,
        "details": {
            "lastChecked": "2026-01-01T00:00:00.500Z",
            "since": "2026-01-01T00:00:00.500Z",
        },
    }
    assert list(body["dependencies"]) == ["postgresql", "redis"]
    assert body["dependencies"]["redis"] == {"status": "healthy", "latency": 250.0}


async def test_degraded_is_said_of_the_service_too(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["auth-service"] = lambda: ProbeResult(DEGRADED, 0.1, 1.0)
    status, body = await health(tmp_path, fleet)
    assert (status, body["status"], body["services"][0]["status"]) == (200, "degraded", "degraded")


async def test_status_is_ok_whatever_the_targets_do(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers = dict.fromkeys(("auth-service", "postgresql", "redis"), failure)
    async with serving(tmp_path, fleet) as served:
        await served.results()
        answer = await served.client.get("/status")
        body = await answer.json()
    assert (answer.status, sorted(body), body["status"]) == (200, ["status", "timestamp"], "ok")
    assert ISO.fullmatch(body["timestamp"])


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
async def test_kubernetes_probes_depend_on_no_target(tmp_path: Path, path: str) -> None:
    fleet = Fleet()
    fleet.takes = dict.fromkeys(("auth-service", "venue-service", "postgresql", "redis"))
    async with serving(tmp_path, fleet) as served:
        answer = await served.client.get(path)
        assert (answer.status, await answer.text()) == (200, "OK\n")
