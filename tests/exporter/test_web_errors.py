"""Errors in the documented shape, and input that somebody has made to hurt."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from serving import Fleet, Served, serving

LARGEST_BODY = 4 * 1024 * 1024


async def fails(_request: web.Request) -> web.Response:
    raise RuntimeError("hunter2-do-not-print")


async def reads(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


ROUTES = (web.get("/test/fails", fails), web.post("/test/reads", reads))


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, Fleet(), routes=ROUTES) as started:
        yield started


async def assert_shape(answer: object, status: int, code: str, path: str) -> None:
    assert isinstance(answer, dict)
    assert sorted(answer) == ["code", "error", "path", "statusCode", "timestamp"]
    assert (answer["statusCode"], answer["code"], answer["path"]) == (status, code, path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["timestamp"])
    assert answer["error"]


# --- the shape ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "NOT_FOUND"),
        ("GET", "/runbooks/NoSuchAlert", 404, "NOT_FOUND"),
        ("POST", "/metrics", 405, "NOT_FOUND"),
        ("DELETE", "/health", 405, "NOT_FOUND"),
        ("GET", "/test/fails", 500, "INTERNAL_ERROR"),
    ],
)
async def test_every_error_has_the_documented_shape(
    served: Served, method: str, path: str, status: int, code: str
) -> None:
    answer = await served.client.request(method, path)
    assert answer.status == status
    assert answer.content_type == "application/json"
    await assert_shape(await answer.json(), status, code, path)


async def test_a_method_that_is_not_allowed_is_told_which_are(served: Served) -> None:
    answer = await served.client.post("/metrics")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD"}


@pytest.mark.parametrize(("size", "status"), [(LARGEST_BODY, 200), (LARGEST_BODY + 1, 413)])
async def test_a_body_may_be_as_large_as_the_limit_and_no_larger(
    served: Served, size: int, status: int
) -> None:
    answer = await served.client.post("/test/reads", data=io.BytesIO(b"x" * size))
    assert answer.status == status
    if status == 413:
        await assert_shape(await answer.json(), 413, "VALIDATION_ERROR", "/test/reads")


async def test_an_error_of_ours_is_counted_and_says_nothing_of_its_cause(served: Served) -> None:
    before = await (await served.client.get("/metrics")).text()
    answer = await served.client.get("/test/fails")
    assert "hunter2" not in await answer.text()
    after = await (await served.client.get("/metrics")).text()
    assert 'monitoring_errors_total{component="web"} 0.0' in before
    assert 'monitoring_errors_total{component="web"} 1.0' in after


# --- hostile input ------------------------------------------------------------------------------


async def spoken(served: Served, data: bytes, seconds: float = 1) -> bytes:
    """What the exporter answers to raw bytes, until it hangs up or that has taken too long."""
    port = served.client.port
    assert port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        writer.write(data)
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(65536):
                heard += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return heard


HOST = b"Host: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,
        b"\r\n\r\nGET\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n" + HOST,
        b"GET /\0 HTTP/1.1\r\n" + HOST,
        b"GET /metrics HTTP/1.1\r\nX-Header: \0\r\n" + HOST,
        b"GET /metrics HTTP/1.1\r\nBroken header\r\n" + HOST,
        b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n" + HOST,
        b"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" + HOST,
        b"POST /-/reload HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n" + HOST,
        b"GET /probe?target=" + b"x" * 100_000 + b" HTTP/1.1\r\n" + HOST,
        b"GET /metrics HTTP/1.1\r\nX-Long: " + b"x" * 100_000 + b"\r\n" + HOST,
    ],
)
async def test_what_is_no_request_is_refused_and_everything_goes_on(
    served: Served, data: bytes
) -> None:
    heard = await spoken(served, data)
    assert heard == b"" or heard.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), heard[:200]
    assert b"Traceback" not in heard
    assert (await served.client.get("/metrics")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/%ff%fe",
        "/..%2f..%2fetc/passwd",
        "/runbooks/..%2f..%2f..%2fetc%2fpasswd",
        "/runbooks/" + "x" * 4000,
        "/%0d%0aSet-Cookie:x",
        "/" + "a/" * 2000,
    ],
)
async def test_an_odd_path_is_not_found_in_the_documented_shape(served: Served, path: str) -> None:
    heard = await spoken(served, f"GET {path} HTTP/1.1\r\n".encode() + HOST, 60)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 "), heard[:200]
    assert b"Set-Cookie" not in head
    answer = json.loads(body)
    await assert_shape(answer, 404, "NOT_FOUND", answer["path"])


async def test_clients_that_connect_and_say_nothing_hold_up_nobody(served: Served) -> None:
    port = served.client.port
    assert port is not None
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    try:
        # They would stay so for as long as they are let.
        async with asyncio.timeout(30):
            assert (await served.client.get("/metrics")).status == 200
    finally:
        for _, writer in silent:
            writer.close()
