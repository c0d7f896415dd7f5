"""Taking in what is told: the same episodes, whatever the order and whoever takes it in."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from served_ledger import labels, minute, spans
from stores import opened
from test_webhook import PLATFORM

from exporter.ledger.incoming import Incoming, observed
from exporter.ledger.ingest import ingest
from exporter.ledger.store import Store, StoreOptions

Spans = list[tuple[datetime, datetime | None]]
ALERTS = [labels(f"Alert{number}") for number in range(3)]


def life(chance: random.Random) -> tuple[Spans, list[Incoming]]:
    """What truly happened to three alerts, and all that is told of it, some of it repeatedly."""
    happened: Spans = []
    told: list[Incoming] = []
    for of in ALERTS:
        at = chance.randrange(5)
        for number in range(3):
            starts = sorted({at + chance.randrange(4) for _ in range(3)})
            end = starts[-1] + chance.randrange(3)
            told += [observed(of, minute(start)) for start in starts]
            if number == 2 and of is not ALERTS[0]:
                happened.append((minute(starts[0]), None))
                break
            happened.append((minute(starts[0]), minute(end)))
            told.append(observed(of, minute(chance.choice(starts)), minute(end)))
            at = end + 1 + chance.randrange(3)
    told += chance.choices(told, k=10)
    chance.shuffle(told)
    return sorted(happened, key=str), told


async def take(store: Store, messages: list[Incoming], chance: random.Random) -> None:
    """Several at a time, as they come."""
    while messages:
        number = chance.randrange(1, 5)
        now = datetime.now(UTC)
        await ingest(store, messages[:number], "webhook", now, PLATFORM)
        del messages[:number]


@pytest.mark.parametrize("seed", range(10))
async def test_any_order_of_deliveries_to_any_replica_ends_in_the_same_episodes(
    options: StoreOptions, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    happened, told = life(chance)
    replicas = 1 if options.url is None else 3
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(options)) for _ in range(replicas)]
        async with asyncio.TaskGroup() as together:
            # Each is told everything, as by an Alertmanager of its own, in an order of its own.
            for store in (*stores, *stores):
                mine = chance.sample(told, len(told))
                together.create_task(take(store, mine, chance))
        assert sorted(await spans(stores[0]), key=str) == happened


async def test_an_alert_has_more_history_than_decides(store: Store) -> None:
    for number in range(20):
        begin, end = minute(10 * number), minute(10 * number + 5)
        await ingest(store, [observed(ALERTS[0], begin, end)], "webhook", end, PLATFORM)
    late = [observed(ALERTS[0], minute(1)), observed(ALERTS[0], minute(2), minute(3))]
    outcome = await ingest(store, late, "webhook", minute(300), PLATFORM)
    assert not outcome.changed
    assert len(await spans(store)) == 20
