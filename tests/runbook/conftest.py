"""The chain that the runbook's commands are run against, once for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

# What they assert is to be told like what tests assert.
pytest.register_assert_rewrite(
    *("live", "shell", "runs_daily", "runs_issues", "runs_responding", "runs_upkeep"),
    *("checks_docker", "checks_kubernetes", "checks_live", "own"),
)

from live import Live, living  # noqa: E402


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """The running chain."""
    async with living(tmp_path_factory.mktemp("runbook")) as made:
        yield made
