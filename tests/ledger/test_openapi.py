"""OpenAPI: made from the endpoints, readable by people, and true to what schemathesis finds."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
from api_serving import CONFIG, NOON, SECRET, alert, environment
from serving import Fleet, serving
from sqlalchemy import insert
from stores import opened, sqlite

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import alerts
from exporter.settings import read_settings
from exporter.web.api.endpoints import ENDPOINTS
from exporter.web.tokens import mint
from programs import child, free_port

ROOT = Path(__file__).resolve().parents[2]
# What there is, so that requests get as far as the ledger; the rest are for what there is not.
SCHEMATHESIS = """
[dictionaries.alerts]
values = [{ids}]

[dictionaries.services]
values = ["auth-service", "postgresql"]

[parameters]
"path.id" = {{ dictionary = "alerts", probability = 0.8 }}
"path.name" = {{ dictionary = "services", probability = 0.8 }}

# The contract has no code for a conflict: an alert that has ended is answered by 400.
[[operations]]
include-path = ["/api/alerts/acknowledge/{{id}}", "/api/alerts/{{id}}/resolve"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 429, "5xx"]
"""


async def test_every_endpoint_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path, Fleet()) as served:
        answer = await served.client.get("/api/openapi.json")
        document = await answer.json()
    assert (answer.status, document["openapi"]) == (200, "3.1.0")
    told = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert told == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    (limit,) = (
        parameter
        for parameter in document["paths"]["/api/alerts"]["get"]["parameters"]
        if parameter["name"] == "limit"
    )
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}


def test_every_endpoint_is_documented_with_its_role() -> None:
    documented = (ROOT / "docs/api.md").read_text()
    for endpoint in ENDPOINTS:
        of_it = rf"^\| `{endpoint.method} {re.escape(endpoint.path)}` \|.*\| (.*) \|$"
        row = re.search(of_it, documented, re.MULTILINE)
        assert row is not None, endpoint.path
        assert row[1].startswith(endpoint.role)


async def test_the_page_shows_all_of_it_and_loads_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, Fleet()) as served:
        answer = await served.client.get("/api/docs")
        page = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    for endpoint in ENDPOINTS:
        assert f"{endpoint.method} {endpoint.path}" in page
        assert endpoint.answer.__name__ in page
    assert not re.search(r"<script|<img|<link|\ssrc=|\son\w+=|https?://", page)


async def test_without_a_ledger_it_is_the_same(tmp_path: Path) -> None:
    documents = []
    for folder, variables in (("a", {}), ("b", environment(sqlite(tmp_path), LEDGER="off"))):
        (tmp_path / folder).mkdir()
        async with serving(tmp_path / folder, Fleet(), variables, CONFIG) as served:
            documents.append(await (await served.client.get("/api/openapi.json")).json())
    assert documents[0] == documents[1]


def seeded(options: StoreOptions) -> None:
    """Open, acknowledged and ended alerts, in a store that nobody has open afterwards."""

    async def seed() -> None:
        later = NOON + timedelta(hours=9)
        async with opened(options) as store, store.begin() as connection:
            rows = [alert(number) for number in range(10)]
            rows += [
                alert(number, acknowledged_at=later, acknowledged_by="you")
                for number in range(10, 15)
            ]
            rows += [alert(number, ends_at=later) for number in range(15, 25)]
            await connection.execute(insert(alerts), rows)

    asyncio.run(seed())


def test_schemathesis_finds_nothing(tmp_path: Path, options: StoreOptions) -> None:
    seeded(options)
    (tmp_path / "config.py").write_text(CONFIG)
    ids = ", ".join(f'"{alert(number)["id"]}"' for number in range(25))
    (tmp_path / "schemathesis.toml").write_text(SCHEMATHESIS.format(ids=ids))
    port, log = free_port(), tmp_path / "exporter.log"
    variables = environment(options, RATE_LIMIT_PER_MINUTE="1000000")
    process = child(
        [sys.executable, "-m", "exporter", "serve"],
        env=variables
        | {
            "PYTHONPATH": str(ROOT),
            "MONITORING_CONFIG": str(tmp_path / "config.py"),
            "HOST": "127.0.0.1",
            "PORT": str(port),
        },
        cwd=tmp_path,
        log=log,
    )
    token = mint(read_settings({"JWT_SECRET": SECRET}), "me", "responder", timedelta(hours=1))
    try:
        wait_for_alerts(port, token)
        found = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"),
                "--config-file",
                str(tmp_path / "schemathesis.toml"),
                "run",
                f"http://127.0.0.1:{port}/api/openapi.json",
                f"--header=Authorization: Bearer {token}",
                "--max-examples=5",
                "--seed=1",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert found.returncode == 0, found.stdout[-8000:] + found.stderr
        assert f"{len(ENDPOINTS)} selected / {len(ENDPOINTS)} total" in found.stdout
        assert process.poll() is None
        told = log.read_text()
        assert "a request has failed" not in told
        for path in ("/api/alerts/acknowledge/", "/api/v1/monitoring/services/auth-service"):
            assert re.search(rf'"path": "{path}.*"status": 200', told), f"{path} was never reached"
    finally:
        process.kill()
        process.wait()


def wait_for_alerts(port: int, token: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as client:
                client.request("GET", "/api/alerts", headers={"Authorization": f"Bearer {token}"})
                if client.getresponse().status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail("the API does not answer")
