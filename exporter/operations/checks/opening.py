"""The ledger's store, for a check that looks into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.ledger.errors import StoreUnavailableError
from exporter.operations.beside import DEADLINE, store_beside
from exporter.operations.checks.finding import Finding, fine, unknown
from exporter.operations.checks.patient import Patient
from exporter.operations.console import OperationError
from exporter.service import ledger_wanted


async def examined(
    patient: Patient,
    what: str,
    look: Callable[[AsyncConnection], Awaitable[Sequence[Finding]]],
) -> list[Finding]:
    """What a look into the store finds; that it cannot be opened is another check's to say."""
    settings, loaded = patient.settings, patient.loaded
    if settings is None or loaded is None:
        return [unknown(f"{what}: the variables have to be mended first")]
    if not ledger_wanted(settings, loaded.platform):
        return [fine(f"no ledger is kept, so there are no {what}")]
    try:
        async with store_beside(settings) as store, store.read(DEADLINE) as connection:
            return list(await look(connection))
    except (OperationError, StoreUnavailableError) as error:
        return [unknown(f"{what}: {error}")]
