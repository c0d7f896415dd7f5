"""Other people's dashboards and rules find what they query, in a real Prometheus.

`community.yml` lists what each of them needs. The generated jobs that probe through /probe are
switched on, and the exporter probes a real service, a real Postgres and a real Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from certificates import Authorities
from scripted_server import serving_tls
from serving import TIMES, config_text, serving

from demo.api import Api
from model.durations import seconds
from model.jobs import JOB, PROBE_JOBS
from model.load import load
from model.platform import Platform
from programs import Postgres, Prometheus, Redis
from rules import scrape
from rules.compile import compile_files
from rules.prove import prove

ROOT = Path(__file__).resolve().parents[2]
LISTED: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "community.yml").read_text()
)
DEADLINE = 120.0
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"status":"healthy"}'
# So that every view has a row.
ACTIVITY = """
CREATE TABLE sales (amount int);
INSERT INTO sales SELECT generate_series(1, 100);
UPDATE sales SET amount = amount + 1;
DELETE FROM sales WHERE amount < 10;
SELECT pg_create_physical_replication_slot('standby');
"""


def probing(platform: Platform, exporter: str) -> Platform:
    """A platform whose Prometheus probes through an exporter, often."""
    watched = platform.watched_by.model_copy(
        update={
            "exporters": (exporter,),
            "scrape_interval": seconds(1),
            "services_scrape_interval": seconds(2),
            "probe_jobs": True,
        }
    )
    return platform.model_copy(update={"watched_by": watched})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """What Prometheus has, once every job has been scraped."""
    directory = tmp_path_factory.mktemp("community")
    authorities = Authorities(directory)
    declared = f'Service(name="shop", url="http://x", ca_file="{authorities.file}", {TIMES}),'
    text = config_text("own-service").replace("    services=(\n", f"    services=({declared}\n")
    text = text.replace("timeout=seconds(0.5)", "timeout=seconds(0.9)")
    with Postgres() as postgres, Redis(directory / "redis") as redis:
        for statement in ACTIVITY.strip().split("\n"):
            postgres.execute(statement)
        with serving_tls(authorities.with_intermediate(), ANSWER) as shop:
            environment = {
                "SHOP_URL": shop.url,
                "DATABASE_URL": postgres.dsn(),
                "REDIS_URL": redis.url,
            }
            async with (
                serving(directory, environment=environment, text=text) as served,
                aiohttp.ClientSession() as session,
            ):
                exporter = f"127.0.0.1:{served.client.port}"
                platform = probing(served.service.loaded.platform, exporter)
                file = directory / "prometheus.yml"
                file.write_text(scrape.build(platform)[scrape.PATH])
                with Prometheus(directory / "prometheus", file) as prometheus:
                    found = Api(session, "", prometheus.url, "")
                    await scraped(found)
                    yield found


async def scraped(api: Api) -> None:
    """Wait until each kind's job has brought a success, which is what is asked about."""
    wanted = {PROBE_JOBS[kind] for kind in ("http", "postgres", "redis")}
    end = time.monotonic() + DEADLINE
    while True:
        up = await api.instant("probe_success == 1")
        if wanted <= {one["metric"]["job"] for one in up}:
            return
        assert time.monotonic() < end, up
        await asyncio.sleep(0.2)


NEEDS = [
    (source, metric, labels)
    for source, about in LISTED.items()
    for metric, labels in about["needs"].items()
]
MISSING = [
    (source, metric) for source, about in LISTED.items() for metric in about.get("missing", ())
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("source", "metric", "labels"),
    NEEDS,
    ids=[f"{source}: {metric}" for source, metric, _ in NEEDS],
)
async def test_what_they_query_is_there_with_its_labels(
    api: Api, source: str, metric: str, labels: list[str]
) -> None:
    job = PROBE_JOBS[LISTED[source]["kind"]]
    matchers = ",".join([f'job="{job}"', *(f'{label}!=""' for label in labels)])
    # A single scrape of a busy machine may fail, and its series end with it.
    found = await api.instant(f"last_over_time({metric}{{{matchers}}}[5m])")
    assert found
    assert {one["metric"]["instance"] for one in found} <= {
        "shop",
        "own-service",
        "postgresql",
        "redis",
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("source", "metric"), MISSING, ids=[f"{source}: {metric}" for source, metric in MISSING]
)
async def test_what_is_listed_as_missing_still_is(api: Api, source: str, metric: str) -> None:
    job = PROBE_JOBS[LISTED[source]["kind"]]
    found = await api.instant(f'last_over_time({metric}{{job="{job}"}}[5m])')
    assert not found, "move it to `needs`"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_exporters_own_job_keeps_its_labels(api: Api) -> None:
    end = time.monotonic() + DEADLINE
    targets: set[str] = set()
    while targets != {"shop", "own-service", "postgresql", "redis"}:
        assert time.monotonic() < end, targets
        found = await api.instant(f'last_over_time(probe_success{{job="{JOB}"}}[5m])')
        targets = {one["metric"]["target"] for one in found}
        assert len(found) == len(targets)
        await asyncio.sleep(0.2)


# --- what is generated --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load(ROOT / "config.py")


def test_without_the_setting_there_are_no_such_jobs(platform: Platform) -> None:
    assert not platform.watched_by.probe_jobs
    text = scrape.build(platform)[scrape.PATH]
    assert not any(job in text for job in ("blackbox", "__param_target"))


def test_a_job_a_kind_asks_the_exporter_by_name(platform: Platform) -> None:
    document = yaml.safe_load(scrape.build(probing(platform, "exporter:3017"))[scrape.PATH])
    jobs = {job["job_name"]: job for job in document["scrape_configs"]}
    assert {"blackbox-http", "postgres", "redis"} <= set(jobs)
    assert len(jobs["blackbox-http"]["static_configs"][0]["targets"]) == len(platform.services)
    assert jobs["redis"]["metrics_path"] == "/probe"
    assert jobs["redis"]["relabel_configs"][-1]["replacement"] == "exporter:3017"


def test_our_own_alerts_and_dashboards_do_not_count_what_these_jobs_bring(
    platform: Platform,
) -> None:
    with_jobs = probing(platform, "exporter:3017")
    files = compile_files(with_jobs)
    rules = files["rules/generated/availability.rules.yml"]
    assert f'count(avg by (target) (probe_success{{job="{JOB}"}}))' in rules
    databases = files["rules/generated/databases.rules.yml"]
    assert f'avg by (target) (pg_up{{job="{JOB}"}}) < 0.5' in databases
    dashboard = files["grafana/dashboards/overview.json"]
    assert f'pg_up{{job=\\"{JOB}\\"}}' in dashboard
    assert f'probe_success{{kind=\\"http\\",job=\\"{JOB}\\"}}' in dashboard
    assert [proof for proof in prove(with_jobs, files) if not proof.holds] == []
