"""The ledger's store, for a command that runs beside the service; and who it is that runs one."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.ledger.actor import Actor
from exporter.ledger.notes import NAME_CHARACTERS, storable
from exporter.ledger.options import store_options
from exporter.ledger.store import Store
from exporter.operations.console import OperationError
from exporter.settings import Settings

# A command may read every archive.
DEADLINE = 120.0


@asynccontextmanager
async def store_beside(found: Settings, *, writes: bool = False) -> AsyncIterator[Store]:
    """The open store, whose schema has to be this version's.

    Raises OperationError, also for what writes while READ_ONLY is set, and StoreUnavailableError.
    """
    if writes and found.read_only:
        raise OperationError("READ_ONLY is set, and this writes")
    store = Store(store_options(found))
    try:
        revisions = await store.open_beside()
        if revisions.current is None:
            raise OperationError("the store has no ledger: run `python -m exporter migrate`")
        if revisions.behind:
            raise OperationError("the schema is behind: run `python -m exporter migrate`")
        yield store
    finally:
        await store.close()


def operator(by: str | None) -> Actor:
    """Whoever runs a command: the user of this machine, on behalf of whom it says."""
    claimed = storable(by or "").strip()[:NAME_CHARACTERS]
    name = _user()
    return Actor(name, "command", on_behalf_of=claimed if claimed and claimed != name else None)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"
