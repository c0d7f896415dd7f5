"""One of the doctor's checks, alone, of a store or a Redis that is as a test wants it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
from operating import environment
from serving import SERVICES, config_text

from exporter.ledger.store import StoreOptions
from exporter.operations.checks.finding import Advice, Finding
from exporter.operations.checks.patient import Patient, meet

Check = Callable[[Patient], Awaitable[list[Finding]]]


def variables_of(
    directory: Path, options: StoreOptions, databases: str = "", **variables: str
) -> dict[str, str]:
    """An environment with a config that has a ledger and these databases."""
    config = directory / "config.py"
    ledger = 'ledger=Webhook(url="http://127.0.0.1/api/alertmanager/webhook"),'
    config.write_text(config_text(*SERVICES, databases=ledger + databases))
    return {
        "MONITORING_CONFIG": str(config),
        "INGEST_TOKEN": "i" * 32,
        "JWT_SECRET": "j" * 32,
        **environment(options),
        **variables,
    }


async def findings(check: Check, variables: Mapping[str, str]) -> list[Finding]:
    """What a check finds."""
    async with aiohttp.ClientSession() as session:
        return await check(await meet(variables, session, time.time))


async def advice(check: Check, variables: Mapping[str, str]) -> list[Advice]:
    """What a check advises; each has to say what to do, and nothing may be unknown."""
    found = await findings(check, variables)
    assert all(one.examined and one.fault is None for one in found), found
    assert all(one.do for one in found if one.advice is not None)
    return [one.advice for one in found if one.advice is not None]
