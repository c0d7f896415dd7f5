"""Faults of Prometheus and Alertmanager, and of who takes their messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from demo.scenarios import second
from demo.scenarios.scenario import Scenario, Stage
from demo.stack import Stack
from model import names_alerting as names
from model.jobs import ALERTMANAGER_JOB
from programs import Alertmanager, ServerError, find, free_port
from programs.process import HOST
from programs.server import HttpServer

# Instances, as Prometheus calls the second ones.
_DYING_PROMETHEUS, _DYING_ALERTMANAGER = "dying-prometheus", "dying-alertmanager"
_LONELY_PROMETHEUS, _UNHEARD_PROMETHEUS = "lonely-prometheus", "unheard-prometheus"
# Two evaluations are missed, whenever it begins.
_STANDSTILL_SECONDS = 6.0
_NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
_UNKNOWN_RECEIVER = {"route": {"receiver": "who-was-renamed"}, "receivers": [{"name": "on-call"}]}
# One series is expected on the right, and the platform has one a service.
_MANY_TO_MANY = "up * on(job) up"
_REVOKED = 403
# Longer than it takes until it was refused.
_MESSAGE_LASTS = timedelta(minutes=2)


@asynccontextmanager
async def _second_prometheus_dies(stack: Stack) -> AsyncIterator[None]:
    async with second.prometheus(stack, _DYING_PROMETHEUS, {}) as other:
        other.kill()
        try:
            yield
        finally:
            other.start()
            await asyncio.to_thread(other.wait_ready)


@asynccontextmanager
async def _second_prometheus_knows_nobody(stack: Stack) -> AsyncIterator[None]:
    async with second.prometheus(stack, _LONELY_PROMETHEUS, {}):
        yield


@asynccontextmanager
async def _second_prometheus_is_not_heard(stack: Stack) -> AsyncIterator[None]:
    targets = {"static_configs": [{"targets": [f"{HOST}:{free_port()}"]}]}
    async with second.prometheus(stack, _UNHEARD_PROMETHEUS, {"alertmanagers": [targets]}):
        yield


@asynccontextmanager
async def _second_alertmanager_dies(stack: Stack) -> AsyncIterator[None]:
    directory = stack.directory / _DYING_ALERTMANAGER
    config = directory / "alertmanager.yml"
    second.write(config, _NOBODY)
    other = Alertmanager(directory, config)
    other.start()
    try:
        await asyncio.to_thread(other.wait_ready)
        address = second.host_port(other.url)
        async with second.scraped(stack, ALERTMANAGER_JOB, _DYING_ALERTMANAGER, address):
            other.kill()
            try:
                yield
            finally:
                other.start()
                await asyncio.to_thread(other.wait_ready)
    finally:
        await asyncio.to_thread(other.close)


@asynccontextmanager
async def _rule_fails(stack: Stack) -> AsyncIterator[None]:
    path = stack.prometheus.config.parent / "by-hand.rules.yml"
    rule = {"record": "demo:many_to_many", "expr": _MANY_TO_MANY}
    second.write(path, {"groups": [{"name": "by-hand", "rules": [rule]}]})
    await asyncio.to_thread(stack.prometheus.reload)
    try:
        yield
    finally:
        path.unlink()
        await asyncio.to_thread(stack.prometheus.reload)


@asynccontextmanager
async def _prometheus_stands_still(stack: Stack) -> AsyncIterator[None]:
    stack.prometheus.pause()
    try:
        await asyncio.sleep(_STANDSTILL_SECONDS)
    finally:
        stack.prometheus.resume()
    yield


@asynccontextmanager
async def _rules_are_broken(stack: Stack) -> AsyncIterator[None]:
    path = stack.prometheus.config.parent / "broken.rules.yml"
    path.write_text("groups: [{name: broken, rules: [{alert: Broken, expr: 'sum by ('}]}]\n")
    await _refused(stack.prometheus)
    try:
        yield
    finally:
        path.unlink()
        await asyncio.to_thread(stack.prometheus.reload)


@asynccontextmanager
async def _routes_are_broken(stack: Stack) -> AsyncIterator[None]:
    path = stack.alertmanager.config
    before = path.read_text(encoding="utf-8")
    second.write(path, _UNKNOWN_RECEIVER)
    await _refused(stack.alertmanager)
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")
        await asyncio.to_thread(stack.alertmanager.reload)


async def _refused(server: HttpServer) -> None:
    """Have a server reload what it cannot load."""
    try:
        await asyncio.to_thread(server.reload)
    except ServerError:
        return
    raise RuntimeError(f"{server.name} has loaded what is broken")


@asynccontextmanager
async def _slack_refuses(stack: Stack) -> AsyncIterator[None]:
    """Only until one message was refused: this alert is to be told there, too."""
    begun = datetime.now(UTC)
    stack.sinks.fail("slack", _REVOKED)
    try:
        await _send_test_message(stack, begun, begun + _MESSAGE_LASTS)
        failed = f'{names.ALERTMANAGER_NOTIFICATIONS_FAILED.name}{{integration="slack"}} > 0'
        await stack.api.until(failed)
    finally:
        stack.sinks.repair("slack")
        # The ledger has it, Prometheus has not: as long as it lasts, their numbers differ by one.
        await _send_test_message(stack, begun, datetime.now(UTC))
    yield


async def _send_test_message(stack: Stack, begun: datetime, ends: datetime) -> None:
    """As whoever has changed a receiver does it.

    It is of no service: its end would not be told while something critical is wrong with that, nor
    later, and Prometheus, which has never had it, cannot tell the ledger either. Without a start
    Alertmanager takes it to begin when it ends.
    """
    process = await asyncio.create_subprocess_exec(
        find("amtool"),
        f"--alertmanager.url={stack.alertmanager.url}",
        "alert",
        "add",
        f"--start={begun.isoformat(timespec='seconds')}",
        f"--end={ends.isoformat(timespec='seconds')}",
        "--annotation=summary=Does Slack get this?",
        "alertname=TestMessage",
        "severity=warning",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"amtool sends no alert: {printed.decode(errors='replace').strip()}")


SCENARIOS = (
    Scenario(
        fires={"PrometheusDown": {"instance": _DYING_PROMETHEUS}},
        done="a second Prometheus is killed",
        undone="it is started again",
        means=_second_prometheus_dies,
    ),
    Scenario(
        fires={"NoAlertmanager": {"instance": _LONELY_PROMETHEUS}},
        done="a second Prometheus is started without `alerting` in its config",
        undone="it is stopped",
        means=_second_prometheus_knows_nobody,
    ),
    Scenario(
        # The first one drops some too, for seconds after a reload.
        fires={
            "AlertsNotDelivered": {"instance": _UNHEARD_PROMETHEUS},
            "AlertsDropped": {"instance": _UNHEARD_PROMETHEUS},
        },
        done="a second Prometheus knows one Alertmanager, which does not run",
        undone="it is stopped",
        means=_second_prometheus_is_not_heard,
        lingers="they count the last 5 minutes",
    ),
    Scenario(
        fires={"AlertmanagerDown": {"instance": _DYING_ALERTMANAGER}},
        done="a second Alertmanager is killed",
        undone="it is started again",
        means=_second_alertmanager_dies,
    ),
    Scenario(
        fires={"RuleEvaluationFailing": {}},
        done=f"a rule is loaded in which many match many: {_MANY_TO_MANY}",
        undone="it is removed",
        means=_rule_fails,
        lingers="it counts the last 5 minutes",
    ),
    Scenario(
        fires={"RuleEvaluationSlow": {}},
        done=f"Prometheus gets no processor for {_STANDSTILL_SECONDS:g} s: SIGSTOP, SIGCONT",
        undone="nothing: it goes on",
        means=_prometheus_stands_still,
        lingers="it counts the last 5 minutes",
    ),
    Scenario(
        fires={"PrometheusConfigReloadFailed": {}},
        done="Prometheus is to reload, with a file of rules that breaks off",
        undone="the file is removed, and Prometheus reloads",
        means=_rules_are_broken,
        # While it can load nothing, no other scenario can change what it loads.
        stage=Stage.POSTGRES_IS_DOWN,
    ),
    Scenario(
        fires={"AlertmanagerConfigReloadFailed": {}},
        done="Alertmanager is to reload, with a route to a receiver that is not there",
        undone="the generated file is back, and Alertmanager reloads",
        means=_routes_are_broken,
    ),
    Scenario(
        fires={"NotificationsFailing": {"integration": "slack"}},
        done=f"Slack answers {_REVOKED} to a test message, as for a webhook that was revoked",
        undone="nothing: it takes messages again",
        means=_slack_refuses,
        lingers="it counts the last 5 minutes",
    ),
)
