"""The API with a ledger in a store of each kind, its people's tokens, and alerts to ask for."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from serving import Client, Fleet, serving
from sqlalchemy import insert

from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alerts
from exporter.service import Service
from exporter.web.identity import Role
from exporter.web.tokens import mint

SECRET = "secret-of-people-0123456789-0123456789"
INGEST = "token-of-alertmanager-0123456789-0123456789"

CONFIG = """
from model import *

CONFIG = Platform(
    name="tiny",
    services=(
        Service(name="auth-service", url="http://127.0.0.1:1"),
        Service(name="own-service", url="http://127.0.0.1:1"),
    ),
    postgres=(Postgres(url="postgresql://postgres@127.0.0.1:1/postgres"),),
    severities=(
        Severity(name="critical", response_time=minutes(5), channels=("slack", "email")),
        Severity(name="warning", response_time=hours(1), channels=("slack",)),
    ),
    channels=(
        Slack(webhook_url_file="/secrets/slack", channel="#alerts"),
        Email(to=("a@example.com",), sender="b@example.com", smarthost="mail.example.com:587"),
    ),
    contacts=(),
    alerts=(
        Alert(
            name="ServiceDown",
            group="services",
            expr=observed(metrics.PROBE_SUCCESS) < "0.5",
            for_=seconds(10),
            severity="critical",
            summary="{{ $labels.target }} is down",
            description="It does not answer.",
        ),
        Alert(
            name="TooSlow",
            group="services",
            expr=observed(metrics.PROBE_DURATION) > 2,
            for_=minutes(1),
            severity="warning",
            labels={"cause": "network"},
            channels=("email",),
            repeat_interval=minutes(30),
            summary="{{ $labels.target }} is slow",
            description="It takes {{ $value }} s.",
        ),
    ),
    own_service="own-service",
    base_url="http://127.0.0.1",
    dead_mans_switch="http://127.0.0.1/watchdog",
    ledger=Webhook(url="http://127.0.0.1/api/alertmanager/webhook"),
)
"""

# Long enough ago that no statistics of a day hold it by accident.
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Api:
    """A served API, and its store."""

    client: Client
    service: Service
    store: Store
    # What the tests' own log lines are read from.
    directory: Path

    def token(self, role: Role = "responder", sub: str = "me@example.com") -> str:
        """A token that is valid for an hour."""
        return mint(self.service.settings, sub, role, timedelta(hours=1))

    def bearer(self, role: Role = "responder", sub: str = "me@example.com") -> dict[str, str]:
        """The header that shows it."""
        return {"Authorization": f"Bearer {self.token(role, sub)}"}

    async def get(
        self, path: str, expected: int = 200, role: Role = "viewer", /, **query: str
    ) -> dict[str, Any]:
        """The JSON that is answered with this status."""
        answer = await self.client.get(path, params=query, headers=self.bearer(role))
        assert answer.status == expected, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found

    async def post(
        self, path: str, body: object = None, expected: int = 200, role: Role = "responder"
    ) -> dict[str, Any]:
        """The same of what is sent as JSON."""
        answer = await self.client.post(path, json=body, headers=self.bearer(role))
        assert answer.status == expected, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found

    async def add(self, *rows: dict[str, Any]) -> None:
        """Put alerts into the store."""
        async with self.store.begin() as connection:
            await connection.execute(insert(alerts), list(rows))


def environment(options: StoreOptions, **more: str) -> dict[str, str]:
    """The variables of an exporter that keeps its ledger there."""
    store = {"DATABASE_URL": options.url} if options.url else {"LEDGER_FILE": str(options.file)}
    auth = "http://me:hidden@127.0.0.1:1/x?token=hidden"
    tokens = {"JWT_SECRET": SECRET, "INGEST_TOKEN": INGEST}
    return {**tokens, "AUTH_SERVICE_URL": auth, **store, **more}


@asynccontextmanager
async def api(
    directory: Path, options: StoreOptions, text: str = CONFIG, **variables: str
) -> AsyncIterator[Api]:
    """Serve it, with a store that is open."""
    given = environment(options, **variables)
    async with serving(directory, Fleet(), given, text) as served:
        ledger = served.service.ledger
        assert ledger is not None
        running = asyncio.create_task(ledger.run())
        try:
            async with asyncio.timeout(60):
                await ledger.store.opened.wait()
            yield Api(served.client, served.service, ledger.store, directory)
        finally:
            running.cancel()
            await asyncio.wait([running])
            await ledger.close()


def value(service: Service, series: str) -> float | None:
    """What the exporter says of itself."""
    return service.telemetry.registry.get_sample_value(series)


def alert(number: int = 0, started: datetime | None = None, **more: Any) -> dict[str, Any]:
    """A row of `alerts` that is open, unless `ends_at` says otherwise."""
    begin = started or NOON + timedelta(minutes=number)
    row = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))),
        "fingerprint": f"{number:016x}",
        "name": "ServiceDown",
        "severity": "critical",
        "service": "auth-service",
        "labels": {"alertname": "ServiceDown", "service": "auth-service"},
        "annotations": {"summary": "auth-service is down", "value": "0", "threshold": "< 0.5"},
        "generator_url": "http://prometheus:9090/graph",
        "starts_at": begin,
        "ends_at": None,
        "created_at": begin,
        "updated_at": begin,
        "response_due_at": begin + timedelta(minutes=5),
        "source": "webhook",
        "resolution": None,
        "firing": True,
        "suppressed": False,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "acknowledged_for": None,
        "acknowledged_via": None,
        "resolved_by": None,
        "false_positive": False,
        **more,
    }
    if row["ends_at"] is not None:
        row |= {"status": "resolved", "firing": False, "resolution": "alertmanager"}
    else:
        row["status"] = "active" if row["acknowledged_at"] is None else "acknowledged"
    return row | {name: more[name] for name in ("status", "firing", "resolution") if name in more}
