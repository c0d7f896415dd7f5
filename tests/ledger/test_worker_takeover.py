"""Three real replicas on one Postgres: one works at a time, another follows when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, text
from stores import new_database, opened

from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import workers
from programs import Postgres, child, free_port

# Three processes are started at once, and three intervals are waited for.
pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).resolve().parents[2]
INTERVAL = 5.0
# For a machine that is busy with other things; less than it takes a server to find out by itself
# that a client is gone, which is what the next one must not have to wait for.
SLACK = 15.0
NAME = "alert-evaluation"

CONFIG = """
from model import *

CONFIG = Platform(
    name="tiny",
    services=(Service(name="own-service", url="http://127.0.0.1:1"),),
    severities=(Severity(name="critical", response_time=minutes(5), channels=("slack",)),),
    channels=(Slack(webhook_url_file="/secrets/slack", channel="#alerts"),),
    contacts=(),
    alerts=(),
    own_service="own-service",
    base_url="http://127.0.0.1",
    dead_mans_switch="http://127.0.0.1/watchdog",
    ledger=Webhook(url="http://127.0.0.1/webhook", credentials_file="/secrets/token"),
    watched_by=Prometheus(
        alertmanagers=("127.0.0.1:{alertmanager}",), prometheus=("127.0.0.1:{nothing}",)
    ),
    workers=Workers(alert_evaluation=seconds({interval})),
)
"""


@dataclass
class SlowAlertmanager:
    """Has no alerts, and takes its time to say so: for ever, if told to.

    It notes when each run began that asks it, by the store's own clock: how long it takes a run to
    get here is another matter.
    """

    store: Store
    takes: float = 0.3
    asked: list[datetime] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        if request.path != "/api/v2/alerts":
            return web.json_response({"uptime": "2026-01-01T00:00:00.000Z"})
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            self.asked.append((await last_run(self.store)).started_at)
            await asyncio.sleep(self.takes)
        finally:
            self.at_once -= 1
        return web.json_response([])


@asynccontextmanager
async def answering(alertmanager: SlowAlertmanager) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", alertmanager.answer)
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextmanager
def replica(name: str, config: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = child(
        [sys.executable, "-m", "exporter", "serve"],
        cwd=config.parent,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MONITORING_CONFIG": str(config),
            "HOST": "127.0.0.1",
            "PORT": "0",
            "REPLICA": name,
            "DATABASE_URL": url,
            "INSECURE_DEVELOPMENT": "1",
        },
        log=config.parent / f"{name}.log",
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def last_run(store: Store) -> Any:
    async with store.read() as connection:
        row = select(workers).where(workers.c.name == NAME)
        return (await connection.execute(row)).one_or_none()


async def locks(store: Store) -> int:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 3017"
    async with store.read() as connection:
        return int((await connection.execute(text(held))).scalar_one())


async def test_when_the_replica_that_holds_the_lock_is_killed_another_one_works_on(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = new_database(postgres)
    with ExitStack() as stack:
        async with (
            opened(StoreOptions(url=url)) as store,
            answering(alertmanager := SlowAlertmanager(store)) as port,
        ):
            config = tmp_path / "config.py"
            config.write_text(
                CONFIG.format(alertmanager=port, nothing=free_port(), interval=INTERVAL)
            )
            processes = {name: stack.enter_context(replica(name, config, url)) for name in "abc"}

            async def asked(times: int, seconds: float = 120) -> None:
                async with asyncio.timeout(seconds):
                    while len(alertmanager.asked) < times:
                        await asyncio.sleep(0.02)
                        assert all(one.poll() is None for one in processes.values())

            await asked(3)
            alertmanager.takes = 1e6
            await asked(4)
            dying = await last_run(store)
            assert (dying.running, await locks(store)) == (True, 1)
            processes.pop(dying.replica).send_signal(signal.SIGKILL)
            killed = datetime.now(UTC)
            alertmanager.takes = 0.3

            await asked(6)
            following = await last_run(store)
            assert following.replica in processes
            first = alertmanager.asked[4] - killed
            assert first <= timedelta(seconds=INTERVAL + SLACK)

        gaps = [b - a for a, b in pairwise(alertmanager.asked)]
        assert alertmanager.most_at_once == 1
        assert min(gaps) >= timedelta(seconds=INTERVAL)
