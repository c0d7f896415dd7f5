"""What the console's tests share: stores of each kind, and one browser for all of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from browsing import Browsing, browsing
from store_fixtures import options, postgres

__all__ = ["browser", "options", "postgres"]


@pytest.fixture
async def browser() -> AsyncIterator[Browsing]:
    """Debian's Chromium."""
    async with browsing() as made:
        yield made
