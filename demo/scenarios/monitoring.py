"""Faults of what watches: the exporter, Prometheus and Alertmanager."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.scenarios import second
from demo.scenarios.scenario import Scenario, Stage
from demo.stack import Stack

# So many that fewer targets are left than the rules count, with the TLS port that the demo adds.
_FORGOTTEN = ("venue-service", "event-service")
_DYING = "dying-exporter"


@asynccontextmanager
async def _another_config(stack: Stack) -> AsyncIterator[None]:
    """The rules stay as they are: somebody deployed the config to the exporter alone."""
    before = stack.config.read_text(encoding="utf-8")
    forget = (
        f"KEPT = tuple(one for one in CONFIG.services if one.name not in {_FORGOTTEN!r})\n"
        'CONFIG = CONFIG.model_copy(update={"services": KEPT})\n'
    )
    stack.config.write_text(before + forget, encoding="utf-8")
    stack.exporter.send_signal(signal.SIGHUP)
    try:
        yield
    finally:
        stack.config.write_text(before, encoding="utf-8")
        stack.exporter.send_signal(signal.SIGHUP)


@asynccontextmanager
async def _exporter_hangs(stack: Stack) -> AsyncIterator[None]:
    stack.exporter.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        stack.exporter.send_signal(signal.SIGCONT)


@asynccontextmanager
async def _second_exporter_dies(stack: Stack) -> AsyncIterator[None]:
    async with second.exporter(stack, _DYING) as other:
        await asyncio.to_thread(other.stop)
        try:
            yield
        finally:
            await other.start()


@asynccontextmanager
async def _as_always(_stack: Stack) -> AsyncIterator[None]:
    yield


SCENARIOS = (
    Scenario(
        fires={
            "ConfigDrift": {},
            "TargetsMissing": {},
            "TargetNotProbed": {"target": _FORGOTTEN[0]},
        },
        done=f"the exporter reloads a config without {' and '.join(_FORGOTTEN)}",
        undone="the exporter reloads the config that the rules were made from",
        means=_another_config,
    ),
    Scenario(
        fires={"ExporterReplicaDown": {"instance": _DYING}},
        done="a second exporter is stopped",
        undone="it is started again",
        means=_second_exporter_dies,
        # As long as it runs, it probes what the first one forgets.
        stage=Stage.REDIS_IS_DOWN,
    ),
    Scenario(
        fires={"ExporterDown": {}},
        done="the exporter hangs: SIGSTOP",
        undone="the exporter goes on: SIGCONT",
        means=_exporter_hangs,
        stage=Stage.EXPORTER_IS_DOWN,
    ),
    Scenario(
        fires={"Watchdog": {}},
        done="nothing: it fires as long as alerting works, and the dead man's switch hears of it",
        undone="nothing: it goes on",
        means=_as_always,
        lingers="it always fires",
    ),
)
