"""`python -m exporter`: the exporter's commands."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import NoReturn

import click
import structlog
import uvloop

from exporter import development, logs
from exporter.ledger.errors import SecondReplicaError, StoreUnavailableError
from exporter.logs import ServiceLog
from exporter.logs.known_secrets import known_secrets
from exporter.serve import CannotListenError, serve
from exporter.service import missing_secrets, read_config
from exporter.settings import Settings, SettingsError, read_settings
from exporter.shard import Shard
from exporter.version import VERSION
from exporter.web.identity import PEOPLE, Role
from model.declared import ConfigError
from model.durations import parse
from model.load import config_path

log = structlog.get_logger("exporter.main")

# Each in its module of exporter/operations, which is imported when it is wanted.
OPERATIONS = (
    "archive",
    "backup",
    "checklist",
    "doctor",
    "incident",
    "report",
    "restore",
    "revoke",
    "test-notifications",
)


class _Commands(click.Group):
    """The commands of this file, and the operations."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), *OPERATIONS))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in OPERATIONS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"exporter.operations.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from exporter.ledger.migrate import head

        click.echo(f"tickettoken-monitoring {VERSION}, schema {head()}")
        context.exit()


@click.group(cls=_Commands)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version, and the revision of the ledger's schema that it has.",
)
def main() -> None:
    """The monitoring service of a platform."""


@main.command("serve")
@click.option("--shard", metavar="I/N", help="Probe the I-th of N shares of the targets (SHARD).")
def serve_command(shard: str | None) -> None:
    """Probe the platform and serve /metrics, until SIGTERM. SIGHUP reloads the config.

    Settings come from the environment: PORT, HOST, LOG_LEVEL, DATABASE_URL, REDIS_URL, …
    """
    environment = dict(os.environ) | ({"SHARD": shard} if shard is not None else {})
    config = config_path(environment)
    problems: list[str] = []
    own = Shard()
    try:
        settings = read_settings(environment)
        own = settings.shard
    except SettingsError as error:
        problems.extend(error.problems)
    try:
        loaded = read_config(config, environment, own)
        if not problems:
            problems.extend(missing_secrets(settings, loaded.platform))
    except (ConfigError, SettingsError) as error:
        problems.extend(str(error).splitlines())
    if problems:
        # DATABASE_URL serves a target and the ledger: one mistake, one message.
        _refuse(list(dict.fromkeys(problems)), 2)
    if settings.insecure_development:
        settings = development.with_secrets(settings)
        click.echo(development.warning(settings), err=True)
    secrets = known_secrets(settings, loaded.platform, loaded.urls)
    with ServiceLog(settings.log_level, settings.log_dir, secrets) as service_log:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve(config, environment, settings, loaded, service_log))
        except ConfigError as error:
            _refuse(str(error).splitlines(), 2)
        except (CannotListenError, SecondReplicaError) as error:
            _refuse([str(error)], 1)
        except Exception:
            # Python would print it with whatever secret its text has, and no file would have it.
            log.exception("the service has ended by a defect")
            sys.exit(1)


@main.command("token")
@click.option("--role", type=click.Choice(PEOPLE), required=True, help="What it allows.")
@click.option("--sub", required=True, help="Whose it is: a name or an address.")
@click.option("--hours", type=float, default=12.0, show_default=True, help="How long it is valid.")
def token_command(role: Role, sub: str, hours: float) -> None:
    """Print a token for the API, signed by JWT_SECRET (or what JWT_SECRET_FILE holds)."""
    from exporter.web.tokens import mint

    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        _refuse(error.problems, 2)
    try:
        life = timedelta(hours=hours)
    except (ValueError, OverflowError):
        _refuse([f"--hours: {hours} is no number of hours"], 2)
    try:
        click.echo(mint(settings, sub, role, life))
    except ValueError as error:
        _refuse([str(error)], 2)


@main.command("migrate")
def migrate_command() -> None:
    """Bring the ledger's store to this version's schema, and print its revision.

    The store is DATABASE_URL's Postgres, else the SQLite file of LEDGER_FILE. `serve` does the same
    at its start.
    """
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        _refuse(error.problems, 1)
    logs.quiet()
    try:
        click.echo(asyncio.run(_migrated(settings)))
    except (StoreUnavailableError, SecondReplicaError) as error:
        _refuse([str(error)], 1)


@main.command("audit")
@click.option("--since", default="30d", show_default=True, help="How far back: 12h, 30d.")
def audit_command(since: str) -> None:
    """Print who did what to which alert, and who asked the API, the earliest first.

    Actions come from the ledger's audit trail, of all replicas; requests from the log's files in
    LOG_DIR, of this one. Nothing is changed, and the service may run.
    """
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        _refuse(error.problems, 2)
    try:
        start = datetime.now(UTC) - parse(since)
    except (ValueError, OverflowError):
        _refuse([f"--since: {since} is no length of time: write 12h or 30d"], 2)
    logs.quiet()
    try:
        asyncio.run(_audited(settings, start))
    except (StoreUnavailableError, OSError) as error:
        _refuse([str(error)], 1)


async def _audited(settings: Settings, since: datetime) -> None:
    from exporter import audit_trail
    from exporter.ledger.options import store_options
    from exporter.ledger.store import Store

    store = Store(store_options(settings))
    directory = settings.log_dir or logs.usual_directory()
    click.echo(f"Actions since {since:%Y-%m-%d %H:%M} UTC ({store.name})")
    try:
        await store.open_beside()
        number = 0
        async for entry in audit_trail.actions(store, since):
            click.echo(f"  {entry}")
            number += 1
    finally:
        await store.close()
    click.echo(f"  {number} in all")
    if directory is None:
        click.echo("Requests: no files of the log are kept here (LOG_DIR is not set)")
        return
    click.echo(f"Requests to the API ({directory})")
    number = 0
    for entry in audit_trail.requests(directory, since):
        click.echo(f"  {entry}")
        number += 1
    click.echo(f"  {number} in all")


async def _migrated(settings: Settings) -> str:
    """What the store is, and the revision that it has now."""
    from exporter.ledger.options import store_options
    from exporter.ledger.store import Store

    store = Store(store_options(settings))
    try:
        return f"{store.name}: revision {await store.open()}"
    finally:
        await store.close()


def _refuse(problems: list[str], code: int) -> NoReturn:
    for problem in problems:
        click.echo(f"exporter: {problem}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
