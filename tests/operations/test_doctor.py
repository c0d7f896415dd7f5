"""`doctor`: each fault, made one at a time in real parts, is named, and nothing else is."""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from collections import namedtuple
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import aiohttp
import pytest
import yaml
from aiosmtpd.smtp import SMTP, AuthResult
from operating import operate
from pgbouncer import PgBouncer
from served_ledger import environment, ledger_of, opened
from serving import SERVICE_DOWN, SERVICES, TIMES, Served, config_text, serving
from stores import new_database

from exporter.ledger.store import StoreOptions
from exporter.operations.checks.finding import Fault, Finding
from exporter.operations.doctor import examine
from model.jobs import JOB
from programs import Alertmanager, Postgres, Prometheus, Redis, free_port

pytestmark = pytest.mark.timeout(300)

DEADLINE = 60.0
Usage = namedtuple("Usage", "total used free")
# So that there is nothing to advise.
TUNED = ("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "yes")
NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


@dataclass(frozen=True)
class Parts:
    """What is shared by all tests of this file."""

    postgres: Postgres
    redis: Redis
    prometheus: Prometheus
    alertmanager: Alertmanager
    # The service's in every test: Prometheus takes five seconds to look at another.
    port: int


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Parts]:
    place = tmp_path_factory.mktemp("parts")
    (place / "alertmanager.yml").write_text(yaml.safe_dump(NOBODY))
    (place / "prometheus.yml").write_text("{}")
    with (
        Redis(place / "redis", args=TUNED) as redis,
        Alertmanager(place / "alertmanager", place / "alertmanager.yml") as alertmanager,
        Prometheus(place / "prometheus", place / "prometheus.yml") as prometheus,
    ):
        yield Parts(postgres, redis, prometheus, alertmanager, free_port())


@dataclass
class Scene:
    """A service and all that it needs, in order; `variables` are the doctor's environment."""

    parts: Parts
    made: Served
    directory: Path
    stack: AsyncExitStack
    variables: dict[str, str]
    ahead: float = 0.0

    async def watch(
        self, *, port: int | None = None, rules: bool = True, sha256: str | None = None
    ) -> None:
        """Let Prometheus scrape a port (by default the service's) and have rules."""
        prometheus = self.parts.prometheus
        expressions = {
            "ServiceDown": "probe_success < 0.5",
            "ConfigDrift": "count(monitoring_config_info{sha256!="
            f'"{sha256 or self.made.service.loaded.sha256}"}}) > 0',
        }
        listed = [{"alert": name, "expr": expr} for name, expr in expressions.items()]
        file = prometheus.config.with_name("all.rules.yml")
        file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": listed}]}))
        place = f"127.0.0.1:{port or self.made.client.port}"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [file.name] if rules else [],
            "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [place]}]}],
        }
        prometheus.config.write_text(yaml.safe_dump(config))
        prometheus.reload()
        since = datetime.now(UTC)
        deadline = time.monotonic() + DEADLINE
        # It finds a new target within five seconds, and scrapes within one.
        while not await self._scraped(place, since, "up" if port is None else "down"):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)

    async def _scraped(self, place: str, since: datetime, health: str) -> bool:
        url = f"{self.parts.prometheus.url}/api/v1/targets"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found = (await answer.json())["data"]["activeTargets"]
        scraped = [one for one in found if datetime.fromisoformat(one["lastScrape"]) > since]
        found_so = [(one["scrapeUrl"], one["health"]) for one in scraped]
        return found_so == [(f"http://{place}/metrics", health)]

    async def findings(self) -> list[Finding]:
        return await examine(self.variables, lambda: time.time() + self.ahead)

    async def faults(self) -> list[Fault]:
        return [finding.fault for finding in await self.findings() if finding.fault is not None]


@pytest.fixture
async def scene(tmp_path: Path, parts: Parts) -> AsyncIterator[Scene]:
    address = parts.prometheus.url.removeprefix("http://")
    alerting = parts.alertmanager.url.removeprefix("http://")
    own = f"""
    postgres=(Postgres(url="postgresql://postgres@127.0.0.1:1/postgres", {TIMES}),),
    redis=(Redis(url="redis://127.0.0.1:{parts.redis.port}/0", {TIMES}),),
    ledger=Webhook(url="http://127.0.0.1/api/alertmanager/webhook",
                   credentials_file="{tmp_path}/ingest_token"),
    watched_by=Prometheus(alertmanagers=("{alerting}",), prometheus=("{address}",)),
    """
    text = config_text(*SERVICES, databases=own).replace("alerts=(),", f"alerts=({SERVICE_DOWN}),")
    url = new_database(parts.postgres)
    variables = environment(StoreOptions(url=url)) | {"DATABASE_POOL_MAX": "3"}
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(
            serving(tmp_path, None, variables, text, port=parts.port)
        )
        await stack.enter_async_context(running(made))
        smtp = await stack.enter_async_context(mail_server())
        await made.client.post("/api/alertmanager/watchdog")
        (tmp_path / "ingest_token").write_text(f"{variables['INGEST_TOKEN']}\n")
        variables |= {
            "MONITORING_CONFIG": str(made.config),
            "HOST": "127.0.0.1",
            "PORT": str(made.client.port),
            "LOG_DIR": str(tmp_path),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(smtp),
        }
        ready = Scene(parts, made, tmp_path, stack, variables)
        await ready.watch()
        yield ready


