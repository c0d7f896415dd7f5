"""Alerts that nobody takes, a ledger out of reach or level, and the backup of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import aiohttp
import psycopg

from demo.acknowledgement import token
from demo.scenarios import second
from demo.scenarios.background import going_on
from demo.scenarios.scenario import Scenario, Stage
from demo.stack import Stack
from exporter.ledger.state import BACKED_UP

# Neither is broken by another scenario.
_CRITICAL, _WARNING = "scanning-service", "blockchain-service"
_ALERTS = MappingProxyType({_CRITICAL: "ServiceDown", _WARNING: "ServiceDegraded"})
# Longer than the last step of each ladder.
_WAITED = MappingProxyType({_CRITICAL: timedelta(minutes=11), _WARNING: timedelta(minutes=61)})
_BACKUP_AGE = timedelta(hours=27)
# More than the pool has connections, and fewer than the API takes requests of one address.
_READERS = 14
_UNHEARD = "Unheard"
_DEADLINE, _POLL_SECONDS = 60.0, 0.5


@asynccontextmanager
async def _nobody_takes_them(stack: Stack) -> AsyncIterator[None]:
    """Minutes are not waited for: the ledger is told that the alerts have waited longer."""
    critical, warning = (stack.simulated.services[name] for name in (_CRITICAL, _WARNING))
    await critical.crash()
    warning.degrade()
    known = {service: asyncio.Event() for service in _WAITED}
    try:
        async with going_on(*(_set_back(stack, service, known[service]) for service in known)):
            for service, told in known.items():
                await _wait_known(service, told)
            yield
    finally:
        await critical.repair()
        await warning.repair()


async def _set_back(stack: Stack, service: str, known: asyncio.Event) -> None:
    """Say of the alert of a service that it has waited for long, once the ledger has it.

    It is said again as long as the scenario lasts: what begins anew waits anew.
    """
    since = datetime.now(UTC) - _WAITED[service]
    sql = (
        "UPDATE alerts SET waiting_since = %(since)s WHERE name = %(name)s "
        "AND service = %(service)s AND status = 'active' "
        "AND coalesce(waiting_since, starts_at) > %(since)s"
    )
    told = {"since": since, "name": _ALERTS[service], "service": service}
    async with await psycopg.AsyncConnection.connect(
        stack.postgres.dsn(), autocommit=True
    ) as connection:
        while True:
            if (await connection.execute(sql, told)).rowcount:
                known.set()
            await asyncio.sleep(_POLL_SECONDS)


async def _wait_known(service: str, told: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_DEADLINE):
            await told.wait()
    except TimeoutError:
        raise TimeoutError(
            f"the ledger has no {_ALERTS[service]} of {service} after {_DEADLINE:g} s"
        ) from None


@asynccontextmanager
async def _pool_is_held(stack: Stack) -> AsyncIterator[None]:
    """Who reads alerts waits for a lock on them, and keeps a connection of the pool meanwhile."""
    bearer = await asyncio.to_thread(token, stack, "viewer")
    headers = {"Authorization": f"Bearer {bearer}"}

    async def read_again_and_again(session: aiohttp.ClientSession) -> None:
        while True:
            # By the deadline of a transaction it is told that the ledger does not answer.
            async with session.get(f"{stack.exporter_url}/api/alerts", headers=headers) as answer:
                await answer.read()

    async with AsyncExitStack() as opened:
        connection = await opened.enter_async_context(
            await psycopg.AsyncConnection.connect(stack.postgres.dsn())
        )
        await connection.execute("LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
        session = await opened.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        readers = [read_again_and_again(session) for _ in range(_READERS)]
        await opened.enter_async_context(going_on(*readers))
        yield


@asynccontextmanager
async def _last_backup_is_old(stack: Stack) -> AsyncIterator[None]:
    """As `exporter backup` has left it a day and three hours ago."""
    at = json.dumps((datetime.now(UTC) - _BACKUP_AGE).isoformat())
    await asyncio.to_thread(
        stack.postgres.execute,
        f"INSERT INTO facts (name, value) VALUES ('{BACKED_UP}', '{at}') "  # noqa: S608 - ours
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    try:
        yield
    finally:
        await asyncio.to_thread(
            stack.postgres.execute,
            f"DELETE FROM facts WHERE name = '{BACKED_UP}'",  # noqa: S608 - ours
        )


@asynccontextmanager
async def _prometheus_keeps_one_back(stack: Stack) -> AsyncIterator[None]:
    """It fires, and neither Alertmanager nor the ledger hears of it."""
    path = stack.prometheus.config.parent / "unheard.rules.yml"
    labels = {"severity": "info", "service": "monitoring-service"}
    rule = {"alert": _UNHEARD, "expr": "vector(1)", "labels": labels}
    drop = {"source_labels": ["alertname"], "regex": _UNHEARD, "action": "drop"}

    def keep_back(document: second.Document) -> None:
        document["alerting"].setdefault("alert_relabel_configs", []).append(drop)

    # The rule comes later and goes earlier than what keeps it back: nobody is to hear of it.
    async with second.changed(stack, keep_back):
        second.write(path, {"groups": [{"name": "unheard", "rules": [rule]}]})
        try:
            await asyncio.to_thread(stack.prometheus.reload)
            yield
        finally:
            path.unlink()
            await asyncio.to_thread(stack.prometheus.reload)


SCENARIOS = (
    Scenario(
        fires={
            "AlertUnacknowledgedTeamLead": {
                "source_alertname": "ServiceDown",
                "service": _CRITICAL,
            },
            "AlertUnacknowledgedManager": {
                "source_alertname": "ServiceDown",
                "service": _CRITICAL,
            },
            "AlertUnacknowledgedOnCall": {
                "source_alertname": "ServiceDegraded",
                "service": _WARNING,
            },
        },
        done=(
            f"{_CRITICAL} is gone, {_WARNING} is degraded, nobody acknowledges it, and the ledger "
            "is told that they have waited 11 and 61 minutes"
        ),
        undone="both answer again",
        means=_nobody_takes_them,
    ),
    Scenario(
        fires={"DatabasePoolExhausted": {}},
        done=f"{_READERS} readers of alerts wait for a lock on them, which a session holds",
        undone="the lock is released, and nobody reads",
        means=_pool_is_held,
        # While they wait the ledger takes no alert, and acknowledges none.
        stage=Stage.REDIS_IS_DOWN,
    ),
    Scenario(
        fires={"DataLossRisk": {"cause": "backup_too_old"}},
        done="the ledger says that its last backup is of 27 hours ago",
        undone="it knows of no backup",
        means=_last_backup_is_old,
    ),
    Scenario(
        fires={"AlertLedgerDrift": {}},
        done=f"Prometheus drops the alert {_UNHEARD} by alert_relabel_configs: no ledger knows it",
        undone="the alert and the setting are removed",
        means=_prometheus_keeps_one_back,
    ),
)
