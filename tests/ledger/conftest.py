"""What the ledger's tests share: a Postgres for all of a run, and a store for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from store_fixtures import options, postgres
from stores import opened

from exporter.ledger.store import Store, StoreOptions

__all__ = ["options", "postgres", "store"]


@pytest.fixture
async def store(options: StoreOptions) -> AsyncIterator[Store]:
    """An open store of each kind."""
    async with opened(options) as made:
        yield made
