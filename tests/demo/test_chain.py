"""The whole chain on real programs: from a fault to the page, and back to the all-clear."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from asked import NEVER, NOT_ALWAYS, Asked, Line, answered, asked, has_data, on_panel
from replicated import ONE, THREE, compared, dumped, observed_by

from demo.acknowledgement import acknowledge
from demo.api import Api
from demo.scenario import Event, break_and_repair, one_failed_probe
from demo.stack import ROOT, Stack, running
from programs import find
from programs.process import child

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]

# What the issue allows at worst, and what a shared machine may add.
WORST_PAGE = 45.0
FAILING = "Most failing, the 10 worst services"
# No other test here breaks one of these, and nothing depends on them.
BREAKABLE = ("search-service", "compliance-service", "scanning-service")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with running() as started:
        yield started


async def get_json(url: str) -> object:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        return await response.json()


async def test_prometheus_has_loaded_every_generated_rule_and_all_are_healthy(stack: Stack) -> None:
    rules = await loaded_rules(stack)
    generated = [
        rule.get("alert") or rule["record"]
        for path in (ROOT / "rules/generated").glob("*.rules.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    assert {alert.name for alert in stack.platform.alerts} <= set(generated)
    assert sorted(rule["name"] for rule in rules) == sorted(generated)
    # What is recorded every two minutes has not been evaluated yet, alerts are within seconds.
    deadline = time.monotonic() + 60
    while any(rule["health"] == "unknown" for rule in rules if rule["type"] == "alerting"):
        assert time.monotonic() < deadline, rules
        await asyncio.sleep(0.5)
        rules = await loaded_rules(stack)
    assert [rule["lastError"] for rule in rules if rule["health"] == "err"] == []


async def loaded_rules(stack: Stack) -> list[dict[str, Any]]:
    """Every rule that Prometheus has, and how its last evaluation went."""
    answer = await get_json(f"{stack.prometheus.url}/api/v1/rules")
    assert isinstance(answer, dict)
    return [rule for group in answer["data"]["groups"] for rule in group["rules"]]


async def test_prometheus_scrapes_the_exporter_the_services_and_the_alerting_itself(
    stack: Stack,
) -> None:
    deadline = time.monotonic() + 60
    while True:
        up = {
            (one["metric"]["job"], one["metric"].get("service")): one["value"][1]
            for one in await stack.api.instant("up")
        }
        jobs = {job for job, _ in up}
        services = {service for job, service in up if job == "services"}
        if set(stack.simulated.services) <= services and set(up.values()) == {"1"}:
            break
        assert time.monotonic() < deadline, up
        await asyncio.sleep(0.5)
    assert jobs == {"monitoring-service", "services", "prometheus", "alertmanager"}


async def test_promtool_finds_nothing_wrong_with_the_metrics(stack: Stack) -> None:
    url = f"{stack.exporter_url}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        exposition = await response.read()
    checked = subprocess.run(  # noqa: ASYNC221 - a quick program, and nothing else runs here
        [find("promtool"), "check", "metrics"], input=exposition, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


# While the dead man's switch of the other tests' chain waits for its first sign of life.
@pytest.mark.parametrize(
    ("stop", "expected"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
async def test_a_demo_that_is_killed_or_interrupted_leaves_no_process(
    stack: Stack, tmp_path: Path, stop: signal.Signals, expected: int
) -> None:
    assert stack.exporter.poll() is None
    log = tmp_path / "demo.log"
    demo = child([sys.executable, "-m", "demo"], cwd=ROOT, log=log)
    deadline = time.monotonic() + 90
    while "crashes" not in (printed := log.read_text() if log.exists() else ""):
        assert demo.poll() is None, printed
        assert time.monotonic() < deadline, printed
        await asyncio.sleep(0.2)
    directory = next(line.split()[1] for line in printed.splitlines() if "files " in line)
    assert processes_of(directory), "nothing was started?"
    demo.send_signal(stop)
    assert await asyncio.to_thread(demo.wait, 90) == expected
    deadline = time.monotonic() + 90
    while left := processes_of(directory):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.2)


def processes_of(directory: str) -> list[str]:
    """The command lines of the processes that have anything to do with a directory."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:  # it has ended meanwhile, or is another user's
            continue
        if directory.encode() in command + environment:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


