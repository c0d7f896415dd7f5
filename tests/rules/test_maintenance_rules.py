"""In a real Prometheus: a window holds back its targets' alerts, and not for longer."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from demo.api import Api
from model import Count, Match, metrics, minutes, observed, select
from model.alerts import Alert
from model.load import load
from model.metric import Collapse, Metric, MetricType, Scope
from model.promql import Expr, Threshold
from model.raw import Fires, Quiet, Raw
from programs import Prometheus, child, free_port
from rules.compile import compile_files
from rules.maintenance import outside_maintenance
from rules.mutate.subjects import Subject, subjects
from rules.mutate.trial import UnfitError, run
from rules.output import Files

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).resolve().parent / "tiny_config.py"
# How long the window of the test stays open.
LASTS = 14.0
IN_TIME = 40.0
TIMES = "interval=seconds(1), timeout=seconds(0.5), retry_interval=seconds(0.2)"

CONFIG = """
from model import *

CONFIG = Platform(
    name="tiny",
    services=(
        Service(name="resting", url="http://127.0.0.1:1", {times}),
        Service(name="broken", url="http://127.0.0.1:1", {times}),
    ),
    maintenance=(
        Maintenance(targets=("resting",), start="{start}", end="{end}", reason="disk move"),
    ),
    severities=(Severity(name="critical", response_time=minutes(5), channels=("slack",)),),
    channels=(Slack(webhook_url_file="/secrets/slack", channel="#alerts"),),
    contacts=(),
    alerts=(
        Alert(
            name="ServiceDown",
            group="availability",
            expr=observed(metrics.PROBE_SUCCESS, kind="http") < "0.5",
            for_=seconds(3),
            severity="critical",
            summary="s",
            description="d",
        ),
    ),
    watched_by=Prometheus(
        exporters=("127.0.0.1:{port}",), scrape_interval=seconds(1), evaluation_interval=seconds(1)
    ),
    base_url="http://127.0.0.1",
    dead_mans_switch="http://127.0.0.1/watchdog",
)
"""


def moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S")


async def until_fires(api: Api, target: str, seconds: float) -> float:
    """Wait until ServiceDown fires for a target; the time at which it does."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        query = f'ALERTS{{alertname="ServiceDown",alertstate="firing",target="{target}"}}'
        if await api.instant(query):
            return time.time()
        await asyncio.sleep(0.2)
    raise AssertionError(f"ServiceDown for {target} has not fired in {seconds:g} s")


