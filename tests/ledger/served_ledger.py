"""A served exporter that keeps a ledger, and the bodies that Alertmanager sends it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from serving import DATABASES, SERVICES, Fleet, Served, config_text, serving
from sqlalchemy import Row, select

from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.fingerprint import fingerprint
from exporter.ledger.ingest import CHANGES
from exporter.ledger.ledger import Ledger
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alerts
from model import names

TOKEN = "ingest-token-of-at-least-32-bytes"
WEBHOOK = "/api/alertmanager/webhook"
NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
_ENDLESS = "0001-01-01T00:00:00Z"


def with_ledger(more: str = "") -> str:
    """A small config that has a ledger."""
    ledger = 'ledger=Webhook(url="http://127.0.0.1/api/alertmanager/webhook"),'
    return config_text(*SERVICES, databases=f"{DATABASES}{ledger}{more}")


def environment(options: StoreOptions, replica: str = "replica-0") -> dict[str, str]:
    """What an exporter with this store is started with."""
    store = {"LEDGER_FILE": str(options.file)}
    if options.url is not None:
        store = {"DATABASE_URL": options.url}
    return {"INGEST_TOKEN": TOKEN, "JWT_SECRET": "j" * 32, "REPLICA": replica, **store}


@asynccontextmanager
async def served(
    directory: Path, options: StoreOptions, replica: str = "replica-0", text: str | None = None
) -> AsyncIterator[Served]:
    """A served exporter whose ledger is open."""
    directory.mkdir(parents=True, exist_ok=True)
    variables = environment(options, replica)
    async with serving(directory, Fleet(), variables, text or with_ledger()) as made:
        ledger, workers = ledger_of(made), made.service.workers
        assert workers is not None
        running = [asyncio.create_task(part.run()) for part in (ledger, workers)]
        try:
            await opened(ledger.store)
            yield made
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await ledger.close()


async def opened(store: Store) -> None:
    """Wait until a store can be read."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with store.read():
                    return
            except StoreUnavailableError:
                await asyncio.sleep(0.05)


def ledger_of(made: Served) -> Ledger:
    """The ledger of a served exporter."""
    assert made.service.ledger is not None
    return made.service.ledger


async def rows(store: Store) -> list[Row[Any]]:
    """All episodes, the earliest first."""
    async with store.read() as connection:
        return list((await connection.execute(select(alerts).order_by(alerts.c.starts_at))).all())


async def spans(store: Store) -> list[tuple[datetime, datetime | None]]:
    """The start and end of each episode, the earliest first."""
    return [(row.starts_at, row.ends_at) for row in await rows(store)]


def labels(name: str = "ServiceDown", **more: str) -> dict[str, str]:
    """The labels of an alert."""
    return {"alertname": name, "severity": "critical", "service": "auth-service", **more}


def minute(number: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=number)


def alert(
    start: datetime, end: datetime | None = None, of: Mapping[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """An entry of a webhook's body."""
    said = dict(of or labels())
    return {
        "status": "firing" if end is None else "resolved",
        "labels": said,
        "annotations": {"summary": "it is down"},
        "startsAt": start.isoformat(),
        "endsAt": _ENDLESS if end is None else end.isoformat(),
        "generatorURL": "http://prometheus/graph",
        "fingerprint": fingerprint(said),
        **more,
    }


def body(*entries: object, receiver: str = "ledger") -> dict[str, Any]:
    """A webhook's body, version 4."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="ServiceDown"}',
        "truncatedAlerts": 0,
        "status": "resolved",
        "receiver": receiver,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": list(entries),
    }


async def deliver(made: Served, *entries: object, receiver: str = "ledger") -> dict[str, int]:
    """Deliver alerts, and answer what became of them where nobody else delivers meanwhile."""
    before = _changes(made)
    async with await post(made, body(*entries, receiver=receiver)) as answer:
        assert answer.status == 200, await answer.text()
        said: dict[str, int] = await answer.json()
    return said | {name: number - before[name] for name, number in _changes(made).items()}


def _changes(made: Served) -> dict[str, int]:
    registry, name = made.service.telemetry.registry, names.ALERT_LEDGER_MESSAGES.name
    return {
        change: int(registry.get_sample_value(name, {"source": "webhook", "change": change}) or 0)
        for change in CHANGES
    }


async def post(made: Served, said: object, token: str = TOKEN) -> ClientResponse:
    """POST a body to the webhook."""
    headers = {"Authorization": f"Bearer {token}"}
    data = io.BytesIO(json.dumps(said).encode())
    return await made.client.post(WEBHOOK, data=data, headers=headers)
