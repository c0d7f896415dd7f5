"""`python -m exporter revoke`: takes back all tokens and sessions that somebody has."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime

import click

from exporter.ledger import audit
from exporter.ledger.actor import Actor
from exporter.ledger.options import store_options
from exporter.ledger.revocations import revoke_person
from exporter.ledger.store import Store
from exporter.operations.console import OperationError, finish, settings
from exporter.settings import Settings


@click.command("revoke")
@click.option("--sub", required=True, help="Whose: the name or address that the tokens have.")
def command(sub: str) -> None:
    """Refuse all tokens and sessions that were issued to somebody until now.

    All replicas know it within seconds. New ones may be minted at once. The service may run.
    """
    finish(_revoked(settings(), sub))


async def _revoked(found: Settings, subject: str) -> str:
    """Answers the last line. Raises OperationError or StoreUnavailableError."""
    if found.read_only:
        raise OperationError("READ_ONLY is set, and revoking writes")
    if not subject.strip() or not subject.isprintable():
        raise OperationError("--sub must be a name or address that can be printed")
    store = Store(store_options(found))
    try:
        if (await store.open_beside()).behind:
            raise OperationError("the schema is behind: run `python -m exporter migrate`")
        now = datetime.now(UTC)
        async with store.begin() as connection:
            await revoke_person(connection, subject, now)
            await audit.record(
                connection, "revoke", Actor(_who(), "command"), now, after={"subject": subject}
            )
    finally:
        await store.close()
    return f"done: what was issued to {subject} until {now:%Y-%m-%d %H:%M:%S} UTC is refused"


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "somebody"
