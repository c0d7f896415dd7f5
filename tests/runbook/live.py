"""The chain that the runbook's commands are run against, and the shell that runs them."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import pwd
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from front import NAME, Front
from shell import Here, Said, Shell

from demo.acknowledgement import token
from demo.stack import ROOT, Stack, running
from programs import find
from programs.process import HOST

DATABASE = "monitoring_prod"
# A service that is down: nothing else fails because of it.
BROKEN = "compliance-service"
# An error that the log can be made to have.
DEFECT = "the config was not reloaded"
# What the commands are made of; all other words are bash's, or every Debian's.
PROGRAMS = (
    *("curl", "jq", "logrotate", "lsof", "openssl", "telnet"),
    *("psql", "pg_dump", "redis-cli"),
)
_PATIENCE = 60.0
# Longer than lines of one day take, and shorter than a test may.
_NEAR_MIDNIGHT = timedelta(minutes=1)

T = TypeVar("T")


@dataclass
class Live:
    """The running chain, nginx in front of it, and a shell on the service's machine."""

    stack: Stack
    front: Front
    logs: Path
    shell: Shell
    alerts: dict[str, str] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        """DATABASE_URL."""
        return self.stack.postgres.dsn(dbname=DATABASE)

    async def run(
        self, printed: str, placeholders: Mapping[str, str] | None = None, **more: Any
    ) -> Said:
        """What a command prints that must succeed."""
        return await self.shell.run(printed, placeholders or {}, **more)

    async def json(self, printed: str, placeholders: Mapping[str, str] | None = None) -> Any:
        """The JSON that a command prints."""
        return json.loads((await self.run(printed, placeholders)).out)

    async def well(self, printed: str) -> Any:
        """What a command prints of the health, once a busy machine has no probe that failed."""

        async def found() -> Any:
            health = await self.json(printed)
            return health if health["status"] in ("healthy", "degraded") else None

        return await until(found)

    async def api(self, path: str) -> Any:
        """What the API answers."""
        return await self.json(f'curl -s -H "Authorization: Bearer $TOKEN" "https://{NAME}{path}"')

    async def alert(self) -> str:
        """The id of an open alert: that a service is down, which is made so if need be."""
        if not self.alerts:
            await self.stack.simulated.services[BROKEN].crash()

            async def found() -> Any:
                return (await self.api(f"/api/alerts?name=ServiceDown&service={BROKEN}"))["active"]

            (alert,) = await until(found)
            self.alerts[BROKEN] = alert["id"]
        return self.alerts[BROKEN]

    async def error(self) -> None:
        """Have one more error in the log: a config with a mistake, which the service refuses."""
        log = self.logs / "monitoring-error.log"
        good, before = self.stack.config.read_text(), log.read_text().count(DEFECT)
        try:
            self.stack.config.write_text("CONFIG = None\n")
            self.stack.exporter.send_signal(signal.SIGHUP)

            async def logged() -> bool:
                return log.read_text().count(DEFECT) > before

            await until(logged)
        finally:
            self.stack.config.write_text(good)

    async def keep_asking(self, path: str) -> None:
        """Ask the API until cancelled, so that something is written to the log."""
        while True:
            await self.api(path)
            await asyncio.sleep(0.2)

    def sql(self, statements: str) -> list[str]:
        """The rows that statements give in the service's database."""
        return self.stack.postgres.execute(statements, DATABASE).splitlines()


def of_today() -> dict[str, str]:
    """What the day of the runbook's backup is today: a placeholder too."""
    return {"20250118": f"{datetime.now(UTC):%Y%m%d}"}


async def one_day() -> None:
    """Let midnight pass if it is near: the runbook's lines ask for the date one by one."""
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    if midnight - now < _NEAR_MIDNIGHT:
        await asyncio.sleep((midnight - now).total_seconds())


async def until(found: Callable[[], Awaitable[T]], seconds: float = _PATIENCE) -> T:
    """What is found, as soon as it is something."""
    end = time.monotonic() + seconds
    while not (what := await found()):
        assert time.monotonic() < end, "it does not come"
        await asyncio.sleep(0.1)
    return what


