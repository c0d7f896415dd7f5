"""Logging in to the console: who gets in, for how long, and what a cookie is good for."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel
from pathlib import Path

import jwt
import pytest
from api_serving import INGEST, SECRET, alert
from console_serving import HERE, PART, Console, console, text_of
from stores import sqlite

from exporter.web.console.session import LONGEST, local_path

PATHS = ("/", "/alerts", f"/alerts/{alert()['id']}", "/history", "/on-call", "/workers")
DEEDS = ("acknowledge", "notes", "resolve", "false-positive")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path, sqlite(tmp_path)) as made:
        yield made


async def cookie_of(served: Console, hours: float = 1) -> Morsel[str]:
    """The cookie that a token of so many hours is given."""
    fields = {"token": served.token(hours=hours)}
    answer = await served.client.post("/login", data=fields, allow_redirects=False)
    assert answer.status == 303, await answer.text()
    (morsel,) = answer.cookies.values()
    return morsel


async def refused(served: Console, token: str, **headers: str) -> str:
    """What the page says to a token that is not taken."""
    answer = await served.client.post(
        "/login", data={"token": token}, headers=headers, allow_redirects=False
    )
    assert answer.status in (401, 403)
    assert not answer.cookies
    return await answer.text()


def claims(**changed: object) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "sub": "me@example.com",
        "role": "admin",
        "iss": "tickettoken",
        "aud": "tickettoken-platform",
        "iat": now,
        # Some are made when the tests are collected, long before they are shown.
        "exp": now + timedelta(days=1),
        **changed,
    }


# --- who does not get in ------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_session_nothing_is_shown(served: Console, path: str) -> None:
    answer = await served.client.get(path, allow_redirects=False)
    assert answer.status == 303
    assert answer.headers["Location"].startswith("/login")
    part = await served.client.get(path, headers=PART, allow_redirects=False)
    assert part.status == 401


@pytest.mark.parametrize("deed", DEEDS)
async def test_without_a_session_nothing_is_done(served: Console, deed: str) -> None:
    await served.add(alert())
    answer = await served.client.post(
        f"/alerts/{alert()['id']}/{deed}", data={"note": "x"}, headers=HERE, allow_redirects=False
    )
    assert answer.headers["Location"] == "/login"
    await served.log_in()
    assert "nobody has it" in await served.page("/alerts")


def unsigned() -> str:
    def part(of: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(of, default=str).encode()).decode().rstrip("=")

    end = int(datetime.now(UTC).timestamp()) + 3600
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims(exp=end, iat=end - 60))}."


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "no token of ours"),
        ("x", "no token of ours"),
        (INGEST, "no token of ours"),
        ("x" * 5000, "no token of ours"),
        (unsigned(), "not signed by us"),
        (jwt.encode(claims(), "another-secret-0123456789-0123456789", "HS256"), "not signed by us"),
        (jwt.encode(claims(aud="others"), SECRET, "HS256"), "another audience"),
        (jwt.encode(claims(role="ingest"), SECRET, "HS256"), "not a person"),
        (jwt.encode(claims(role="root"), SECRET, "HS256"), "must be one of"),
        (jwt.encode(claims(exp=datetime(2020, 1, 1, tzinfo=UTC)), SECRET, "HS256"), "expired"),
        (
            jwt.encode(claims(exp=datetime.now(UTC) - timedelta(seconds=5)), SECRET, "HS256"),
            "expired",
        ),
    ],
)
async def test_a_token_that_the_api_would_refuse_begins_no_session(
    served: Console, token: str, why: str
) -> None:
    assert why in await refused(served, token)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_nobody_is_logged_in_by_another_site(
    served: Console, headers: dict[str, str]
) -> None:
    assert "another site" in await refused(served, served.token(), **headers)


async def test_without_a_secret_the_page_says_that_nobody_can_log_in(tmp_path: Path) -> None:
    text = text_of("auth-service", ledger=False)
    async with console(tmp_path, sqlite(tmp_path), text, JWT_SECRET="") as served:
        assert "JWT_SECRET is not set" in await served.page("/login")
        answer = await served.client.post("/login", data={"token": "x"}, headers=HERE)
        assert answer.status == 401


# --- the cookie ---------------------------------------------------------------------------------


async def test_scripts_and_other_sites_never_get_at_the_cookie(served: Console) -> None:
    cookie = await cookie_of(served)
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""
    assert cookie["secure"] == ""  # base_url is http://


async def test_behind_https_the_cookie_never_travels_without(tmp_path: Path) -> None:
    text = text_of("auth-service", base_url="https://monitoring.example.com")
    async with console(tmp_path, sqlite(tmp_path), text) as served:
        cookie = await cookie_of(served)
        assert cookie["secure"] is True
        assert cookie.key == "__Host-monitoring"


@pytest.mark.parametrize(("hours", "at_most"), [(0.5, 0.5), (11, 11), (13, 12), (24 * 365, 12)])
async def test_a_session_lasts_no_longer_than_its_token_and_than_twelve_hours(
    served: Console, hours: float, at_most: float
) -> None:
    cookie = await cookie_of(served, hours)
    seconds = at_most * 3600
    assert seconds - 60 < int(cookie["max-age"]) <= seconds
    said = jwt.decode(cookie.value, options={"verify_signature": False})
    assert said["exp"] - datetime.now(UTC).timestamp() <= seconds
    assert timedelta(hours=12) == LONGEST


async def test_a_session_that_has_ended_is_none(served: Console) -> None:
    now = datetime.now(UTC)
    over = claims(aud="tickettoken-platform/console", jti="x", exp=now - timedelta(seconds=1))
    value = jwt.encode(over, SECRET, "HS256")
    answer = await served.client.get("/", cookies={"monitoring": value}, allow_redirects=False)
    assert answer.status == 303
    lasting = jwt.encode(over | {"exp": now + timedelta(hours=1)}, SECRET, "HS256")
    answer = await served.client.get("/", cookies={"monitoring": lasting}, allow_redirects=False)
    assert answer.status == 200


async def test_the_cookie_is_no_token_of_the_api_and_a_token_is_no_cookie(served: Console) -> None:
    cookie = await cookie_of(served)
    headers = {"Authorization": f"Bearer {cookie.value}"}
    assert (await served.client.get("/api/alerts", headers=headers)).status == 401
    served.client.session.cookie_jar.clear()
    answer = await served.client.get(
        "/", cookies={"monitoring": served.token()}, allow_redirects=False
    )
    assert answer.status == 303
    # And no cookie opens the API.
    await served.log_in()
    assert (await served.client.get("/api/alerts")).status == 401


# --- in and out ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil",
        "javascript:1",
        "/x\r\nSet-Cookie: a=b",
        "/ x",
        "",
        "x",
    ],
)
def test_nobody_is_led_elsewhere(path: str) -> None:
    assert local_path(path) == "/"


@pytest.mark.parametrize("path", ["/alerts?q=a&page=2", "/alerts/1#note", "/"])
def test_people_get_where_they_wanted_to(path: str) -> None:
    assert local_path(path) == path


async def test_whoever_logs_in_gets_where_they_wanted_to(served: Console) -> None:
    answer = await served.client.get("/history?severity=critical", allow_redirects=False)
    login = await (await served.client.get(answer.headers["Location"])).text()
    assert 'name="next" value="/history?severity=critical"' in login
    fields = {"token": served.token(), "next": "/history?severity=critical"}
    answer = await served.client.post("/login", data=fields, headers=HERE, allow_redirects=False)
    assert answer.headers["Location"] == "/history?severity=critical"


async def test_logging_out_needs_a_form_of_ours_and_takes_the_cookie_away(served: Console) -> None:
    await served.log_in()
    answer = await served.client.post("/logout", data={"csrf": "x"}, headers=HERE)
    assert answer.status == 403
    assert await served.page("/") != ""
    answer = await served.send("/logout")
    assert answer.headers["Location"] == "/login?said=logged-out"
    (cookie,) = answer.cookies.values()
    assert cookie["max-age"] == "0"
    await served.page("/", 303)
