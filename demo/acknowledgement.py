"""Somebody takes a page: the runbook's acknowledgement, and what follows from it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from demo.scenario import Event, Tell
from demo.stack import ROOT, Stack, exporter_environment

WHO = "oncall@tickettoken.com"
_DEADLINE = 30.0
_POLL_SECONDS = 0.25


def token(stack: Stack, role: str, subject: str = WHO) -> str:
    """A token for the stack's API, made by the command that operators use."""
    printed = subprocess.run(
        [sys.executable, "-m", "exporter", "token", f"--role={role}", f"--sub={subject}"],
        cwd=ROOT,
        env=exporter_environment(stack.config, 0, None),
        capture_output=True,
        text=True,
        check=True,
    )
    return printed.stdout.strip()


async def acknowledge(stack: Stack, alert: str, service: str, since: float, tell: Tell) -> None:
    """Acknowledge an alert by the API, and wait until the ladder knows.

    `since` is what times are told from, in unix seconds. Raises TimeoutError.
    """
    bearer = await asyncio.to_thread(token, stack, "responder")
    try:
        async with asyncio.timeout(_DEADLINE):
            episode = await _listed(stack, bearer, alert, service)
            await stack.api.acknowledge(bearer, episode, "Investigating the issue")
            tell(Event(time.time() - since, "acknowledged", f"{WHO} has it, by the API"))
            waits = (
                "alert_ledger_unacked_since_timestamp_seconds"
                f'{{source_alertname="{alert}",service="{service}"}}'
            )
            await stack.api.until(f"max({waits}) == 0")
            detail = "Prometheus knows: neither team lead nor manager will be paged"
            tell(Event(time.time() - since, "ladder stays", detail))
    except TimeoutError:
        raise TimeoutError(
            f"{alert} of {service} was not acknowledged within {_DEADLINE:g} s"
        ) from None


async def _listed(stack: Stack, bearer: str, alert: str, service: str) -> str:
    """The id of the alert's open episode, as soon as the ledger has it."""
    while True:
        for one in await stack.api.open_alerts(bearer):
            if (one["ruleName"], one["service"]) == (alert, service):
                return str(one["id"])
        await asyncio.sleep(_POLL_SECONDS)
