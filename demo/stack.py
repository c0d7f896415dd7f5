"""The whole chain on this machine: simulated services, real programs, stand-ins for people.

Everything listens on free ports of 127.0.0.1, keeps its files in one temporary directory and ends
with this process, also when it is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import aiohttp

from demo import history, payments
from demo.api import Api
from demo.external import External, serving
from demo.gateway import Gateway, listening
from demo.hurry import hurried_ladder
from demo.platform import Platform as SimulatedPlatform
from demo.sinks import Sinks
from model.load import load
from model.platform import Platform
from programs import (
    Alertmanager,
    Postgres,
    Prometheus,
    Redis,
    child,
    free_port,
)
from programs.process import HOST
from rules import alerts, escalation, messages, routing, scrape
from rules.output import Files

ROOT = Path(__file__).resolve().parent.parent
# As long as the real one, which sinks check.
_ROUTING_KEY = "0123456789abcdef0123456789abcdef"
_SETTLE_SECONDS = 60.0
# The exporter's own: each is a file of this name, which a variable of this name leads to.
_SECRETS = ("ingest_token", "jwt_secret", "slack_signing_secret")
# Archived to nowhere, so that archiving can be made to fail. A segment that is begun and not filled
# takes no disk. A standby that stands still is not hung up on.
_POSTGRES_SETTINGS = MappingProxyType(
    {
        "archive_mode": "on",
        "archive_command": "/bin/true",
        "wal_init_zero": "off",
        "wal_sender_timeout": "10min",
    }
)
# Scenarios reload Prometheus, and for up to 5 s after that 2.42 throws away what it would send.
_HURRIED = ("--rules.alert.resend-delay=5s",)
# Of what is generated, what Prometheus and Alertmanager read.
_PROGRAMS_READ = (alerts.build, escalation.build, scrape.build, routing.build, messages.build)

Report = Callable[[str, float], None]
# Where the exporter keeps its ledger: a file, or the Postgres that it also watches.
LedgerStore = Literal["sqlite", "postgresql"]
_NOTHING: Mapping[str, str] = MappingProxyType({})
EXPORTER = ("-m", "exporter", "serve")


class StackError(Exception):
    """A part of the chain that did not come up; says which and what it printed."""


@dataclass(frozen=True)
class Stack:
    """The running chain."""

    directory: Path
    config: Path
    platform: Platform
    simulated: SimulatedPlatform
    external: External
    # Only in a hurried stack.
    gateway: Gateway | None
    sinks: Sinks
    postgres: Postgres
    redis: Redis
    prometheus: Prometheus
    alertmanager: Alertmanager
    exporter: subprocess.Popen[bytes]
    exporter_url: str
    api: Api

    @property
    def addresses(self) -> Mapping[str, str]:
        """What a person may open, by what it is."""
        return {
            "console": f"{self.exporter_url}/",
            "exporter": f"{self.exporter_url}/health",
            "metrics": f"{self.exporter_url}/metrics",
            "Prometheus": f"{self.prometheus.url}/alerts",
            "Alertmanager": f"{self.alertmanager.url}/#/alerts",
            "Postgres": self.postgres.dsn(),
            "Redis": self.redis.url,
            "files": str(self.directory),
        }


def quiet(_what: str, _seconds: float) -> None:
    """Report nothing."""


@asynccontextmanager
async def running(
    report: Report = quiet,
    config: Path = ROOT / "config.py",
    *,
    hurry: bool = False,
    impatient: bool = False,
    ledger: LedgerStore = "sqlite",
    program: Sequence[str] = EXPORTER,
    settings: Mapping[str, str] = _NOTHING,
    database: str = "postgres",
) -> AsyncIterator[Stack]:
    """Start the whole chain for a config, and stop it again.

    `report` is told of each part that is up, and how many seconds it took. `hurry` cuts the waits
    of its alerts short, as demo/hurry.py says, adds a TLS port, and gives Prometheus a week of
    history; `impatient` cuts the ladder short. `ledger` is where it is kept. `program` is what
    Python runs as the exporter, with `settings` besides its own. `database` is the one that is
    watched and has the payments; it is created unless it is Postgres' own. Raises StackError,
    programs.MissingProgramError or programs.ServerError.
    """
    base = load(config)
    port = free_port()
    async with AsyncExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="monitoring-")))
        directory.chmod(0o755)
        with _timed(report, f"{len(base.services) - 1} simulated services, 3 sinks"):
            names = [service.name for service in base.services if service.name != base.own_service]
            simulated = await cleanup.enter_async_context(SimulatedPlatform(names))
            external = await cleanup.enter_async_context(serving(base.external))
            gateway = await cleanup.enter_async_context(listening(directory)) if hurry else None
            sinks = await cleanup.enter_async_context(Sinks())
        compiled = directory / "compiled"
        servers = _servers(directory, compiled, _HURRIED if hurry else ())
        if hurry:
            with _timed(report, "a week of history"):
                services = {name: _host_port(url) for name, url in simulated.urls().items()}
                data = servers[-1].data
                await asyncio.to_thread(history.write, data, f"{HOST}:{port}", services)
        for server in servers:
            server.start()
            cleanup.callback(server.close)
        for server in servers:
            with _timed(report, server.name):
                server.wait_ready()
        postgres, redis, alertmanager, prometheus = servers
        with _timed(report, "payments of two hours, and of a week ago"):
            await asyncio.to_thread(payments.create, postgres, database)
        trickle = asyncio.create_task(payments.trickle(postgres, database))
        cleanup.callback(trickle.cancel)
        stores = {"postgres": postgres.dsn(dbname=database), "redis": redis.url}
        targets = _targets(base, simulated, external.urls, stores)
        addresses = _addresses(directory, port, targets, sinks, base)
        addresses |= {
            "prometheus": _host_port(prometheus.url),
            "alertmanager": _host_port(alertmanager.url),
        }
        overlay = _write_overlay(directory, config, addresses, gateway, impatient=impatient)
        log = directory / "exporter.log"
        kept_in = stores["postgres"] if ledger == "postgresql" else None
        environment = {**exporter_environment(overlay, port, kept_in), **settings}
        exporter = start_exporter(environment, log, program=program)
        cleanup.callback(stop, exporter)
        session = await cleanup.enter_async_context(aiohttp.ClientSession())
        exporter_url = f"http://{HOST}:{port}"
        with _timed(report, f"rules compiled{'' if hurry else ', proved'} and loaded"):
            if hurry:
                await asyncio.to_thread(write_rules, overlay, compiled)
                _hurry_ladder(compiled)
            else:
                await compile_rules(overlay, compiled)
            alertmanager.reload()
            # Prometheus asks it for the services, and if in vain, not again for half a minute.
            await wait_answering(session, exporter, exporter_url, log)
            prometheus.reload()
        stack = Stack(
            directory=directory,
            config=overlay,
            platform=load(overlay),
            simulated=simulated,
            external=external,
            gateway=gateway,
            sinks=sinks,
            postgres=postgres,
            redis=redis,
            prometheus=prometheus,
            alertmanager=alertmanager,
            exporter=exporter,
            exporter_url=exporter_url,
            api=Api(session, exporter_url, prometheus.url, alertmanager.url),
        )
        with _timed(report, f"exporter watches {len(base.targets)} targets, Prometheus sees all"):
            await _settle(stack)
        yield stack


def _servers(
    directory: Path, compiled: Path, args: Sequence[str]
) -> tuple[Postgres, Redis, Alertmanager, Prometheus]:
    """Not started yet. Both configs are placeholders until all addresses are known."""
    prometheus_yml = compiled / "rules/generated/prometheus.yml"
    alertmanager_yml = compiled / "alertmanager/alertmanager.yml"
    for path, text in (
        (prometheus_yml, "global: {}\n"),
        (alertmanager_yml, "route: {receiver: none}\nreceivers: [{name: none}]\n"),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return (
        Postgres(settings=_POSTGRES_SETTINGS),
        Redis(directory / "redis"),
        Alertmanager(directory / "alertmanager", alertmanager_yml),
        Prometheus(
            directory / "prometheus", prometheus_yml, retention=history.RETENTION, args=args
        ),
    )


def _targets(
    base: Platform,
    simulated: SimulatedPlatform,
    external: Mapping[str, str],
    stores: Mapping[str, str],
) -> dict[str, str]:
    redis = {target.name: stores["redis"] for target in base.redis if target.kind == "redis"}
    postgres = {target.name: stores["postgres"] for target in base.postgres}
    return {**simulated.urls(), **external, **redis, **postgres}


def _addresses(
    directory: Path, port: int, targets: dict[str, str], sinks: Sinks, base: Platform
) -> dict[str, object]:
    slack, pagerduty = directory / "slack_webhook_url", directory / "pagerduty_routing_key"
    slack.write_text(sinks.slack_url, encoding="utf-8")
    pagerduty.write_text(_ROUTING_KEY, encoding="utf-8")
    for secret in _SECRETS:
        (directory / secret).write_text(secrets.token_urlsafe(48), encoding="utf-8")
    if base.own_service is not None:
        targets[base.own_service] = f"http://127.0.0.1:{port}"
    return {
        "targets": targets,
        "exporter": f"127.0.0.1:{port}",
        "smarthost": sinks.smtp_address,
        "slack_webhook_url_file": str(slack),
        "pagerduty_url": sinks.pagerduty_url,
        "pagerduty_routing_key_file": str(pagerduty),
        "ledger_credentials_file": str(directory / "ingest_token"),
    }


def _write_overlay(
    directory: Path,
    config: Path,
    addresses: dict[str, object],
    gateway: Gateway | None,
    *,
    impatient: bool,
) -> Path:
    path, overlay = directory / "addresses.json", directory / "config.py"
    path.write_text(json.dumps(addresses, indent=2), encoding="utf-8")
    lines = [
        "from pathlib import Path\n",
        "from demo.hurry import hurried, impatient",
        "from model.overlay import overlaid\n",
        f"CONFIG = overlaid(Path({str(config)!r}), Path({str(path)!r}))",
    ]
    if gateway is not None:
        lines.append(f"CONFIG = hurried(CONFIG, {gateway.url!r}, Path({str(gateway.ca_file)!r}))")
    if impatient:
        lines.append("CONFIG = impatient(CONFIG)")
    overlay.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return overlay


async def compile_rules(config: Path, output: Path) -> None:
    """Write all that is generated from a config below a directory. Raises StackError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rules",
        f"--output={output}",
        cwd=ROOT,
        env={**os.environ, "MONITORING_CONFIG": str(config)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise StackError(f"the rules do not compile:\n{printed.decode(errors='replace')}")


def write_rules(config: Path, output: Path) -> None:
    """As compile_rules, without proving once more what `make check` proves: only times differ."""
    _write(config, output, _PROGRAMS_READ)


def load_alerts(stack: Stack) -> None:
    """Have Prometheus load the alerts of the stack's config as it stands, of a hurried stack."""
    compiled = stack.prometheus.config.parents[2]
    _write(stack.config, compiled, (alerts.build, escalation.build))
    _hurry_ladder(compiled)
    stack.prometheus.reload()


def _write(config: Path, output: Path, builds: Sequence[Callable[[Platform], Files]]) -> None:
    platform = load(config)
    for build in builds:
        for path, text in build(platform).items():
            written = output / path
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(text, encoding="utf-8")


def _hurry_ladder(compiled: Path) -> None:
    path = compiled / escalation.PATH
    if path.exists():
        path.write_text(hurried_ladder(path.read_text(encoding="utf-8")), encoding="utf-8")


def exporter_environment(config: Path, port: int, ledger: str | None) -> dict[str, str]:
    """Without a URL for the ledger it is an SQLite file, whatever this process was given."""
    directory = config.parent
    elsewhere = {"DATABASE_URL", "REDIS_URL", *map(str.upper, _SECRETS)}
    inherited = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return {
        **inherited,
        "MONITORING_CONFIG": str(config),
        "HOST": HOST,
        "PORT": str(port),
        "LEDGER_FILE": str(directory / "ledger.sqlite3"),
        **{f"{name.upper()}_FILE": str(directory / name) for name in _SECRETS},
        **({} if ledger is None else {"DATABASE_URL": ledger}),
    }


def start_exporter(
    environment: Mapping[str, str],
    log: Path,
    inside: Sequence[str] = (),
    program: Sequence[str] = EXPORTER,
) -> subprocess.Popen[bytes]:
    """An exporter that ends with the calling thread; `inside` is a command that starts others."""
    command = [*inside, sys.executable, *program]
    return child(command, cwd=ROOT, env=environment, log=log)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process in order, after 10 s by force."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def wait_answering(
    session: aiohttp.ClientSession, exporter: subprocess.Popen[bytes], url: str, log: Path
) -> None:
    """Wait until an exporter answers at a URL. Raises StackError with what it printed."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        if exporter.poll() is not None:
            raise StackError(f"the exporter has ended:\n{_tail(log)}")
        try:
            async with session.get(f"{url}/-/healthy") as response:
                if response.ok:
                    return
        except aiohttp.ClientError as error:
            answer = repr(error)
        else:
            answer = str(response.status)
        if time.monotonic() > deadline:
            raise StackError(
                f"after {_SETTLE_SECONDS:g} s the exporter answers {answer}:\n{_tail(log)}"
            )
        await asyncio.sleep(0.1)


async def _settle(stack: Stack) -> None:
    """Wait until every target has a result and Prometheus has seen all of it."""
    expected, log = len(stack.platform.targets), stack.directory / "exporter.log"
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        if stack.exporter.poll() is not None:
            raise StackError(f"the exporter has ended:\n{_tail(log)}")
        seen = await stack.api.instant("count(probe_success == 1)")
        if seen and int(float(seen[0]["value"][1])) == expected:
            return
        if time.monotonic() > deadline:
            raise StackError(
                f"after {_SETTLE_SECONDS:g} s Prometheus sees {seen} of {expected} targets up:\n"
                f"{_tail(log)}"
            )
        await asyncio.sleep(0.2)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "(no log)"


def _host_port(url: str) -> str:
    return url.removeprefix("http://")


@contextmanager
def _timed(report: Report, what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    report(what, time.monotonic() - started)
