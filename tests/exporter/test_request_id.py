"""Requests have names, in answers and in the log; the log of the API says who asked what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from serving import Fleet, serving
from structlog.testing import LogCapture

from exporter.web.tokens import mint

SECRET = "secret-of-people-0123456789-0123456789"
PATH = "/api/v1/monitoring/services"


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is logged, with what is bound to each request."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, capture],
        cache_logger_on_first_use=False,
    )
    yield capture.entries  # type: ignore[misc] # a list of mutable mappings
    structlog.configure(**before)


def requests(logged: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in logged if entry["event"] == "request"]


@pytest.mark.parametrize("named", ["a", "A-b_c.9", "x" * 64])
async def test_a_name_that_the_client_gives_is_kept(tmp_path: Path, named: str) -> None:
    async with serving(tmp_path, Fleet()) as served:
        answer = await served.client.get("/status", headers={"X-Request-ID": named})
        assert answer.headers["X-Request-ID"] == named


@pytest.mark.parametrize("named", ["", "x" * 65, "a b", "a/b", "é", "<b>", "a;b", '"', "%0a"])
async def test_any_other_name_is_replaced(tmp_path: Path, named: str) -> None:
    async with serving(tmp_path, Fleet()) as served:
        answer = await served.client.get("/status", headers={"X-Request-ID": named})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_errors_carry_it_too_and_no_two_requests_share_one(tmp_path: Path) -> None:
    async with serving(tmp_path, Fleet()) as served:
        paths = ("/nothing", PATH, "/metrics", "/api/nothing")
        names = {
            (await served.client.get(path)).headers["X-Request-ID"] for path in (*paths, *paths)
        }
        assert len(names) == 8


async def test_each_request_to_the_api_is_logged_without_its_secrets(
    tmp_path: Path, logged: list[dict[str, Any]]
) -> None:
    async with serving(tmp_path, Fleet(), {"JWT_SECRET": SECRET}) as served:
        token = mint(served.service.settings, "me@example.com", "viewer", timedelta(hours=1))
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "mine"}
        await served.client.get(f"{PATH}/auth-service?password=hidden", headers=headers)
        await served.client.get(f"{PATH}/a%0Ab", headers={"Authorization": "Bearer hidden"})
        await served.client.get("/status")
    first, second = requests(logged)
    assert first.pop("seconds") >= 0
    assert first == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": f"{PATH}/auth-service",
        "status": 400,
        "actor": "me@example.com",
        "address": "127.0.0.1",
        "request_id": "mine",
    }
    assert (second["status"], second["actor"]) == (401, None)
    # It stays on one line, whatever somebody asks for.
    assert second["path"] == f"{PATH}/a%0Ab"
    assert "hidden" not in json.dumps([first, second])
    assert token not in json.dumps(logged, default=str)


async def test_whatever_a_request_logs_has_its_name_and_nothing_else_has(
    tmp_path: Path, logged: list[dict[str, Any]]
) -> None:
    async def fails(_request: web.Request) -> web.Response:
        raise RuntimeError

    async with serving(tmp_path, Fleet(), routes=(web.get("/test/fails", fails),)) as served:
        for named in ("one", "two"):
            await served.client.get("/test/fails", headers={"X-Request-ID": named})
        structlog.get_logger().info("unrelated")
    failed = [entry["request_id"] for entry in logged if entry["event"] == "a request has failed"]
    assert failed == ["one", "two"]
    assert "request_id" not in next(entry for entry in logged if entry["event"] == "unrelated")
