"""What was revoked is refused by every replica, until it would have expired anyway."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from stores import opened

from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.revocations import Revocations, forget_expired, revoke_person
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import revocations
from exporter.workers.cleanup import clean_up
from model.workers import Workers

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=12)


async def known(store: Store, now: datetime = NOON) -> Revocations:
    """What a replica that has just read the list refuses."""
    made = Revocations(store)
    await made.refresh(now)
    return made


async def number(store: Store) -> int:
    async with store.read() as connection:
        return len((await connection.execute(revocations.select())).all())


async def test_a_session_that_was_ended_is_refused_at_once_and_by_all_after_the_next_reading(
    store: Store,
) -> None:
    here = await known(store)
    here.end_session("one", LATER)
    assert here.refuses("jane", 0.0, "one")
    assert not (await known(store)).refuses("jane", 0.0, "one")
    await here.refresh(NOON)
    for replica in (here, await known(store)):
        assert replica.refuses("jane", 0.0, "one")
        assert not replica.refuses("jane", 0.0, "other")
        assert not replica.refuses("jane", 0.0, None)


async def test_what_was_ended_while_the_store_was_away_is_told_when_it_is_back(
    options: StoreOptions,
) -> None:
    async with opened(options):
        pass
    away = Store(options)
    here = Revocations(away)
    here.end_session("one", LATER)
    with pytest.raises(StoreUnavailableError):
        await here.refresh(NOON)
    assert here.refuses("jane", 0.0, "one")
    await away.open()
    try:
        await here.refresh(NOON)
        assert (await known(away)).refuses("jane", 0.0, "one")
    finally:
        await away.close()


async def test_a_read_only_replica_refuses_it_and_writes_nothing(store: Store) -> None:
    here = Revocations(store, read_only=True)
    here.end_session("one", LATER)
    await here.refresh(NOON)
    assert here.refuses("jane", 0.0, "one")
    assert await number(store) == 0
    await here.refresh(LATER)
    assert not here.refuses("jane", 0.0, "one")


@pytest.mark.parametrize(
    ("subject", "seconds", "refused"),
    [("jane", -60, True), ("jane", 0, True), ("jane", 1, False), ("joe", -60, False)],
)
async def test_of_a_person_all_that_was_issued_until_then_is_refused(
    store: Store, subject: str, seconds: float, *, refused: bool
) -> None:
    async with store.begin() as connection:
        await revoke_person(connection, "jane", NOON - timedelta(hours=1))
        # The later one counts.
        await revoke_person(connection, "jane", NOON)
    replica = await known(store)
    assert replica.refuses(subject, NOON.timestamp() + seconds, "session") is refused
    assert replica.refuses(subject, NOON.timestamp() + seconds, None) is refused


async def test_what_would_have_expired_anyway_is_dropped(store: Store) -> None:
    here = await known(store)
    here.end_session("one", LATER)
    await here.refresh(NOON)
    async with store.begin() as connection:
        await forget_expired(connection, LATER)
    assert await number(store) == 1
    async with store.session() as session:
        await clean_up(session, Workers(), LATER + timedelta(seconds=1))
    assert await number(store) == 0


async def test_no_token_outlives_what_revokes_it(store: Store) -> None:
    async with store.begin() as connection:
        await revoke_person(connection, "jane", NOON)
    a_year = NOON + timedelta(days=366)
    assert (await known(store, a_year)).refuses("jane", NOON.timestamp(), None)
