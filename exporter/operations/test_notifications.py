"""`python -m exporter test-notifications`: each channel, through Alertmanager and without it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import aiohttp
import click

from exporter import logs
from exporter.ledger.errors import StoreUnavailableError
from exporter.operations import directly, notification_log, through_alertmanager
from exporter.operations.beside import store_beside
from exporter.operations.channels import Channels, read_channels
from exporter.operations.console import MISUSED, OperationError, finish, refuse, say
from exporter.service import ledger_wanted
from exporter.settings import SettingsError, read_settings
from model.declared import ConfigError
from model.load import config_path, load
from model.platform import Platform

KINDS = ("email", "slack", "pagerduty")


@click.command("test-notifications")
@click.option("--channel", type=click.Choice(KINDS), required=True, help="What is tested.")
def command(channel: str) -> None:
    """Send a test by a channel: through Alertmanager, and directly by SMTP_*, SLACK_*, PAGERDUTY_*.

    One that works where the other does not tells which half is broken. People are told, and the
    test through Alertmanager is an alert that is in the ledger too.
    """
    logs.quiet()
    channels, problems = read_channels(os.environ)
    try:
        platform = load(config_path(os.environ))
    except ConfigError as error:
        problems.extend(str(error).splitlines())
    if problems:
        refuse(problems, MISUSED)
    finish(test(platform, channels, channel))


async def test(platform: Platform, channels: Channels, kind: str) -> str:
    """Both ways; answers the last line. Raises OperationError if one of them is broken."""
    name = next((one.name for one in platform.channels if one.kind == kind), None)
    if name is None:
        raise OperationError(f"the config has no channel of kind {kind}")
    async with aiohttp.ClientSession(trust_env=False) as session:
        direct = await _directly(session, channels, platform, kind)
        through = await _through(session, platform, name)
    await _noted(platform, kind, through=through, direct=direct)
    return _verdict(kind, through=through, direct=direct)


async def _directly(
    session: aiohttp.ClientSession, channels: Channels, platform: Platform, kind: str
) -> bool | None:
    """Whether it works; None where it was not tried."""
    try:
        say(f"directly: {await directly.send(session, channels, platform, kind)}")
    except directly.NotSetError as error:
        say(f"directly: not tried: {error}")
        return None
    except OperationError as error:
        say(f"directly: BROKEN: {error}")
        return False
    return True


async def _through(session: aiohttp.ClientSession, platform: Platform, name: str) -> bool:
    say("through Alertmanager: waiting until it has sent")
    try:
        say(f"through Alertmanager: {await through_alertmanager.send(session, platform, name)}")
    except OperationError as error:
        say(f"through Alertmanager: BROKEN: {error}")
        return False
    return True


async def _noted(platform: Platform, kind: str, *, through: bool, direct: bool | None) -> None:
    """Keep it for the weekly checklist, where there is a ledger; a test without is one too."""
    try:
        found = read_settings(os.environ)
        if not ledger_wanted(found, platform):
            return
        async with store_beside(found, writes=True) as store:
            await notification_log.note(
                store, kind, datetime.now(UTC), through=through, direct=direct
            )
    except (SettingsError, OperationError, StoreUnavailableError) as error:
        say(f"not noted in the audit trail: {error}")


def _verdict(kind: str, *, through: bool, direct: bool | None) -> str:
    if through and direct is not False:
        return f"done: {kind} works; now look whether it has arrived"
    if through:
        raise OperationError(f"{kind}: alerts are sent; our own variables are what is broken")
    if direct:
        raise OperationError(
            f"{kind}: it takes what we send; Alertmanager, or its settings, are what is broken"
        )
    raise OperationError(
        f"{kind}: Alertmanager does not send"
        + ("" if direct is None else ", and neither can we: it, or the way to it, is broken")
    )
