"""Every line of the user's runbook that can be run is run as printed, and shows what it should."""

from __future__ import annotations

import pytest
from classes import Checked, Run, texts
from classified import CHECKED, RUN
from live import Live
from printed import USERS, read

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@pytest.mark.parametrize("case", RUN, ids=str)
async def test_shows(case: Run, live: Live) -> None:
    await case.shows(live, *texts(read(USERS), case))


@pytest.mark.parametrize("case", [case for case in CHECKED if case.live], ids=str)
async def test_does_the_same_here(case: Checked, live: Live) -> None:
    holding = case.holds(live, *texts(read(USERS), case))
    assert holding is not None
    await holding
