"""A replica's name: one process has it at a time, and a restart gets it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from served_ledger import environment
from sqlalchemy import select

from exporter.ledger import claim as module
from exporter.ledger.claim import Claim
from exporter.ledger.errors import SecondReplicaError
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import replicas
from exporter.settings import read_settings

NOW = datetime.now(UTC)
LATER = NOW + timedelta(seconds=7)


async def whose(store: Store) -> list[datetime]:
    async with store.read() as connection:
        return [row.started_at for row in await connection.execute(select(replicas))]


async def both_live(first: Claim, second: Claim) -> None:
    for _ in range(10):
        await first.renew()
        await second.renew()


async def test_a_second_process_of_a_living_replicas_name_is_refused_and_leaves_its_row(
    store: Store,
) -> None:
    first, second = Claim(store, "pod-1", NOW), Claim(store, "pod-1", LATER)
    await first.renew()
    with pytest.raises(SecondReplicaError, match='"pod-1" too: set REPLICA'):
        await both_live(second, first)
    assert await whose(store) == [NOW]


async def test_a_restarted_process_gets_its_name_back_once_its_last_life_is_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, restarted = Claim(store, "pod-1", NOW), Claim(store, "pod-1", LATER)
    await last.renew()
    await restarted.renew()
    # Its last word, before it was killed.
    await last.renew()
    await restarted.renew()
    assert await whose(store) == [NOW]
    monkeypatch.setattr(module, "_GONE_SECONDS", 0.0)
    await restarted.renew()
    assert await whose(store) == [LATER]


async def test_who_was_taken_for_dead_gives_way_to_whoever_took_its_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, successor = Claim(store, "pod-1", NOW), Claim(store, "pod-1", LATER)
    await stopped.renew()
    await successor.renew()
    monkeypatch.setattr(module, "_GONE_SECONDS", 0.0)
    await successor.renew()
    monkeypatch.undo()
    with pytest.raises(SecondReplicaError):
        await both_live(stopped, successor)
    assert await whose(store) == [LATER]


async def test_replicas_of_different_names_do_not_mind_each_other(store: Store) -> None:
    claims = [Claim(store, name, NOW) for name in ("pod-1", "pod-2")]
    for _ in range(6):
        for one in claims:
            await one.renew()
    assert await whose(store) == [NOW, NOW]


def test_shards_on_one_host_have_names_of_their_own(options: StoreOptions) -> None:
    given = environment(options)
    del given["REPLICA"]
    plain, first, second = (
        read_settings(given | more).replica for more in ({}, {"SHARD": "1/2"}, {"SHARD": "2/2"})
    )
    assert (first, second) == (f"{plain}-1", f"{plain}-2")
