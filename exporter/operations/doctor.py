"""`python -m exporter doctor`: looks for every fault that has a name, and says what to do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from time import time

import aiohttp
import click

from exporter import logs
from exporter.operations.checks import CHECKS
from exporter.operations.checks.finding import Finding
from exporter.operations.checks.patient import meet
from exporter.operations.console import FAILED, say


@click.command("doctor")
def command() -> None:
    """Look for what is wrong with the service and with what it needs, and say what to do.

    It changes nothing, and may be run beside the service. Ends with 1 if a fault was found; advice
    is no fault.
    """
    logs.quiet()
    found = asyncio.run(_told())
    faults = [finding for finding in found if finding.fault is not None]
    unknown = sum(not finding.examined for finding in found)
    advice = sum(finding.advice is not None for finding in found)
    rest = f"; {advice} {'piece' if advice == 1 else 'pieces'} of advice" if advice else ""
    rest += f"; {unknown} could not be looked at" if unknown else ""
    if faults:
        say(f"done: {len(faults)} {'fault' if len(faults) == 1 else 'faults'}{rest}")
        sys.exit(FAILED)
    say(f"done: no fault{rest}")


async def _told() -> list[Finding]:
    return await examine(os.environ, time, tell=lambda finding: say(_line(finding)))


async def examine(
    environment: Mapping[str, str],
    clock: Callable[[], float],
    tell: Callable[[Finding], None] = lambda _: None,
) -> list[Finding]:
    """All findings, each told as soon as it is known. `clock` answers unix time."""
    found: list[Finding] = []
    async with aiohttp.ClientSession(trust_env=False) as session:
        patient = await meet(environment, session, clock)
        for check in CHECKS.values():
            for finding in await check(patient):
                found.append(finding)
                tell(finding)
    return found


def _line(finding: Finding) -> str:
    if finding.fault is not None:
        return f"FAULT    {finding.fault}: {finding.what}\n         {finding.do}"
    if finding.advice is not None:
        return f"advice   {finding.advice}: {finding.what}\n         {finding.do}"
    return f"{'ok' if finding.examined else 'unknown':8} {finding.what}"
