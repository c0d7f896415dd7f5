"""/metrics, /probe and /api/sd/services: what Prometheus reads."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from serving import (
    AMPLE_TIMES,
    HANGING_SECONDS,
    HANGING_TIMES,
    SERVICES,
    TIMES,
    Fleet,
    Served,
    config_text,
    serving,
)
from standins import failure, until

from demo.platform import Platform
from exporter.probers.result import ProbeResult, Sample
from exporter.web.discovery import discovered
from model import names
from model.targets import Service
from programs import Postgres, Redis, find

# What a busy machine may add to an answer that waits for nobody.
SLACK = 1.0
HANGING = config_text(*SERVICES).replace(TIMES, HANGING_TIMES)


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, Fleet()) as started:
        yield started


async def error(served: Served, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, code and text of an answer in the documented shape."""
    answer = await served.client.get(path, headers=headers)
    body = await answer.json()
    assert sorted(body) == ["code", "error", "path", "statusCode", "timestamp"]
    assert body["statusCode"] == answer.status
    return answer.status, body["code"], body["error"]


# --- /metrics -----------------------------------------------------------------------------------


async def test_before_any_result_the_targets_are_known_and_nothing_is_said_of_them(
    tmp_path: Path,
) -> None:
    fleet = Fleet()
    fleet.takes = dict.fromkeys(
        ("auth-service", "venue-service", "own-service", "postgresql", "redis")
    )
    async with serving(tmp_path, fleet, text=HANGING) as served:
        text = await (await served.client.get("/metrics")).text()
        sha256 = served.service.loaded.sha256
    for target, kind in (("auth-service", "http"), ("postgresql", "postgres"), ("redis", "redis")):
        line = f'monitoring_target_info{{target="{target}",kind="{kind}",config="{sha256}"}} 1'
        assert line in text.splitlines()
    assert "probe_success{" not in text
    assert "monitoring_probes_total{" not in text
    assert f'monitoring_config_info{{sha256="{sha256}"}} 1.0' in text
    assert "monitoring_config_last_reload_successful 1.0" in text


async def test_a_scrape_answers_at_once_while_all_targets_hang(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.takes = dict.fromkeys(
        ("auth-service", "venue-service", "own-service", "postgresql", "redis")
    )
    text = HANGING.replace("interval=seconds(60)", "interval=seconds(5)")
    async with serving(tmp_path, fleet, text=text) as served:
        await until(lambda: all(one.starts for [one] in fleet.made.values()), 60)
        for _ in range(10):
            started = time.monotonic()
            assert (await served.client.get("/metrics")).status == 200
            # Whoever waited for a target would do so until its deadline.
            assert time.monotonic() - started < HANGING_SECONDS / 2
            await asyncio.sleep(0.05)


async def test_each_targets_result_is_told_with_its_kind(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["auth-service"] = failure
    async with serving(tmp_path, fleet) as served:
        await served.results()
        lines = (await (await served.client.get("/metrics")).text()).splitlines()
    assert 'probe_success{target="auth-service",kind="http"} 0' in lines
    assert 'probe_success{target="redis",kind="redis"} 1' in lines
    reason = 'monitoring_probe_failure_reason{target="auth-service",kind="http",reason='
    assert f'{reason}"connect_refused"}} 1' in lines
    assert not [line for line in lines if "failure_reason{" in line and "redis" in line]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"),
        ("deflate, GZIP", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000", None),
        ("identity", None),
        ("xgzip", None),
        ("", None),
    ],
)
async def test_a_scrape_is_compressed_exactly_if_it_asks_for_that(
    served: Served, accepted: str, encoding: str | None
) -> None:
    await served.results()
    answer = await served.client.get(
        "/metrics", headers={"Accept-Encoding": accepted}, auto_decompress=False
    )
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Vary"] == "Accept-Encoding"
    body = await answer.read()
    text = gzip.decompress(body) if encoding else body
    assert b"\nprobe_success{" in text
    assert len(text) == len(body) or len(body) < len(text) / 3


async def test_promtool_has_nothing_to_say_about_a_real_platform(tmp_path: Path) -> None:
    with Postgres() as postgres, Redis(tmp_path / "redis") as redis:
        async with Platform(("auth-service", "venue-service", "own-service")) as platform:
            await platform.services["venue-service"].crash()
            urls = {
                "AUTH_SERVICE_URL": platform.services["auth-service"].url,
                "VENUE_SERVICE_URL": platform.services["venue-service"].url,
                "OWN_SERVICE_URL": platform.services["own-service"].url,
                "DATABASE_URL": postgres.dsn(),
                "REDIS_URL": redis.url,
            }
            ample = config_text(*SERVICES).replace(TIMES, AMPLE_TIMES)
            async with serving(tmp_path, environment=urls, text=ample) as served:
                await served.results()
                text = await (await served.client.get("/metrics")).text()
                page = await (await served.client.get("/probe?target=auth-service")).text()
    for exposition in (text, page):
        checked = subprocess.run(  # noqa: ASYNC221 - a quick program, and nothing else runs here
            [find("promtool"), "check", "metrics"],
            input=exposition.encode(),
            capture_output=True,
            check=False,
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    values = {
        (sample.name, sample.labels.get("target")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["probe_success", "auth-service"] == 1
    assert values["probe_success", "venue-service"] == 0
    assert values["pg_up", "postgresql"] == 1
    assert values["redis_up", "redis"] == 1
    assert values["probe_http_status_code", "auth-service"] == 200
    assert values["probe_http_status_code", "venue-service"] == 0
    assert {"process_resident_memory_bytes", "monitoring_errors_total"} <= {
        name for name, _ in values
    }


# --- /probe -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?target=",
        "?target=nobody",
        "?target=http://127.0.0.1:1",
        "?target=http%3A%2F%2Fauth-service",
        "?target=127.0.0.1",
        "?target=AUTH-SERVICE",
        "?target=auth-service%00",
        "?target=%ff%fe",
        "?target=" + "x" * 4000,
        "?module=http_2xx",
    ],
)
async def test_anything_but_a_targets_name_is_not_found(served: Served, query: str) -> None:
    made = {name: len(probers) for name, probers in served.fleet.made.items()}
    status, code, text = await error(served, f"/probe{query}")
    assert (status, code) == (404, "NOT_FOUND")
    assert "targets are given by name, never by URL" in text
    assert len(text) < 300
    assert {name: len(probers) for name, probers in served.fleet.made.items()} == made


async def test_a_misspelt_name_gets_a_suggestion(served: Served) -> None:
    _, _, text = await error(served, "/probe?target=auth-servce")
    assert text == (
        'there is no target "auth-servce"; did you mean "auth-service"?; '
        "targets are given by name, never by URL"
    )


@pytest.mark.parametrize("header", ["", "soon", "0", "-1", "nan", "inf", "1e9", "3s"])
async def test_a_deadline_that_is_none_is_refused(served: Served, header: str) -> None:
    status, code, text = await error(
        served, "/probe?target=redis", **{"X-Prometheus-Scrape-Timeout-Seconds": header}
    )
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert "X-Prometheus-Scrape-Timeout-Seconds" in text


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        # The target's own timeout is 4.5 s; the runner grants half a second to clean up.
        ("60", 4.5, 5.0),
        ("2", 1.5, 2.0),
        ("0.1", 0.05, 0.55),
    ],
)
async def test_a_probe_ends_before_the_scrape_gives_up_and_within_its_own_timeout(
    tmp_path: Path, header: str, least: float, most: float
) -> None:
    fleet = Fleet()
    fleet.takes["redis"] = None
    async with serving(tmp_path, fleet, text=HANGING) as served:
        started = time.monotonic()
        answer = await served.client.get(
            "/probe?target=redis", headers={"X-Prometheus-Scrape-Timeout-Seconds": header}
        )
        took = time.monotonic() - started
        assert "probe_success 0\n" in await answer.text()
    assert least <= took < most + SLACK