@asynccontextmanager
async def living(directory: Path) -> AsyncIterator[Live]:
    """Start everything; `directory` keeps the log and what the commands write."""
    logs, home = directory / "logs", directory / "home"
    logs.mkdir(mode=0o755)
    home.mkdir()
    settings = {"LOG_DIR": str(logs), "TRUSTED_PROXIES": HOST}
    async with AsyncExitStack() as open_:
        stack = await open_.enter_async_context(
            running(hurry=True, ledger="postgresql", settings=settings, database=DATABASE)
        )
        front = Front(directory / "nginx", stack.exporter_url)
        front.directory.mkdir()
        front.renew(datetime.now(UTC) + timedelta(days=10))
        front.start()
        open_.callback(front.close)
        await asyncio.to_thread(front.wait_ready)
        front.authority.cert_pem.write_to_path(home / "ca.pem")
        here = mapping(stack, front, logs)
        (home / ".curlrc").write_text(here.curlrc(home / "ca.pem"))
        shell = Shell(directory, environment(stack, directory, settings), here)
        yield Live(stack, front, logs, shell)


def mapping(stack: Stack, front: Front, logs: Path) -> Here:
    """What this machine has where production has something else."""
    exporter, places = stack.exporter_url.removeprefix("http://"), stack.simulated.urls()
    services = {
        # As deployed in the runbook, not by the default ports.
        f"{name}:{port}": places[name].removeprefix("http://")
        for name, port in (
            ("auth-service", 3000),
            ("venue-service", 3000),
            ("event-service", 3000),
            ("payment-service", 3004),
        )
    }
    port = exporter.partition(":")[2]
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    return Here(
        hosts={
            f"{NAME}:443": f"{HOST}:{front.port}",
            "localhost:3017": exporter,
            "monitoring-service:3017": exporter,
            "prometheus:9090": stack.prometheus.url.removeprefix("http://"),
            **services,
        },
        words={
            "/app/logs/": f"{logs}/",
            "/etc/prometheus/": f"{stack.prometheus.config.parent}/",
            "lsof -i :3017": f"lsof -i :{port}",
            "--prometheus http://prometheus:9090": f"--prometheus {stack.prometheus.url}",
            "redis-cli ": f"redis-cli -p {stack.redis.port} ",
            f"-connect {NAME}:443": f"-connect {HOST}:{front.port}",
            # Nobody here may become root; a container is a process.
            "sudo nginx": " ".join(front.command()),
            "docker kill -s USR1 monitoring-service": f"kill -s USR1 {stack.exporter.pid}",
            "create 0640 nodejs nodejs": f"create 0640 {user} {group}",
            "<metric-name>": "probe_success",
        },
    )


def environment(stack: Stack, directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of a shell where the service runs, with a person's TOKEN."""
    programs = directory / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).symlink_to(find(name))
    smtp_host, _, smtp_port = stack.sinks.smtp_address.partition(":")
    return {
        **settings,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(directory / "home"),
        "CURL_HOME": str(directory / "home"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(ROOT),
        "TOKEN": token(stack, "responder"),
        "MONITORING_CONFIG": str(stack.config),
        "PORT": stack.exporter_url.rpartition(":")[2],
        "DATABASE_URL": stack.postgres.dsn(dbname=DATABASE),
        "REDIS_URL": stack.redis.url,
        "JWT_SECRET_FILE": str(stack.directory / "jwt_secret"),
        "INGEST_TOKEN_FILE": str(stack.directory / "ingest_token"),
        "SMTP_HOST": smtp_host,
        "SMTP_PORT": smtp_port,
        "ALERT_FROM_EMAIL": "monitoring@tickettoken.com",
        "ALERT_TO_EMAIL": "oncall@tickettoken.com",
        "SLACK_WEBHOOK_URL_FILE": str(stack.directory / "slack_webhook_url"),
        "PAGERDUTY_ROUTING_KEY_FILE": str(stack.directory / "pagerduty_routing_key"),
    }
