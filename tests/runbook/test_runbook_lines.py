"""Every line of both runbooks that can be run is run as printed, and shows what it should."""

from __future__ import annotations

from pathlib import Path

import own
import pytest
from classes import Checked, Run, texts
from classified import CHECKED, RUN
from live import Live
from printed import OURS, USERS, read

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


async def shown(case: Run, live: Live, document: Path) -> None:
    await case.shows(live, *texts(read(document), case))


async def held(case: Checked, live: Live, document: Path) -> None:
    holding = case.holds(live, *texts(read(document), case))
    assert holding is not None
    await holding


@pytest.mark.parametrize("case", RUN, ids=str)
async def test_the_users_runbook_shows(case: Run, live: Live) -> None:
    await shown(case, live, USERS)


@pytest.mark.parametrize("case", [case for case in CHECKED if case.live], ids=str)
async def test_what_does_the_same_for_the_users_runbook(case: Checked, live: Live) -> None:
    await held(case, live, USERS)


@pytest.mark.parametrize("case", own.RUN, ids=str)
async def test_our_own_runbook_shows(case: Run, live: Live) -> None:
    await shown(case, live, OURS)


@pytest.mark.parametrize("case", [case for case in own.CHECKED if case.live], ids=str)
async def test_what_our_own_runbook_says_is_so(case: Checked, live: Live) -> None:
    await held(case, live, OURS)