async def test_the_watchdog_comes_full_circle(stack: Stack) -> None:
    # What Prometheus threw away, as it may after a reload, it sends again after a minute.
    deadline = time.monotonic() + 180
    query = "monitoring_watchdog_last_received_timestamp_seconds > 0"
    while not await stack.api.instant(query):
        assert time.monotonic() < deadline, "Alertmanager has not delivered Watchdog"
        await asyncio.sleep(0.5)


@pytest.mark.timeout(600)
async def test_every_query_of_every_dashboard_returns_data(stack: Stack) -> None:
    """Objectives are recorded every two minutes; all else is there after one."""
    queries = asked(stack.platform)
    listed = {*NEVER, *NOT_ALWAYS}
    assert listed <= {query.title for query in queries}
    deadline = time.monotonic() + 240
    while True:
        empty = [query for query in queries if not await has_data(stack.api, query)]
        unexplained = [query.place for query in empty if query.title not in listed]
        if not unexplained:
            break
        assert time.monotonic() < deadline, unexplained
        await asyncio.sleep(2)
    filled = {query.title for query in queries if query not in empty}
    assert filled & set(NEVER) == set()


async def test_a_panel_without_any_data_says_none_on_purpose(stack: Stack) -> None:
    panels: dict[tuple[str, str], list[Asked]] = {}
    for query in asked(stack.platform):
        panels.setdefault((query.board, query.panel), []).append(query)
    for place, queries in panels.items():
        if not any([await answered(stack.api, query) for query in queries]):
            assert {query.empty for query in queries} == {"none"}, place


@pytest.mark.timeout(600)
async def test_what_the_dashboards_show_changes_when_a_service_breaks(stack: Stack) -> None:
    broken = await without_a_failure(stack)
    well: dict[str, object] = {
        "services down": [0],
        "state": [2],
        "reason": [],
        "most failing": [],
        "critical": [0],
        "who has it": [],
        "ServiceDown": [1],
        "waiting": [],
    }
    ill = {
        "services down": [1],
        "state": [0],
        "reason": ["connect_refused"],
        "most failing": [broken],
        "critical": [1],
        "who has it": ["nobody yet"],
        "ServiceDown": [0],
        "waiting": [broken],
    }
    await becomes(stack, broken, well)
    await stack.simulated.services[broken].crash()
    try:
        await becomes(stack, broken, ill)
    finally:
        await stack.simulated.services[broken].repair()
    # It goes on to be among those that failed in the last hour.
    await becomes(stack, broken, {**well, "most failing": [broken]})


async def without_a_failure(stack: Stack) -> str:
    """A service of which no probe has failed: a busy machine may have made one fail."""
    failing = await on_panel(stack.api, asked(stack.platform), "overview", FAILING)
    troubled = {line.labels["target"] for line in failing}
    return next(service for service in BREAKABLE if service not in troubled)


async def becomes(stack: Stack, service: str, expected: dict[str, object]) -> None:
    """Wait until the dashboards show this of a service."""
    queries = asked(stack.platform)
    deadline = time.monotonic() + 90
    while True:
        seen = await shown_of(stack, queries, service)
        if seen == expected or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.5)
    assert seen == expected


async def shown_of(stack: Stack, queries: list[Asked], service: str) -> dict[str, object]:
    """What panels show of a service, each by a word."""

    async def about(board: str, title: str, label: str) -> list[Line]:
        lines = await on_panel(stack.api, queries, board, title)
        return [line for line in lines if line.labels.get(label) == service]

    down = await on_panel(stack.api, queries, "overview", "Services down")
    critical, *_ = await on_panel(stack.api, queries, "overview", "Open alerts")
    rows = await about("overview", "Firing alerts", "service")
    return {
        "services down": [line.value for line in down],
        "state": [
            line.value for line in await about("overview", "State of every service", "target")
        ],
        "reason": [
            line.labels["reason"] for line in await about("overview", "Failure reasons", "target")
        ],
        "most failing": [
            line.labels["target"] for line in await about("overview", FAILING, "target")
        ],
        "critical": [critical.value],
        "who has it": [line.labels["who"] for line in rows],
        "ServiceDown": [line.value for line in await about("alerts", "ServiceDown", "target")],
        "waiting": [
            line.labels["service"]
            for line in await about("alerting", "Waiting to be acknowledged", "service")
        ],
    }


