"""What the ledger's tests share: a Postgres for all of a run, and a store for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from stores import KINDS, new_database, opened, sqlite

from exporter.ledger.store import Store, StoreOptions
from programs import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running Postgres."""
    server = Postgres()
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.close()


@pytest.fixture(params=KINDS)
def options(request: pytest.FixtureRequest, tmp_path: Path) -> StoreOptions:
    """Where a store is: the test runs once for each kind."""
    if request.param == "sqlite":
        return sqlite(tmp_path)
    return StoreOptions(url=new_database(request.getfixturevalue("postgres")))


@pytest.fixture
async def store(options: StoreOptions) -> AsyncIterator[Store]:
    """An open store of each kind."""
    async with opened(options) as made:
        yield made
