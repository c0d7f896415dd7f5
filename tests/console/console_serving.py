"""A served console with stand-in probers, and what a browser without scripts would do with it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import ClientResponse
from api_serving import environment
from serving import TIMES, Client, Fleet, serving
from sqlalchemy import insert
from standins import until

from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alerts
from exporter.service import Service
from exporter.web.identity import Role
from exporter.web.tokens import mint

HERE = {"Sec-Fetch-Site": "same-origin"}
PART = {"X-Part": "live"}
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_CONFIG = """
from model import *

CONFIG = Platform(
    name="tiny",
    services=(
{services}
        Service(name="own-service", url="http://127.0.0.1:1", {times}),
    ),
    postgres=(Postgres(url="postgresql://postgres@127.0.0.1:1/postgres", {times}),),
    severities=(
        Severity(
            name="critical",
            response_time=minutes(5),
            channels=("slack",),
            escalation=(EscalationStep(after=minutes(5), to="lead"),),
        ),
        Severity(name="warning", response_time=hours(1), channels=("slack",)),
    ),
    channels=(
        Slack(webhook_url_file="/secrets/slack", channel="#alerts"),
        Email(to=("a@example.com",), sender="b@example.com", smarthost="mail.example.com:587"),
    ),
    contacts=(
        Contact(
            role="lead",
            title="Team lead",
            email="lead@example.com",
            when="business",
            after_hours="backup",
        ),
        Contact(
            role="backup",
            title="Backup",
            phone="+1-555-0002",
            when="after-hours",
            pagerduty_routing_key_file="/secrets/backup",
        ),
        Contact(role="cto", title="CTO", phone="+1-555-0200", when="emergency"),
    ),
    alerts=(
        Alert(
            name="ServiceDown",
            group="services",
            expr=observed(metrics.PROBE_SUCCESS) < "0.5",
            for_=seconds(10),
            severity="critical",
            channels=("slack", "email"),
            summary="{{{{ $labels.target }}}} is down",
            description="It does not answer.",
            actions=("`systemctl restart it`",),
        ),
    ),
    own_service="own-service",
    base_url="{base_url}",
    dead_mans_switch="http://127.0.0.1/watchdog",
    {ledger}
)
"""
_LEDGER = 'ledger=Webhook(url="http://127.0.0.1/api/alertmanager/webhook"),'


def text_of(
    *services: str, ledger: bool = True, base_url: str = "http://127.0.0.1", times: str = TIMES
) -> str:
    """A config of these services and one of our own, a database, contacts and a ladder."""
    declared = "\n".join(
        f'        Service(name="{name}", url="http://127.0.0.1:1", {times}),' for name in services
    )
    return _CONFIG.format(
        services=declared, times=times, base_url=base_url, ledger=_LEDGER if ledger else ""
    )


@dataclass
class Console:
    """A served console. Cookies are kept, as by a browser."""

    client: Client
    service: Service
    fleet: Fleet

    @property
    def store(self) -> Store:
        """The ledger's."""
        assert self.service.ledger is not None
        return self.service.ledger.store

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return str(self.client.make_url("")).rstrip("/")

    def token(self, role: Role = "responder", sub: str = "me@example.com", hours: float = 1) -> str:
        """A token of somebody."""
        return mint(self.service.settings, sub, role, timedelta(hours=hours))

    async def log_in(self, role: Role = "responder", sub: str = "me@example.com") -> None:
        """Have a session from now on."""
        fields = {"token": self.token(role, sub)}
        answer = await self.client.post("/login", data=fields, allow_redirects=False, headers=HERE)
        assert answer.status == 303, await answer.text()

    async def page(
        self, path: str = "/", expected: int = 200, headers: Mapping[str, str] | None = None
    ) -> str:
        """The HTML of a page that is answered with this status."""
        answer = await self.client.get(path, headers=headers, allow_redirects=False)
        text = await answer.text()
        assert answer.status == expected, text
        return text

    async def csrf(self) -> str:
        """What the session's forms hold."""
        found = _CSRF.search(await self.page("/on-call"))
        assert found is not None
        return found[1]

    async def send(
        self,
        path: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ClientResponse:
        """Send a form as a page of the console does."""
        data = {"csrf": await self.csrf(), **(fields or {})}
        given = {**HERE, **(headers or {})}
        return await self.client.post(path, data=data, headers=given, allow_redirects=False)

    async def add(self, *rows: dict[str, Any]) -> None:
        """Put alerts into the ledger."""
        async with self.store.begin() as connection:
            await connection.execute(insert(alerts), list(rows))


@asynccontextmanager
async def console(
    directory: Path,
    options: StoreOptions,
    text: str | None = None,
    fleet: Fleet | None = None,
    patience: float = 60.0,
    **variables: str,
) -> AsyncIterator[Console]:
    """Serve it, with a ledger that is open if the config has one.

    `patience` is how many seconds a page waits for the ledger: what a busy machine takes is not
    what most tests are about.
    """
    fleet = fleet or Fleet()
    text = text or text_of("auth-service", "payment-service")
    given = environment(options, **variables)
    with patch("exporter.web.console.page.PATIENCE", patience):
        async with serving(directory, fleet, given, text) as served:
            ledger = served.service.ledger
            running = None if ledger is None else asyncio.create_task(ledger.run())
            try:
                if ledger is not None:
                    async with asyncio.timeout(60):
                        await ledger.store.opened.wait()
                runner = served.service.runner
                await until(lambda: all(shot.result for shot in runner.snapshots()), 60)
                yield Console(served.client, served.service, fleet)
            finally:
                if running is not None and ledger is not None:
                    running.cancel()
                    await asyncio.wait([running])
                    await ledger.close()
