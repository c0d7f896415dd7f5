"""`report`: figures that a person can check by hand, as Markdown and as HTML."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from operating import Ended, environment, operate
from serving import DATABASES, SERVICES, config_text
from sqlalchemy import insert
from stores import opened, sqlite

from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alerts, metrics

NOW = datetime.now(UTC)


async def fill(store: Store) -> None:
    """Two days ago: one answered in time, one never and ended late, one false. 40 days ago: one."""
    rows = [
        # name, days ago, acknowledged after, ended after, false
        ("ServiceDown", 2, 60, 600, False),
        ("ServiceDown", 2, None, 1200, False),
        ("<b>|Odd", 2, 30, 60, True),
        ("LongAgo", 40, 30, 60, False),
    ]
    async with store.begin() as connection:
        for name, days, acknowledged, ended, false in rows:
            start = NOW - timedelta(days=days)
            await connection.execute(
                insert(alerts).values(
                    id=str(uuid.uuid4()),
                    fingerprint=uuid.uuid4().hex[:16],
                    name=name,
                    severity="critical",
                    service="auth-service",
                    status="resolved",
                    labels={},
                    annotations={},
                    starts_at=start,
                    ends_at=start + timedelta(seconds=ended),
                    acknowledged_at=start + timedelta(seconds=acknowledged)
                    if acknowledged
                    else None,
                    response_due_at=start + timedelta(minutes=5),
                    created_at=start,
                    updated_at=start,
                    source="webhook",
                    firing=False,
                    false_positive=false,
                )
            )
        for days, successes in ((1, 9), (3, 10), (40, 0)):
            await connection.execute(
                insert(metrics).values(
                    timestamp=NOW - timedelta(days=days),
                    target="auth-service",
                    replica="*",
                    kind="http",
                    seconds=60,
                    probes=10,
                    successes=successes,
                    degraded=0,
                    duration_sum=0.1,
                    buckets={},
                )
            )


async def made(directory: Path, options: StoreOptions, *words: str, prometheus: str) -> Ended:
    watched = f'watched_by=Prometheus(prometheus=("{prometheus}",)),'
    (directory / "config.py").write_text(config_text(*SERVICES, databases=DATABASES + watched))
    variables = {"MONITORING_CONFIG": str(directory / "config.py"), **environment(options)}
    return await operate(directory, "report", *words, **variables)


async def budget(_request: web.Request) -> web.Response:
    series = {"metric": {"service": "auth-service", "slo": "availability"}, "value": [0, "0.25"]}
    return web.json_response({"data": {"result": [series]}})


async def test_what_is_no_length_of_time_ends_with_2_and_no_store_with_1(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    ended = await made(tmp_path, options, "--since", "soon", prometheus="127.0.0.1:1")
    assert ended.code == 2
    assert "--since" in ended.complaint
    assert (await made(tmp_path, options, prometheus="127.0.0.1:1")).code == 1


async def test_figures_of_the_last_week_as_markdown(tmp_path: Path, options: StoreOptions) -> None:
    async with opened(options) as store:
        await fill(store)
        ended = await made(tmp_path, options, prometheus="127.0.0.1:1")
    assert (ended.code, ended.complaint) == (0, ""), ended
    assert "3 began; 1 breached their response time, 1 were false." in ended.said
    assert "| ServiceDown | 2 | 0:01:00 | 0:15:00 | 0 | 1 | 50.000% |" in ended.said
    assert r"| \<b\>\|Odd | 1 | 0:00:30 | 0:01:00 | 1 | 0 | 100.000% |" in ended.said
    assert "LongAgo" not in ended.said
    assert "| auth-service | 95.000% | 20 | 1 |" in ended.said
    assert "No Prometheus answers" in ended.said


async def test_a_longer_time_with_budgets_as_html(tmp_path: Path, options: StoreOptions) -> None:
    app = web.Application()
    app.router.add_get("/api/v1/query", budget)
    file = tmp_path / "report.html"
    async with TestServer(app) as server, opened(options) as store:
        await fill(store)
        words = ("--since", "60d", "--output", str(file))
        ended = await made(tmp_path, options, *words, prometheus=f"127.0.0.1:{server.port}")
    assert (ended.code, ended.last) == (0, f"done: {file}"), ended
    text = file.read_text()
    assert "<td>LongAgo</td>" in text
    assert "<td>&lt;b&gt;|Odd</td>" in text
    assert "<td>auth-service</td><td>63.333%</td><td>30</td><td>11</td>" in text
    assert "<td>auth-service availability</td><td>25.000%</td>" in text
