"""The ledger's data: room, size, what is old, how it is indexed, and whether it is backed up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from exporter.ledger.state import BACKED_UP, BACKUP
from exporter.ledger.store import Store
from exporter.ledger.tables import facts
from exporter.operations.checks import disk as disks
from exporter.operations.checks import growth, indexes, redis_settings, upkeep
from exporter.operations.looks.desk import Desk, in_ledger
from exporter.operations.looks.outcome import Outcome, by_hand, fine, of_findings, wrong
from exporter.operations.words import lasting, size

# A backup a day, and two hours to make it: as DataLossRisk has it.
_OLDEST = timedelta(hours=26)


async def disk(desk: Desk) -> Sequence[Outcome]:
    """The volumes of this machine that the service writes to."""
    return [
        *of_findings(await disks.check(desk.patient)),
        *([_ELSEWHERE] if desk.settings.database_url is not None else ()),
    ]


_ELSEWHERE = by_hand(
    "the volumes of Postgres, Prometheus and Redis are on their own machines",
    "`df -h` there; DiskFilling and DatabaseGrowing watch Postgres'.",
)


async def database(desk: Desk) -> Sequence[Outcome]:
    """Its size and forecast, and whether archiving is due."""
    return of_findings([*await growth.check(desk.patient), *await upkeep.archiving(desk.patient)])


async def archiving(desk: Desk) -> Sequence[Outcome]:
    """Whether cleanup leaves nothing behind."""
    return of_findings(await upkeep.archiving(desk.patient))


async def tuning(desk: Desk) -> Sequence[Outcome]:
    """The runbook's advice on Postgres and Redis."""
    patient = desk.patient
    return of_findings(
        [
            *await indexes.check(patient),
            *await upkeep.statistics(patient),
            *await redis_settings.check(patient),
        ]
    )


@in_ledger
async def backup(desk: Desk, store: Store) -> Sequence[Outcome]:
    """The last one that counts: every one that does was restored and compared."""
    query = select(facts.c.name, facts.c.value).where(facts.c.name.in_((BACKED_UP, BACKUP)))
    async with store.read() as connection:
        found = {row.name: row.value for row in await connection.execute(query)}
    if BACKED_UP not in found:
        return [wrong("there is no backup", "`python -m exporter backup`, each night (cron).")]
    age = desk.now - datetime.fromisoformat(found[BACKED_UP])
    state = f"the last verified backup is {lasting(age)} old"
    outcomes = [
        fine(state)
        if age <= _OLDEST
        else wrong(state, "Did last night's run? `python -m exporter backup` says what is wrong.")
    ]
    about = found.get(BACKUP)
    if isinstance(about, dict):
        named = f"{about.get('file')}, {size(float(about.get('bytes', 0)))}"
        outcomes.append(
            fine(f"{named}, was uploaded")
            if about.get("uploaded")
            else wrong(
                f"{named}, is where it was made and nowhere else",
                "`python -m exporter backup --upload-hook 'aws s3 cp {file} s3://…'`",
            )
        )
    return [*outcomes, by_hand("restore one elsewhere, as if it were needed", "docs/operations.md")]
