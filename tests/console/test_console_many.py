"""A thousand services and five hundred open alerts: pages stay short, and hold nobody up."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_serving import alert
from browsing import Browsing
from console_serving import Console, console, text_of
from serving import Fleet
from sqlalchemy import insert
from standins import failure
from test_console_pages import counted

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import metrics

SERVICES, ALERTS, NAMES = 1000, 500, 25
# Once, so that nothing is probed while it is measured.
TIMES = "interval=minutes(10), timeout=seconds(2), retry_interval=seconds(2)"
# What one turn may take of the processor, in seconds.
LONGEST = 0.010
# A machine that is busy with other things has slower processors: of some tries one has to do.
TRIES = 5


def service(number: int) -> str:
    return f"service-{number:04}"


def down(number: int) -> bool:
    return number % 4 == 0


@pytest.fixture
async def served(tmp_path: Path, options: StoreOptions) -> AsyncIterator[Console]:
    fleet = Fleet()
    for number in filter(down, range(SERVICES)):
        fleet.answers[service(number)] = failure
    config = text_of(*map(service, range(SERVICES)), times=TIMES)
    async with console(tmp_path, options, config, fleet) as made:
        now = datetime.now(UTC)
        for start in range(0, ALERTS, 100):
            await made.add(*(_alert(number, now) for number in range(start, start + 100)))
        rows = [
            counted(service(number), now - timedelta(minutes=30 * slot), 60, 60 - slot % 3)
            for number in range(SERVICES)
            for slot in range(1, 12)
        ]
        for start in range(0, len(rows), 500):
            async with made.store.begin() as connection:
                await connection.execute(insert(metrics), rows[start : start + 500])
        await made.log_in()
        yield made


def _alert(number: int, now: datetime) -> dict[str, Any]:
    return alert(
        number,
        now - timedelta(minutes=number),
        name=f"Alert{number % NAMES:02}",
        service=service(number),
        severity=("critical", "error", "warning", "info")[number % 4],
        annotations={"summary": f"{service(number)} is ill", "more": "x" * 4000},
    )


@dataclass
class Held:
    """The longest turn of the event loop, in seconds of the processor, and what it did."""

    seconds: float = 0.0
    by: str = ""


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Measure each turn. Other processes' turns do not count, and neither does the collector's.

    The exporter does not let it look at what is there when it has started.
    """
    held = Held()
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        begun = time.thread_time()
        run(handle)
        seconds = time.thread_time() - begun
        if seconds > held.seconds:
            held.seconds, held.by = seconds, repr(handle)

    gc.collect()
    gc.disable()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(asyncio.Handle, "_run", measured)
            yield held
    finally:
        gc.enable()


async def test_no_page_holds_the_event_loop(
    served: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = ("/", "/?page=5", "/?q=service-00", "/alerts", "/alerts?page=9", "/history", "/on-call")
    one = f"/alerts/{alert(3)['id']}"
    await served.page()  # templates are read once, off the loop
    for path in (*pages, one):
        found = []
        for _ in range(TRIES):
            with watched(monkeypatch) as held:
                await served.page(path)
            found.append(held)
            if held.seconds < LONGEST:
                break
        best = min(found, key=lambda held: held.seconds)
        assert best.seconds < LONGEST, f"{path}: {best}"


async def test_the_first_page_is_short_and_all_is_found_by_paging_groups_and_search(
    served: Console,
) -> None:
    await _first_page(served)
    await _paging(served)
    await _groups_and_search(served)


async def _first_page(served: Console) -> None:
    page = await served.page()
    assert "250 down; 500 open alerts, which nobody has" in page
    assert page.count('<li id="broken-') == 12
    assert "and 238 more that are broken" in page
    assert page.count('<li id="alert-') == 12
    assert "All 500 open alerts" in page
    assert page.count('id="target-') == 100
    assert "Page 1 of 11" in page
    assert len(page) < 200_000


async def _paging(served: Console) -> None:
    seen: list[str] = []
    for number in range(1, 12):
        page = await served.page(f"/?page={number}")
        seen += [part.partition('"')[0] for part in page.split('id="target-')[1:]]
    assert len(seen) == len(set(seen)) == SERVICES + 2
    found: list[str] = []
    for number in range(1, 11):
        page = await served.page(f"/alerts?page={number}")
        found += [part.partition('"')[0] for part in page.split('<li id="alert-')[1:]]
    assert len(found) == len(set(found)) == ALERTS


async def _groups_and_search(served: Console) -> None:
    page = await served.page("/alerts")
    assert page.count('<a href="/alerts?name=') >= NAMES
    group: dict[str, Any] = {"name": "Alert07", "severity": "info"}
    query = "&".join(f"{name}={text}" for name, text in group.items())
    assert f"/alerts?name=Alert07&amp;severity={group['severity']}" in page
    assert (await served.page(f"/alerts?{query}")).count('<li id="alert-') == ALERTS // NAMES // 4
    assert (await served.page("/alerts?q=service-0042")).count('<li id="alert-') == 1
    assert (await served.page("/?q=service-0999")).count('id="target-') == 1


async def test_it_stays_readable_on_a_phone(served: Console, browser: Browsing) -> None:
    async with browser.tab(390) as tab:
        await tab.page.goto(f"{served.url}/login")
        await tab.page.get_by_label("Token").fill(served.token())
        await tab.page.get_by_role("button", name="Log in").click()
        await tab.page.locator("h1").wait_for()
        for path in ("/", "/history", "/alerts"):
            await tab.page.goto(f"{served.url}{path}")
            assert await tab.overflow() == 0, path
        assert await tab.violations() == []
        assert tab.errors == []
