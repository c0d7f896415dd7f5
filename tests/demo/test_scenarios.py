"""Every alert of the config fires in a real Prometheus when its condition is made true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio
from asked import LATER, NEVER, NOT_ALWAYS, NOWHERE, Asked, asked, filled

from demo.hurry import GATEWAY
from demo.scenarios.play import LackingError, play, states
from demo.scenarios.scenario import Scenario, Stage
from demo.scenarios.table import SCENARIOS
from demo.stack import ROOT, Stack, running
from model.escalation import escalation_rules
from model.load import load

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]

# Each takes some 20 s; this is for a machine that does much else.
DEADLINE = 150.0
# What the ledger was not told while it was held up, it is told again, or learns by reconciling.
OVER_DEADLINE = 240.0
PLAYED = [one for one in SCENARIOS if one.lacks() is None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with running(hurry=True, ledger="postgresql") as started:
        yield started


async def test_nothing_but_the_watchdog_fires_before(stack: Stack) -> None:
    # Hurried, an exporter that takes long to start is down for longer than it may be.
    deadline = time.monotonic() + 30
    found = await firing(stack)
    while found != {"Watchdog"} and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        found = await firing(stack)
    assert found == {"Watchdog"}


async def test_no_expression_differs_from_that_of_the_config(stack: Stack) -> None:
    declared = {alert.name: str(alert.expr) for alert in load(ROOT / "config.py").alerts}
    hashed = {alert.name: str(alert.expr) for alert in stack.platform.alerts}
    assert hashed == declared


async def test_the_ladder_waits_as_long_as_that_of_the_config(stack: Stack) -> None:
    ladder = {rule.name: rule.expr for rule in escalation_rules(load(ROOT / "config.py"))}
    assert {rule.name: rule.expr for rule in escalation_rules(stack.platform)} == ladder


async def test_what_this_machine_lacks_is_said_before_anything_is_done(stack: Stack) -> None:
    impossible = replace(SCENARIOS[0], lacks=lambda: "no second machine")
    (alert, *_) = impossible.fires
    with pytest.raises(LackingError, match="no second machine"):
        await play(stack, impossible, alert, lambda event: pytest.fail(str(event)))


async def test_this_machine_lacks_nothing_that_a_scenario_needs() -> None:
    if lacking := [str(one.lacks()) for one in SCENARIOS if one.lacks() is not None]:
        pytest.skip("; ".join(lacking))


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """The titles of the panels that have shown something while alerts were firing."""
    return set()


@pytest.fixture(scope="module")
def queries(stack: Stack) -> list[Asked]:
    """What the panels ask that are empty on a quiet day."""
    everything = [*asked(stack.platform), *asked(stack.platform, service=GATEWAY)]
    return [one for one in everything if one.title in {*NEVER, *NOT_ALWAYS}]


@pytest.mark.parametrize("stage", list(Stage), ids=lambda stage: stage.name.lower())
async def test_every_alert_of_a_stage_fires(
    stack: Stack, stage: Stage, queries: list[Asked], shown: set[str]
) -> None:
    """What is true of a stage is made true at once, so that they wait side by side."""
    scenarios = [one for one in PLAYED if one.stage is stage]
    async with AsyncExitStack() as made:
        for scenario in scenarios:
            await made.enter_async_context(scenario.means(stack))
        await wait(stack, scenarios, fires=True)
        await wait_told(stack, scenarios)
        shown |= await filled(stack.api, [one for one in queries if one.title not in shown])


async def test_panels_that_are_empty_on_a_quiet_day_have_shown_what_they_are_for(
    shown: set[str],
) -> None:
    assert {*NEVER, *NOT_ALWAYS} - shown == LATER | NOWHERE.keys()


async def test_every_alert_is_over_when_its_condition_is(stack: Stack) -> None:
    await wait(stack, [one for one in PLAYED if not one.lingers], fires=False)


async def test_no_channel_refused_a_message(stack: Stack) -> None:
    assert stack.sinks.refusals == ()


async def wait(stack: Stack, scenarios: list[Scenario], *, fires: bool) -> None:
    waiting = [(name, labels) for one in scenarios for name, labels in one.fires.items()]
    deadline = time.monotonic() + (DEADLINE if fires else OVER_DEADLINE)
    while waiting:
        waiting = [
            (name, labels)
            for name, labels in waiting
            if ("firing" in await states(stack, name, labels)) is not fires
        ]
        assert time.monotonic() < deadline, waiting
        await asyncio.sleep(0.5)


async def wait_told(stack: Stack, scenarios: list[Scenario]) -> None:
    """Of critical alerts; others may be silenced by a critical one about the same service."""
    critical = {alert.name for alert in stack.platform.alerts if alert.severity == "critical"}
    played = {name for one in scenarios for name in one.fires}
    deadline = time.monotonic() + DEADLINE
    while missing := critical & played - told(stack):
        assert time.monotonic() < deadline, missing
        await asyncio.sleep(0.5)


async def firing(stack: Stack) -> set[str]:
    found = await stack.api.instant('ALERTS{alertstate="firing"}')
    return {one["metric"]["alertname"] for one in found}


def told(stack: Stack) -> set[str]:
    return {name for receipt in stack.sinks.receipts for name in receipt.alerts}