async def test_a_probe_answers_as_blackbox_exporter_does(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["redis"] = lambda: ProbeResult(
        failure().health, 0.25, 1.0, failure().reason, "", (Sample(names.REDIS_DB_KEYS, ("db0",)),)
    )
    async with serving(tmp_path, fleet) as served:
        answer = await served.client.get("/probe?target=redis")
        text = await answer.text()
    assert answer.status == 200, "a failed probe is a result, not an error"
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nprobe_success 0\n" in text
    assert "\nprobe_duration_seconds 0.25\n" in text
    assert '\nredis_db_keys{db="db0"} 0\n' in text


async def test_a_probe_on_demand_gives_back_what_it_holds(served: Served) -> None:
    await served.client.get("/probe?target=redis")
    background, on_demand = served.fleet.made["redis"]
    assert (background.closed, on_demand.closed) == (0, 1)


async def test_no_more_than_twenty_probes_run_on_demand_and_the_next_is_told_to_wait(
    tmp_path: Path,
) -> None:
    fleet = Fleet()
    # Long enough for all of them to ask.
    fleet.takes["redis"] = 4.0
    async with serving(tmp_path, fleet, text=HANGING) as served:
        asked = [served.client.get("/probe?target=redis") for _ in range(30)]
        answers = await asyncio.gather(*asked)
        statuses = [answer.status for answer in answers]
        assert statuses.count(200) == 20
        assert statuses.count(503) == 10
        [refused, *_] = [answer for answer in answers if answer.status == 503]
        assert refused.headers["Retry-After"] == "1"
        assert (await refused.json())["code"] == "SERVICE_UNAVAILABLE"
        fleet.takes["redis"] = 0.0
        assert (await served.client.get("/probe?target=redis")).status == 200


# --- /api/sd/services ---------------------------------------------------------------------------


async def test_discovery_lists_the_services_with_metrics_at_the_urls_that_are_probed(
    tmp_path: Path,
) -> None:
    text = config_text("auth-service", "quiet-service", "own-service").replace(
        'name="quiet-service",', 'name="quiet-service", metrics_path=None,'
    )
    environment = {"AUTH_SERVICE_URL": "https://monitoring:hunter2@gateway.example/x"}
    async with serving(tmp_path, Fleet(), environment, text) as served:
        answer = await served.client.get("/api/sd/services")
        assert answer.content_type == "application/json"
        assert await answer.json() == [
            {
                "targets": ["gateway.example:443"],
                "labels": {
                    "service": "auth-service",
                    "__scheme__": "https",
                    "__metrics_path__": "/x/metrics",
                },
            }
        ]


@pytest.mark.parametrize(
    ("url", "address", "scheme", "path"),
    [
        ("http://user:hunter2@auth:3000", "auth:3000", "http", "/metrics"),
        ("http://auth", "auth:80", "http", "/metrics"),
        ("https://auth", "auth:443", "https", "/metrics"),
        ("http://[2001:db8::1]:3000", "[2001:db8::1]:3000", "http", "/metrics"),
        ("http://[::1]", "[::1]:80", "http", "/metrics"),
        ("http://gateway/auth/", "gateway:80", "http", "/auth/metrics"),
    ],
)
def test_a_discovered_address_has_a_port_and_no_credentials(
    url: str, address: str, scheme: str, path: str
) -> None:
    group = discovered(Service(name="auth-service", port=3000), url)
    assert group == {
        "targets": [address],
        "labels": {"service": "auth-service", "__scheme__": scheme, "__metrics_path__": path},
    }
