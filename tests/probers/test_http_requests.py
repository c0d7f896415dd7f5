"""What an HTTP prober sends, and to whom."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scripted_server import Client, Script, Served, probe, serving

from exporter.probers.http import HttpProber
from exporter.probers.result import Reason
from exporter.version import VERSION
from model.conditions import JsonCondition
from model.targets import Service


async def healthy(client: Client) -> None:
    await client.answer()


def lines(request: bytes) -> list[str]:
    return request.decode().removesuffix("\r\n\r\n").split("\r\n")


def authorization(request: bytes) -> list[str]:
    return [line for line in lines(request) if line.startswith("Authorization:")]


# --- refused in the config ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "get"}, "method"),
        ({"headers": {"X-A": "one\r\nX-B: two"}}, "not one line"),
        ({"headers": {"X A": "one"}}, "not a header's name"),
        ({"headers": {"authorization": "Basic x"}}, "is a secret"),
        ({"headers": {"Content-Length": "3"}}, "by the prober itself"),
        ({"method": "HEAD"}, "HEAD brings no body"),
        ({"method": "POST", "keep_alive": True}, "sent twice"),
        ({"basic_auth_username": "us"}, "give both"),
        ({"basic_auth_password_file": "f"}, "give both"),
        ({"cert_file": "f"}, "give both"),
        (
            {
                "bearer_token_file": "f",
                "basic_auth_username": "us",
                "basic_auth_password_file": "f",
            },
            "give one of them",
        ),
        ({"fail_if_body_matches_regexp": ("(",)}, "not a regular expression"),
        ({"allowed_redirects": ("ftp://a",)}, "must start with http"),
        ({"max_redirects": -1}, "must not be negative"),
        ({"body_size_limit": 0}, "at least 1 byte"),
        ({"header_size_limit": 0}, "at least 1 byte"),
    ],
)
def test_mistakes(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Service(name="target", port=80, **settings)


# --- what is sent ---------------------------------------------------------------------------------


async def test_plain_request() -> None:
    async with serving(healthy) as served:
        await probe(served.url)
    assert lines(served.requests[0]) == [
        "GET /health HTTP/1.1",
        f"Host: 127.0.0.1:{served.port}",
        f"User-Agent: tickettoken-monitoring/{VERSION}",
        "Accept: application/json, */*;q=0.5",
        "Accept-Encoding: gzip, deflate",
        "Connection: close",
    ]


async def test_own_headers_replace_the_usual_ones() -> None:
    async with serving(healthy) as served:
        await probe(served.url, headers={"host": "a.example", "X-Probe": "yes"})
    sent = lines(served.requests[0])
    assert "host: a.example" in sent
    assert "X-Probe: yes" in sent
    assert sum(line.lower().startswith("host:") for line in sent) == 1


async def test_body() -> None:
    bodies = []

    async def script(client: Client) -> None:
        bodies.append(await post(client))

    async def post(client: Client) -> bytes:
        await client.request()
        body = await client.body(8)
        await client.send(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')
        return body

    async with serving(script) as served:
        result = await probe(served.url, method="POST", body='{"ü":1}')
    assert result.success, result.detail
    assert lines(served.requests[0])[0] == "POST /health HTTP/1.1"
    assert "Content-Length: 8" in lines(served.requests[0])
    assert bodies == ['{"ü":1}'.encode()]


async def test_body_larger_than_the_sockets_buffers() -> None:
    size = 20_000_000

    async def script(client: Client) -> None:
        await client.request()
        await client.body(size)
        await client.send(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')

    async with serving(script) as served:
        result = await probe(served.url, timeout=20, method="PUT", body="x" * size)
    assert result.success, result.detail


async def test_head() -> None:
    """Its answer has no body, though it says how long that would be."""

    async def script(client: Client) -> None:
        await client.request()
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await client.closed()

    async with serving(script) as served:
        result = await probe(served.url, method="HEAD", status_field=None)
    assert result.success, result.detail


@pytest.mark.parametrize(
    ("base", "path", "target"),
    [
        ("", "/health", "/health"),
        ("/", "/health", "/health"),
        ("/api/", "/health", "/api/health"),
        ("/api", "/health?deep=1", "/api/health?deep=1"),
        ("/?key=1", "/health", "/health?key=1"),
        ("", "/grüße und mehr", "/gr%C3%BC%C3%9Fe%20und%20mehr"),
        ("", "/a%20b", "/a%20b"),
        ("", "/a\r\nX-B: c", "/a%0D%0AX-B:%20c"),
    ],
)
async def test_target(base: str, path: str, target: str) -> None:
    async with serving(healthy) as served:
        await probe(served.url + base, path=path)
    assert lines(served.requests[0])[0] == f"GET {target} HTTP/1.1"


async def test_url_of_the_environment_goes_before_that_of_the_config() -> None:
    async with serving(healthy) as served:
        prober = HttpProber(Service(name="target", url="http://127.0.0.1:1"), served.url)
        result = await prober.probe(2)
        await prober.close()
    assert result.success


# --- credentials ----------------------------------------------------------------------------------


async def test_basic_auth_by_the_url() -> None:
    async with serving(healthy) as served:
        url = served.url.replace("://", "://us%40er:p%3Ass@")
        prober = HttpProber(Service(name="target", url=served.url), url)
        result = await prober.probe(2)
        await prober.close()
    assert result.success
    expected = base64.b64encode(b"us@er:p:ss").decode()
    assert authorization(served.requests[0]) == [f"Authorization: Basic {expected}"]
    assert "us%40er" not in served.requests[0].decode()


async def test_user_without_a_password_in_the_url() -> None:
    async with serving(healthy) as served:
        prober = HttpProber(
            Service(name="target", url=served.url), served.url.replace("://", "://user@")
        )
        result = await prober.probe(2)
        await prober.close()
    assert result.success, result.detail
    assert authorization(served.requests[0]) == ["Authorization: Basic dXNlcjo="]


async def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    token, password = tmp_path / "token", tmp_path / "password"
    token.write_text("first\n")
    password.write_text("pässword\n")
    async with serving(healthy) as served:
        bearer = HttpProber(Service(name="a", url=served.url, bearer_token_file=token), served.url)
        await bearer.probe(2)
        token.write_text("second one")
        await bearer.probe(2)
        await bearer.close()
        await probe(served.url, basic_auth_username="user", basic_auth_password_file=password)
    expected = base64.b64encode("user:pässword".encode()).decode()
    assert [authorization(request) for request in served.requests] == [
        ["Authorization: Bearer first"],
        ["Authorization: Bearer second one"],
        [f"Authorization: Basic {expected}"],
    ]


@pytest.mark.parametrize("contents", [None, b"", b" \n", b"one\r\nX-Evil: two", b"\xff\xfe"])
async def test_file_that_holds_no_secret(contents: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if contents is not None:
        file.write_bytes(contents)
    async with serving(healthy) as served:
        result = await probe(served.url, bearer_token_file=file)
    assert result.reason is Reason.AUTH
    assert served.connections == 0
    assert "Evil" not in result.detail


async def test_no_detail_repeats_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2")

    async def echo(client: Client) -> None:
        request = await client.request()
        location = b"Location: http://user:hunter2@elsewhere.invalid/?token=hunter2"
        await client.send(
            b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + location + b"\r\n\r\n", request[:0]
        )

    async with serving(echo) as served:
        result = await probe(served.url, bearer_token_file=file)
        url = served.url.replace("://", "://user:hunter2@")
        prober = HttpProber(Service(name="target", url=served.url), url)
        by_url = await prober.probe(2)
        await prober.close()
    for one in (result, by_url):
        assert one.reason is Reason.REDIRECTS
        assert "hunter2" not in one.detail


@pytest.mark.parametrize("room", [0, 40, 55, 70])
async def test_no_detail_repeats_a_secret_that_the_target_repeats(
    room: int, tmp_path: Path
) -> None:
    """Not even the part of it that stands before a cut."""
    file = tmp_path / "password"
    file.write_text("hunter2-hunter2-hunter2")

    async def echo(client: Client) -> None:
        request = await client.request()
        line = next(line for line in request.split(b"\r\n") if line.startswith(b"Authorization"))
        words = b"x" * room + line + b" hunter2-hunter2-hunter2"
        body = b'{"status":"%b","other":"%b"}' % (words, words)
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    conditions = (JsonCondition(path="other", one_of=("fine",)),)
    encoded = base64.b64encode(b"user:hunter2-hunter2-hunter2").decode()
    async with serving(echo) as served:
        for settings in ({}, {"json_conditions": conditions}):
            result = await probe(
                served.url,
                basic_auth_username="user",
                basic_auth_password_file=file,
                **settings,  # type: ignore[arg-type]
            )
            assert result.reason is Reason.BODY
            assert "hunter2" not in result.detail
            assert encoded[:8] not in result.detail


# --- redirects ------------------------------------------------------------------------------------


def to(location: str, status: str = "302 Found") -> bytes:
    return f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def redirecting(times: int) -> Script:
    async def script(client: Client) -> None:
        request = await client.request()
        count = int(request.split(b" ")[1].rpartition(b"/")[2] or 0)
        if count < times:
            await client.send(to(f"/hop/{count + 1}"))
        else:
            await client.send(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')

    return script


@pytest.mark.parametrize(
    ("times", "limit", "reason"),
    [(1, 0, Reason.REDIRECTS), (4, 3, Reason.REDIRECTS), (3, 3, None), (0, 0, None)],
)
async def test_limit(times: int, limit: int, reason: Reason | None) -> None:
    async with serving(redirecting(times)) as served:
        result = await probe(served.url, path="/hop/0", max_redirects=limit)
    assert result.reason is reason, result.detail
    assert served.connections == min(times, limit) + 1


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/other", "/other"),
        ("other?x=1#part", "/deep/other?x=1"),
        ("../up", "/up"),
        ("?x=1", "/deep/health?x=1"),
        ("//127.0.0.1:{port}/other", "/other"),
        ("http://127.0.0.1:{port}", "/"),
        ("http://user:word@127.0.0.1:{port}/other", "/other"),
    ],
)
async def test_location(location: str, target: str) -> None:
    async def script(client: Client) -> None:
        request = await client.request()
        first = b"GET /deep/health" in request and b"?" not in request
        await client.send(
            to(location.format(port=served.port))
            if first
            else b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
        )

    async with serving(script) as served:
        result = await probe(served.url, path="/deep/health")
    assert result.success, result.detail
    assert lines(served.requests[1])[0] == f"GET {target} HTTP/1.1"
    assert authorization(served.requests[1]) == []


@pytest.mark.parametrize(
    ("status", "method"),
    [("301 M", "GET"), ("302 F", "GET"), ("303 S", "GET"), ("307 T", "PUT"), ("308 P", "PUT")],
)
async def test_method_after_a_redirect(status: str, method: str) -> None:
    async def script(client: Client) -> None:
        request = await client.request()
        if b"Content-Length: 4" in request:
            await client.body(4)
        if b"/health" in request:
            await client.send(to("/other", status))
        else:
            await client.send(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')

    async with serving(script) as served:
        result = await probe(served.url, method="PUT", body="body")
    assert result.success, result.detail
    second = lines(served.requests[1])
    assert second[0] == f"{method} /other HTTP/1.1"
    assert ("Content-Length: 4" in second) == (method == "PUT")


async def pair(home: Served, tmp_path: Path, **settings: Any) -> Reason | None:
    (tmp_path / "token").write_text("secret")
    result = await probe(
        home.url,
        bearer_token_file=tmp_path / "token",
        headers={"X-Key": "private", "Cookie": "private"},
        **settings,
    )
    return result.reason


@pytest.mark.parametrize("allowed", [False, True])
async def test_another_origin_is_not_asked_unless_allowed(allowed: bool, tmp_path: Path) -> None:
    async with serving(healthy) as elsewhere:

        async def script(client: Client) -> None:
            await client.request()
            await client.send(to(f"{elsewhere.url}/there"))

        async with serving(script) as home:
            urls = (elsewhere.url,) if allowed else ()
            reason = await pair(home, tmp_path, allowed_redirects=urls)
    assert reason is (None if allowed else Reason.REDIRECTS)
    assert elsewhere.connections == int(allowed)


async def test_another_origin_learns_no_secret(tmp_path: Path) -> None:
    async def there(client: Client) -> None:
        await client.request()
        await client.send(to(f"{home.url}/back"))

    async def script(client: Client) -> None:
        request = await client.request()
        if b"/back" in request:
            await client.send(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}')
        else:
            await client.send(to(f"{elsewhere.url}/there"))

    async with serving(there) as elsewhere, serving(script) as home:
        reason = await pair(home, tmp_path, allowed_redirects=(elsewhere.url,))
    assert reason is None
    for request in home.requests:
        assert b"secret" in request
        assert b"private" in request
    assert b"secret" not in elsewhere.requests[0]
    assert b"private" not in elsewhere.requests[0]
