"""What the tests of the operations share: a Postgres for all of a run, and places for stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import KINDS, new_database, sqlite

from exporter.ledger.store import StoreOptions
from programs import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running Postgres."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def options(request: pytest.FixtureRequest, tmp_path: Path) -> StoreOptions:
    """Where a store is: the test runs once for each kind."""
    if request.param == "sqlite":
        return sqlite(tmp_path)
    return StoreOptions(url=new_database(request.getfixturevalue("postgres")))
