"""How large is the ledger's store, and is there room for what it grows by?"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from exporter.operations.checks.finding import Advice, Finding, advised, fine
from exporter.operations.checks.opening import examined
from exporter.operations.checks.patient import Patient
from exporter.operations.growth import Growth, growth_of
from exporter.operations.words import size
from exporter.settings import Settings

# So long it takes people to get a larger disk.
_DAYS = 30
_LONGER = 90


async def check(patient: Patient) -> list[Finding]:
    """By Prometheus' history, else by the ledger's own rows."""

    async def look(connection: AsyncConnection) -> Sequence[Finding]:
        settings, loaded = patient.settings, patient.loaded
        assert settings is not None  # the store was opened by them
        assert loaded is not None
        now = datetime.fromtimestamp(patient.clock(), UTC)
        growth = await growth_of(connection, patient.session, settings, loaded.platform, now)
        return [_judged(growth, settings)]

    return await examined(patient, "sizes", look)


def _judged(growth: Growth, settings: Settings) -> Finding:
    then = growth.after(_DAYS)
    if then is None or growth.per_day is None:
        return fine(
            f"the store has {size(growth.bytes)}; for a forecast it is too young, or nothing is "
            "written"
        )
    state = (
        f"the store has {size(growth.bytes)}, and grows by {size(growth.per_day)} a day (by "
        f"{growth.source}): {size(then)} in {_DAYS} days, "
        f"{size(growth.after(_LONGER) or 0)} in {_LONGER}"
    )
    if settings.database_url is not None:
        # How large Postgres' volume is, only its machine knows; DatabaseGrowing has it from people.
        return fine(state)
    free = shutil.disk_usage(settings.ledger_file.resolve().parent).free
    if then - growth.bytes <= free:
        return fine(state)
    return advised(
        Advice.OUT_OF_ROOM,
        f"{state}, but only {size(free)} are free",
        "Enlarge the volume, or move old archives (`metrics_archive_YYYY_MM`) elsewhere.",
    )
