"""The demo's Prometheus remembers days that it has not seen, and what they were like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from demo import history
from demo.api import Api
from demo.history import OUTAGES, RUSHED, Outage
from demo.stack import ROOT
from model import metrics
from model.load import load
from programs import Prometheus, ServerError

EXPORTER = "127.0.0.1:3017"
ADDRESSES = {RUSHED: "127.0.0.1:3020"}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    directory = tmp_path_factory.mktemp("history")
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    server = Prometheus(directory, config, retention=history.RETENTION)
    history.write(server.data, EXPORTER, ADDRESSES)
    with server:
        yield server


async def value(prometheus: Prometheus, query: str) -> float:
    """The one number that a query results in."""
    async with aiohttp.ClientSession() as session:
        api = Api(session, EXPORTER, prometheus.url, "")
        (found,) = await api.instant(query)
        return float(found["value"][1])


def burnt(outage: Outage, window: str) -> str:
    """The share of errors of an outage's service over a window."""
    kept = {
        "availability": f'service:http_available:ratio5m{{service="{outage.service}"}}',
        "latency": f'service:http_fast:ratio5m{{service="{outage.service}"}}',
        "uptime": f'probe_success{{kind="http",target="{outage.service}"}}',
    }
    return f"1 - avg_over_time({kept[outage.objective]}[{window}])"


def limit(outage: Outage) -> float:
    return float(outage.budget * outage.window.factor)


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda one: f"{one.objective}-{one.window.name}")
async def test_of_an_outage_the_long_window_has_seen_too_much_and_the_short_one_not(
    prometheus: Prometheus, outage: Outage
) -> None:
    assert await value(prometheus, burnt(outage, outage.window.name)) > 1.5 * limit(outage)
    short = f"{outage.window.short.total_seconds():.0f}s"
    assert await value(prometheus, burnt(outage, short)) < 0.8 * limit(outage)


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda one: f"{one.objective}-{one.window.name}")
def test_the_config_tells_of_each_outage_s_objective_at_its_limit(outage: Outage) -> None:
    told = [
        str(alert.expr)
        for alert in load(ROOT / "config.py").alerts
        if alert.labels == {"window": outage.window.name, "objective": outage.objective}
    ]
    (expr,) = told
    assert f"> {limit(outage):g}" in expr


async def test_a_week_ago_traffic_was_as_usual(prometheus: Prometheus) -> None:
    recorded = f'service:http_requests:rate1h{{service="{RUSHED}"}}'
    for day in range(1, 8):
        assert await value(prometheus, f"{recorded} offset {day}d") == 1.5


async def test_the_last_hour_had_the_traffic_of_the_simulation(prometheus: Prometheus) -> None:
    rate = f'sum(rate({metrics.HTTP_REQUESTS.name}{{service="{RUSHED}"}}[1h]))'
    assert await value(prometheus, rate) == pytest.approx(4, rel=0.1)


async def test_no_target_is_taken_for_one_that_is_probed_now(prometheus: Prometheus) -> None:
    assert await value(prometheus, "count(probe_success) or vector(0)") == 0


def test_what_is_remembered_is_recorded_by_rules_of_the_config() -> None:
    recorded = {one.name for one in load(ROOT / "config.py").recording_rules}
    assert {*history.RECORDED.values(), history.REQUESTS} <= recorded


def test_a_history_that_cannot_be_written_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "promtool"
    refusing.write_text("#!/bin/sh\necho no room\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PROMTOOL", str(refusing))
    with pytest.raises(ServerError, match="no blocks of history: no room"):
        history.write(tmp_path / "data", EXPORTER, ADDRESSES)