async def test_an_alert_that_begins_in_a_window_fires_when_it_is_over(tmp_path: Path) -> None:
    port, now = free_port(), time.time()
    config = tmp_path / "config.py"
    times = {"start": moment(now - 60), "end": moment(now + LASTS)}
    config.write_text(CONFIG.format(port=port, times=TIMES, **times))
    for path, text in compile_files(load(config)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    variables = {"MONITORING_CONFIG": str(config), "HOST": "127.0.0.1", "PORT": str(port)}
    exporter = child(
        [sys.executable, "-m", "exporter", "serve"],
        cwd=ROOT,
        env={**os.environ, **variables},
        log=tmp_path / "exporter.log",
    )
    try:
        with Prometheus(
            tmp_path / "data", tmp_path / "rules/generated/prometheus.yml"
        ) as prometheus:
            async with aiohttp.ClientSession() as session:
                api = Api(session, "", prometheus.url, "")
                # The other one, that is as broken, has no window.
                assert await until_fires(api, "broken", IN_TIME) < now + LASTS, "too slow to tell"
                assert await until_fires(api, "resting", IN_TIME) >= float(int(now + LASTS)) + 2
                # It was told all the while what it is.
                [seen] = await api.instant('max_over_time(probe_success{target="resting"}[1m])')
                assert seen["value"][1] == "0"
    finally:
        exporter.terminate()
        exporter.wait(10)


# --- what it is about ---------------------------------------------------------------------------


def about(expr: Expr, service: str = "s") -> Alert:
    return Alert(
        name="Busy",
        group="availability",
        expr=expr,
        for_=minutes(1),
        severity="info",
        service=service,
        summary="s",
        description="d",
    )


def rule(expr: Expr) -> str:
    return outside_maintenance(about(expr))


def test_an_alert_about_a_target_is_held_back_by_that_target() -> None:
    assert rule(observed(metrics.PG_UP) < "0.5") == (
        "avg by (target) (pg_up) < 0.5 "
        "unless on (target) avg by (target) (monitoring_maintenance) > 0.5"
    )


# What a service says of itself: whose it is stands in the label `service`.
QUEUE_DEPTH = Metric(
    "queue_depth",
    MetricType.GAUGE,
    "Jobs that wait.",
    ("queue_name", "service"),
    scope=Scope.SERVICE,
    collapse=Collapse.SUM,
)


def by_service() -> Threshold:
    return observed(QUEUE_DEPTH, by=("service",)) > 1000


def test_an_alert_about_a_service_by_what_it_says_itself_is_held_back_too() -> None:
    assert rule(by_service()).endswith(
        "unless on (service) label_replace(avg by (target) (monitoring_maintenance) > 0.5, "
        '"service", "$1", "target", "(.+)")'
    )


def test_an_alert_about_no_single_target_is_held_back_by_nobody() -> None:
    whole = observed(QUEUE_DEPTH, by=()) > 1000
    assert rule(whole) == str(whole)
    drift = Count(select(metrics.CONFIG_INFO).where(Match.NOT_EQUAL, sha256="x")) > 0
    assert rule(drift) == str(drift)


RAW = Raw(
    'pg_up{job="monitoring-service"} < 0.5 or pg_up != pg_up',
    cases=(
        Fires(
            series={'pg_up{target="db",job="monitoring-service",instance="one:3017"}': "0x30"},
            labels={"target": "db", "job": "monitoring-service", "instance": "one:3017"},
            value="0",
        ),
        Quiet(
            series={'pg_up{target="db",job="monitoring-service",instance="one:3017"}': "1x30"},
            at=minutes(2),
        ),
    ),
)


def test_raw_promql_is_held_back_by_what_its_service_says_that_it_is_about() -> None:
    assert outside_maintenance(about(RAW, "{{ $labels.target }}")) == (
        f"({RAW}) unless on (target) avg by (target) (monitoring_maintenance) > 0.5"
    )
    assert outside_maintenance(about(RAW)) == str(RAW)


def busy(files: Files) -> Subject:
    """The alert among the generated ones, which are more than those of the config."""
    return next(one for one in subjects(files) if one.name == "Busy")


@pytest.mark.parametrize(
    ("alert", "label"),
    [
        (about(observed(metrics.PG_UP) < "0.5", "{{ $labels.target }}"), "target"),
        (about(by_service(), "{{ $labels.service }}"), "service"),
        (about(RAW, "{{ $labels.target }}"), "target"),
    ],
    ids=["target", "service", "raw"],
)
def test_every_change_of_it_is_noticed(alert: Alert, label: str) -> None:
    tiny = load(TINY)
    files = compile_files(tiny.model_copy(update={"alerts": (alert,)}))
    found = busy(files)
    [outcome] = run([found], frozenset({alert.name} if alert.expr is RAW else ()), quick=False)
    changes = {"unless -> or", "unless -> and", "threshold + (2)", "threshold - (2)"}
    assert changes <= set(outcome.caught)
    assert [change for change in outcome.survived if "(2)" in change or "avg" in change] == []
    path = "rules/generated/availability.rules.yml"
    assert f"unless on ({label})" in files[path]
    spoilt = {**files, path: files[path].replace(f"unless on ({label})", "unless on ()")}
    with pytest.raises(UnfitError):
        list(run([busy(spoilt)], frozenset(), quick=True))