@asynccontextmanager
async def running(made: Served) -> AsyncIterator[None]:
    ledger = ledger_of(made)
    task = asyncio.create_task(ledger.run())
    try:
        await opened(ledger.store)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ledger.close()


@asynccontextmanager
async def mail_server(*, refuses: bool = False) -> AsyncIterator[int]:
    """A real one, which may refuse every password; answers its port."""

    def judged(*_: object) -> AuthResult:
        return AuthResult(success=not refuses, handled=False)

    def made() -> SMTP:
        return SMTP(object(), authenticator=judged, auth_require_tls=False)

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


# --- the faults ---------------------------------------------------------------------------------


async def port_taken(scene: Scene) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    scene.stack.push_async_callback(server.wait_closed)
    scene.stack.callback(server.close)
    scene.variables["PORT"] = str(server.sockets[0].getsockname()[1])


async def variable_missing(scene: Scene) -> None:
    del scene.variables["JWT_SECRET"]


async def variable_malformed(scene: Scene) -> None:
    scene.variables["DATABASE_POOL_MAX"] = "many"


async def secret_file_missing(scene: Scene) -> None:
    del scene.variables["JWT_SECRET"]
    scene.variables["JWT_SECRET_FILE"] = str(scene.directory / "none")


async def config_mistaken(scene: Scene) -> None:
    broken = scene.directory / "broken.py"
    broken.write_text(scene.made.config.read_text().replace('severity="critical"', 'severity="x"'))
    scene.variables["MONITORING_CONFIG"] = str(broken)


async def database_unreachable(scene: Scene) -> None:
    scene.variables["DATABASE_URL"] = f"postgresql://me:hidden-word@127.0.0.1:{free_port()}/x"


async def wrong_password(scene: Scene) -> None:
    name = f"me_{uuid.uuid4().hex}"
    scene.parts.postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'another'")
    scene.variables["DATABASE_URL"] = scene.parts.postgres.dsn(name, "hidden-word")


async def schema_behind(scene: Scene) -> None:
    scene.variables["DATABASE_URL"] = new_database(scene.parts.postgres)


async def transaction_pooler(scene: Scene) -> None:
    directory = scene.directory / "pgbouncer"
    pooler = scene.stack.enter_context(PgBouncer(directory, scene.parts.postgres, "transaction"))
    database = scene.variables["DATABASE_URL"].rpartition("/")[2]
    scene.variables["DATABASE_URL"] = f"{pooler.url.replace('//', '//postgres@')}/{database}"


async def connections_used_up(scene: Scene) -> None:
    name = f"me_{uuid.uuid4().hex}"
    scene.parts.postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'word' CONNECTION LIMIT 0")
    scene.variables["DATABASE_URL"] = scene.parts.postgres.dsn(name, "word")


async def pool_exhausted(scene: Scene) -> None:
    store = ledger_of(scene.made).store
    # Not until none is available: the ledger has one now and then, and gives it back.
    for _ in range(store.pool.largest):
        await scene.stack.enter_async_context(store.session())


async def redis_unreachable(scene: Scene) -> None:
    scene.variables["REDIS_URL"] = f"redis://:hidden-word@127.0.0.1:{free_port()}/0"


async def smtp_unreachable(scene: Scene) -> None:
    scene.variables["SMTP_PORT"] = str(free_port())


async def smtp_refuses(scene: Scene) -> None:
    port = await scene.stack.enter_async_context(mail_server(refuses=True))
    scene.variables |= {"SMTP_PORT": str(port), "SMTP_USER": "me", "SMTP_PASS": "hidden-word"}


async def not_scraped(scene: Scene) -> None:
    await scene.watch(port=free_port())


async def rules_not_loaded(scene: Scene) -> None:
    await scene.watch(rules=False)


async def rules_of_another_config(scene: Scene) -> None:
    await scene.watch(sha256="0" * 64)


async def alertmanager_away(scene: Scene) -> None:
    scene.parts.alertmanager.stop()

    def again() -> None:
        scene.parts.alertmanager.start()
        scene.parts.alertmanager.wait_ready()

    scene.stack.callback(again)


async def watchdog_lost(scene: Scene) -> None:
    scene.made.service.telemetry.watchdog_received.set(time.time() - 600)


async def alertmanager_has_another_token(scene: Scene) -> None:
    (scene.directory / "ingest_token").write_text("hidden-word")


async def alertmanager_shows_another_token(scene: Scene) -> None:
    headers = {"Authorization": "Bearer hidden-word"}
    body = {"version": "4", "alerts": []}
    path = "/api/alertmanager/webhook"
    async with scene.made.client.post(path, json=body, headers=headers) as answer:
        assert answer.status == 401


async def clock_ahead(scene: Scene) -> None:
    scene.ahead = 60.0


async def clock_behind(scene: Scene) -> None:
    scene.ahead = -60.0