@pytest.mark.timeout(600)
async def test_a_crash_and_a_hang_page_everywhere_until_the_all_clear_and_a_lost_probe_nobody(
    stack: Stack,
) -> None:
    """The three run side by side: they are about different services."""
    events: list[Event] = []

    async def acknowledged(since: float) -> None:
        await acknowledge(stack, "ServiceDown", "payment-service", since, events.append)

    lost, crash, hang = await asyncio.gather(
        one_failed_probe(stack, "auth-service", WORST_PAGE),
        break_and_repair(stack, "payment-service", "crash", events.append, acknowledged),
        break_and_repair(stack, "order-service", "hang", lambda event: None),
    )
    assert lost == []
    for done in (crash, hang):
        assert set(done.pages) == {"pagerduty", "slack", "email"}
        assert max(done.pages.values()) <= WORST_PAGE
        assert set(done.resolves) == {"pagerduty", "slack", "email"}
    order = [event.what for event in events]
    assert order.index("probe failed") < order.index("scraped") < order.index("alert pending")
    assert order.index("alert pending") < order.index("alert firing") < order.index("pagerduty")
    assert order.index("pagerduty") < order.index("acknowledged") < order.index("ladder stays")
    severities = {
        receipt.body["payload"]["severity"]
        for receipt in stack.sinks.receipts
        if (receipt.channel, receipt.status) == ("pagerduty", "firing")
        and "order-service" in receipt.alerts
    }
    assert severities == {"critical"}


async def test_the_ledger_has_each_alert_from_its_start_to_its_end(stack: Stack) -> None:
    assert await stack.api.instant("max(alert_ledger_store_up) == 1")
    query = "SELECT status, starts_at, ends_at FROM alerts WHERE name = 'ServiceDown' AND service ="
    deadline = time.monotonic() + 120
    with closing(sqlite3.connect(stack.directory / "ledger.sqlite3")) as ledger:
        for service in ("payment-service", "order-service"):
            while True:
                found = ledger.execute(f"{query} '{service}'").fetchall()
                # PagerDuty, which was waited for, may hear of an alert before the ledger does.
                if [status for status, *_ in found] == ["resolved"]:
                    break
                assert time.monotonic() < deadline, found
                await asyncio.sleep(0.5)
            ((_, starts_at, ends_at),) = found
            assert starts_at < ends_at
        assert ledger.execute("SELECT * FROM alerts WHERE name = 'Watchdog'").fetchall() == []


async def test_every_panel_reads_the_same_with_one_exporter_and_with_three(
    stack: Stack, tmp_path: Path
) -> None:
    """What has been scraped is put into two Prometheus anew: as it was, and of three exporters."""
    until = time.time()
    samples = await asyncio.to_thread(dumped, stack.prometheus.data, until)
    async with aiohttp.ClientSession() as session:
        with (
            observed_by(tmp_path / "one", samples, ONE) as one,
            observed_by(tmp_path / "three", samples, THREE) as three,
        ):
            of_one, of_three = (Api(session, "", server.url, "") for server in (one, three))
            found = await compared(asked(stack.platform), of_one, of_three, until)
    assert found.unlike == {}
    # What neither shows was not lost on the way to them: there was nothing just then.
    for query in asked(stack.platform):
        if query.place in found.empty and query.title not in {*NEVER, *NOT_ALWAYS}:
            assert await answered(stack.api, query, until) == [], query.place


async def test_the_messages_carry_what_a_person_needs(stack: Stack) -> None:
    for receipt in stack.sinks.receipts:
        if "ServiceDown" not in receipt.alerts:
            continue
        text = json.dumps(receipt.body)
        for wanted in ("payment-service", "order-service"):
            if wanted in receipt.alerts:
                assert wanted in text
        assert f"{stack.exporter_url}/runbooks/ServiceDown" in text
        assert "critical" in text


async def test_the_runbook_link_of_a_message_leads_to_a_page(stack: Stack) -> None:
    for alert in stack.platform.alerts:
        url = f"{stack.exporter_url}/runbooks/{alert.name}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.status == 200
            assert f"<h1>{alert.name}</h1>" in await response.text()
