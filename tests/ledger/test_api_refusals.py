"""Who may not: forged tokens, wrong roles, hostile bodies, a store that is away, READ_ONLY."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest
from api_serving import CONFIG, INGEST, SECRET, Api, alert, api, environment
from multidict import CIMultiDict
from serving import Fleet, serving
from sqlalchemy import select
from stores import new_database, sqlite

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import alert_audit, alert_notes, alerts
from exporter.web.api.endpoints import ENDPOINTS
from exporter.web.api.reading import LARGEST_BODY
from exporter.web.identity import Role
from programs import Postgres

ALERT = alert(1)
ID = ALERT["id"]
READS = [
    endpoint.path.replace("{id}", ID).replace("{name}", "auth-service")
    for endpoint in ENDPOINTS
    if endpoint.method == "GET"
]
WRITES = [endpoint.path.replace("{id}", ID) for endpoint in ENDPOINTS if endpoint.method == "POST"]
OF_THE_LEDGER = [path for path in READS if path.startswith("/api/alerts") and "rules" not in path]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Api]:
    async with api(tmp_path, sqlite(tmp_path)) as made:
        await made.add(ALERT)
        yield made


async def untouched(served: Api) -> bool:
    """Whether nobody has written anything."""
    async with served.store.read() as connection:
        status = await connection.scalar(select(alerts.c.status))
        lines = (await connection.execute(select(alert_audit))).all()
        notes = (await connection.execute(select(alert_notes))).all()
    return (status, lines, notes) == ("active", [], [])


# --- without a valid token ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_is_told_and_nothing_written_without_a_token(
    served: Api, method: str
) -> None:
    for path in READS if method == "GET" else WRITES:
        # As a stranger's request arrives through a proxy on this machine.
        headers = {"X-Forwarded-For": "192.0.2.1"}
        answer = await served.client.request(method, path, headers=headers)
        body = await answer.json()
        assert (answer.status, body["code"]) == (401, "UNAUTHORIZED"), path
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert sorted(body) == ["code", "error", "path", "statusCode", "timestamp"]
    assert await untouched(served)


def forged(**changed: object) -> str:
    claims = {
        "sub": "me",
        "role": "admin",
        "iss": "tickettoken",
        "aud": "tickettoken-platform",
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
    }
    return jwt.encode(claims | changed, SECRET)


REFUSED = {
    "alg none": jwt.encode({"sub": "me", "role": "admin"}, None, algorithm="none"),  # type: ignore[arg-type] # as attackers do
    "another key": jwt.encode({"sub": "me", "role": "admin"}, "x" * 40),
    "another audience": forged(aud="another"),
    "another issuer": forged(iss="another"),
    "expired": forged(exp=1_700_000_001),
    "no exp": forged(exp=None),
    "the secret itself": SECRET,
    "the ingest token": INGEST,
    "nothing": "",
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED)
async def test_a_token_that_is_not_valid_neither_reads_nor_writes(served: Api, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for method, paths in (("GET", READS), ("POST", WRITES)):
        for path in paths:
            answer = await served.client.request(method, path, headers=headers)
            assert (answer.status, (await answer.json())["code"]) == (401, "UNAUTHORIZED")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert SECRET not in await answer.text()
    assert await untouched(served)


@pytest.mark.parametrize(
    "header", ["Basic {}", "{}", "Bearer", "bearer  ", "Token {}", "Bearer {} {}"]
)
async def test_a_token_is_taken_from_one_bearer_header_alone(served: Api, header: str) -> None:
    headers = {"Authorization": header.format(served.token(), served.token())}
    assert (await served.client.get("/api/alerts", headers=headers)).status == 401
    assert (await served.client.get(f"/api/alerts?token={served.token()}")).status == 401
    cookie = {"Cookie": f"token={served.token()}; Authorization={served.token()}"}
    assert (await served.client.get("/api/alerts", headers=cookie)).status == 401


async def test_two_tokens_are_one_too_many(served: Api) -> None:
    headers = CIMultiDict(
        [("Authorization", f"Bearer {token}") for token in (served.token(), served.token("admin"))]
    )
    assert (await served.client.get("/api/alerts", headers=headers)).status == 401


async def test_any_spelling_of_bearer_serves(served: Api) -> None:
    headers = {"Authorization": f"bEARER {served.token()}"}
    assert (await served.client.get("/api/alerts", headers=headers)).status == 200


# --- with a role that may not -------------------------------------------------------------------


async def test_a_viewer_reads_everything_and_writes_nothing(served: Api) -> None:
    for path in READS:
        await served.get(path, 200)
    for path in WRITES:
        body = await served.post(path, {"notes": "x"}, 403, role="viewer")
        assert (body["code"], '"responder"' in body["error"]) == ("FORBIDDEN", True)
    assert await untouched(served)


async def test_the_role_ingest_is_no_persons(served: Api) -> None:
    for path in READS:
        assert (await served.get(path, 403, "ingest"))["code"] == "FORBIDDEN"
    for path in WRITES:
        assert (await served.post(path, {}, 403, role="ingest"))["code"] == "FORBIDDEN"
    assert await untouched(served)


async def test_a_persons_token_is_none_for_the_webhook(served: Api) -> None:
    roles: tuple[Role, ...] = ("viewer", "responder", "admin", "ingest")
    for role in roles:
        answer = await served.client.post(
            "/api/alertmanager/webhook",
            json={"version": "4", "alerts": []},
            headers=served.bearer(role),
        )
        assert (answer.status, (await answer.json())["code"]) == (401, "UNAUTHORIZED")


async def test_a_name_in_the_body_is_not_who_acts(served: Api) -> None:
    body = {"acknowledgedBy": "admin@example.com"}
    done = await served.post(f"/api/alerts/acknowledge/{ID}", body)
    assert done["acknowledgedBy"] == "me@example.com"


# --- from where ---------------------------------------------------------------------------------


async def test_a_forged_address_does_not_reach_the_audit_trail(served: Api) -> None:
    headers = served.bearer() | {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1"}
    await served.client.post(f"/api/alerts/{ID}/notes", json={"notes": "x"}, headers=headers)
    found = await served.get(f"/api/alerts/{ID}", 200, "admin")
    assert found["timeline"][-1]["address"] == "127.0.0.1"


async def test_a_trusted_proxys_client_does(tmp_path: Path) -> None:
    async with api(tmp_path, sqlite(tmp_path), TRUSTED_PROXIES="127.0.0.1") as served:
        await served.add(ALERT)
        headers = served.bearer() | {"X-Forwarded-For": "198.51.100.66, 192.0.2.1"}
        await served.client.post(f"/api/alerts/{ID}/notes", json={"notes": "x"}, headers=headers)
        found = await served.get(f"/api/alerts/{ID}", 200, "admin")
        assert found["timeline"][-1]["address"] == "192.0.2.1"


# --- bodies -------------------------------------------------------------------------------------

DEEP = 100_000
HOSTILE_BODIES: dict[str, tuple[bytes, int]] = {
    "10 MB": (b'{"notes": "' + b"x" * (10 * 1024 * 1024) + b'"}', 413),
    "just over the limit": (b" " * (LARGEST_BODY + 1), 413),
    "deep lists": (b"[" * DEEP + b"]" * DEEP, 400),
    "deep objects": (b'{"notes":' * 25_000 + b"1" + b"}" * 25_000, 400),
    "no JSON": (b"notes=x", 400),
    "half of it": (b'{"notes": "x"', 400),
    "a list": (b"[]", 400),
    "null": (b"null", 400),
    "a number": (b"1" * 5000, 400),
    "no UTF-8": (b'{"notes": "\xff\xfe"}', 400),
    "half a character": (b'{"notes": "\\ud800"}', 400),
    "a number for text": (b'{"notes": 1}', 400),
    "an object for text": (b'{"notes": {"$gt": ""}}', 400),
    "an unknown field": (b'{"notes": "x", "role": "admin"}', 400),
    "too long a note": (json.dumps({"notes": "x" * 10_001}).encode(), 400),
}


@pytest.mark.parametrize(("body", "status"), HOSTILE_BODIES.values(), ids=HOSTILE_BODIES)
async def test_a_hostile_body_is_refused_and_nothing_kept_of_it(
    served: Api, body: bytes, status: int
) -> None:
    for path in WRITES:
        headers = served.bearer() | {"Content-Type": "application/json"}
        answer = await served.client.post(path, data=io.BytesIO(body), headers=headers)
        found = await answer.json()
        assert (answer.status, found["code"]) == (status, "VALIDATION_ERROR"), path
        assert len(found["error"]) < 600
    assert await untouched(served)
    assert (await served.client.get("/status")).status == 200


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/html", "image/png"])
async def test_what_is_not_json_is_not_read(served: Api, kind: str) -> None:
    headers = served.bearer() | {"Content-Type": kind}
    for path in WRITES:
        answer = await served.client.post(path, data=b'{"notes": "x"}', headers=headers)
        assert (answer.status, "Content-Type: application/json" in await answer.text()) == (
            400,
            True,
        )
    assert await untouched(served)


# --- without a ledger, without a secret, without a store ----------------------------------------


async def test_without_a_ledger_alerts_are_503_and_all_else_is_told(tmp_path: Path) -> None:
    variables = environment(sqlite(tmp_path), LEDGER="off")
    async with serving(tmp_path, Fleet(), variables, CONFIG) as made:
        assert made.service.ledger is None
        asked = Api(made.client, made.service, None, tmp_path)  # type: ignore[arg-type] # there is none
        for path in OF_THE_LEDGER:
            body = await asked.get(path, 503)
            assert (body["code"], "ledger" in body["error"]) == ("SERVICE_UNAVAILABLE", True)
        for path in WRITES:
            assert (await asked.post(path, {"notes": "x"}, 503))["code"] == "SERVICE_UNAVAILABLE"
        assert len((await asked.get("/api/alerts/rules"))["rules"]) == 2
        assert (await asked.get("/api/v1/monitoring/services"))["summary"]["total"] == 2
        assert (await asked.get("/api/v1/monitoring/dashboard/overview"))["alerts"] is None


async def test_without_jwt_secret_no_token_is_valid_and_that_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path, Fleet()) as made:
        headers = {"Authorization": f"Bearer {forged()}"}
        answer = await made.client.get("/api/v1/monitoring/services", headers=headers)
        body = await answer.json()
        assert (answer.status, body["code"]) == (401, "UNAUTHORIZED")
        assert "JWT_SECRET is not set" in body["error"]


async def test_while_the_store_is_away_the_api_is_503_and_comes_back_by_itself(
    tmp_path: Path, postgres: Postgres
) -> None:
    async with api(tmp_path, StoreOptions(url=new_database(postgres))) as served:
        await served.add(ALERT)
        postgres.pause()
        try:
            for path in OF_THE_LEDGER[:2]:
                answer = await served.client.get(path, headers=served.bearer())
                body = await answer.json()
                assert (answer.status, body["code"]) == (503, "SERVICE_UNAVAILABLE")
                assert sorted(body) == ["code", "error", "path", "statusCode", "timestamp"]
                assert "Retry-After" in answer.headers
            for path in ("/metrics", "/status", "/api/v1/monitoring/services"):
                answer = await served.client.get(path, headers=served.bearer())
                assert answer.status == 200
        finally:
            postgres.resume()
        assert (await served.get("/api/alerts"))["summary"]["total"] == 1


# --- READ_ONLY ----------------------------------------------------------------------------------


async def test_read_only_refuses_every_write_and_no_read(tmp_path: Path) -> None:
    async with api(tmp_path, sqlite(tmp_path), READ_ONLY="1") as served:
        await served.add(ALERT)
        for path in (
            *WRITES,
            "/api/alertmanager/webhook",
            "/api/slack/interactive",
            "/api/pagerduty/webhook",
        ):
            answer = await served.client.post(path, json={"notes": "x"}, headers=served.bearer())
            body = await answer.json()
            assert (answer.status, body["code"]) == (503, "SERVICE_UNAVAILABLE"), path
            assert "READ_ONLY" in body["error"]
        for path in READS:
            await served.get(path, 200)
        # It is no write, and tells that alerting works.
        assert (await served.client.post("/api/alertmanager/watchdog")).status == 204
        assert await untouched(served)