def mounted(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


async def disk_full(scene: Scene) -> None:
    place = scene.directory / "logs"
    place.mkdir()
    scene.variables["LOG_DIR"] = str(place)
    if mounted("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)):
        scene.stack.callback(mounted, "umount", str(place))
        (place / "log").write_bytes(bytes(1000 * 1024))
    else:  # root alone can make a volume: others are told of one
        scene.stack.enter_context(patch("shutil.disk_usage", return_value=Usage(100, 90, 10)))


FAULTS: list[tuple[Callable[[Scene], Awaitable[None]], Fault]] = [
    (port_taken, Fault.PORT_TAKEN),
    (variable_missing, Fault.VARIABLE_MISSING),
    (variable_malformed, Fault.VARIABLE_MALFORMED),
    (secret_file_missing, Fault.SECRETS_FILE_MISSING),
    (config_mistaken, Fault.CONFIG_MISTAKEN),
    (database_unreachable, Fault.DATABASE_UNREACHABLE),
    (wrong_password, Fault.WRONG_PASSWORD),
    (schema_behind, Fault.SCHEMA_BEHIND),
    (transaction_pooler, Fault.TRANSACTION_POOLER),
    (connections_used_up, Fault.POOL_EXHAUSTED),
    (pool_exhausted, Fault.POOL_EXHAUSTED),
    (redis_unreachable, Fault.REDIS_UNREACHABLE),
    (smtp_unreachable, Fault.SMTP_UNREACHABLE),
    (smtp_refuses, Fault.SMTP_REFUSES),
    (not_scraped, Fault.NOT_SCRAPED),
    (rules_not_loaded, Fault.RULES_NOT_LOADED),
    (rules_of_another_config, Fault.RULES_NOT_OURS),
    (alertmanager_away, Fault.ALERTMANAGER_NOT_REACHING),
    (watchdog_lost, Fault.ALERTMANAGER_NOT_REACHING),
    (alertmanager_has_another_token, Fault.INGEST_TOKEN_MISMATCH),
    (alertmanager_shows_another_token, Fault.INGEST_TOKEN_MISMATCH),
    (clock_ahead, Fault.CLOCK_OFF),
    (clock_behind, Fault.CLOCK_OFF),
    (disk_full, Fault.DISK_NEARLY_FULL),
]


@pytest.mark.parametrize(
    ("inject", "fault"), FAULTS, ids=lambda value: getattr(value, "__name__", "")
)
async def test_a_fault_is_named_and_nothing_else(
    scene: Scene, inject: Callable[[Scene], Awaitable[None]], fault: Fault
) -> None:
    await inject(scene)
    found = await scene.findings()
    faults = [finding for finding in found if finding.fault is not None]
    assert {finding.fault for finding in faults} == {fault}, faults
    assert all(finding.do for finding in faults)
    assert "hidden-word" not in str(found)


def test_every_fault_that_has_a_name_is_injected() -> None:
    assert {fault for _, fault in FAULTS} == set(Fault)


async def test_a_service_in_order_beside_which_it_runs_has_no_fault(scene: Scene) -> None:
    found = await scene.findings()
    assert [one for one in found if one.fault or one.advice or not one.examined] == []
    assert any("Alertmanager's ingest token" in finding.what for finding in found)
    assert any("the service is running, and has" in finding.what for finding in found)


@pytest.mark.parametrize(("used", "full"), [(899, False), (900, True)])
async def test_a_volume_is_nearly_full_at_90_percent(scene: Scene, used: int, full: bool) -> None:
    with patch("shutil.disk_usage", return_value=Usage(1000, used, 1000 - used)):
        assert (await scene.faults() == [Fault.DISK_NEARLY_FULL]) == full


async def test_advice_is_given_and_is_no_fault(scene: Scene) -> None:
    database = scene.variables["DATABASE_URL"].rpartition("/")[2]
    scene.parts.postgres.execute("DROP INDEX alerts_by_creation", database)
    ended = await operate(scene.directory, "doctor", **scene.variables)
    assert (ended.code, ended.last) == (0, "done: no fault; 1 piece of advice"), ended
    assert "advice   index missing: alerts has no index on created_at" in ended.said


async def test_the_command_ends_with_0_or_1_and_says_what_to_do(scene: Scene) -> None:
    ended = await operate(scene.directory, "doctor", **scene.variables)
    assert (ended.code, ended.last) == (0, "done: no fault"), ended
    scene.variables["REDIS_URL"] = f"redis://:hidden-word@127.0.0.1:{free_port()}/0"
    ended = await operate(scene.directory, "doctor", **scene.variables)
    assert (ended.code, ended.last) == (1, "done: 1 fault; 1 could not be looked at"), ended
    assert "FAULT    Redis unreachable: " in ended.said
    assert "redis-cli" in ended.said
    assert "hidden-word" not in ended.said + ended.complaint


async def test_an_address_that_is_not_this_machines_is_named(scene: Scene) -> None:
    # An address that is nobody's here.
    scene.variables["HOST"] = "192.0.2.1"
    assert await scene.faults() == [Fault.PORT_TAKEN]
