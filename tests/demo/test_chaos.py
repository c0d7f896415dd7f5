"""Nothing is lost and nothing doubled when things are killed; a short version of `make chaos`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from demo.chaos.episodes import Span, differences
from demo.chaos.havoc import Havoc
from demo.chaos.run import run
from demo.chaos.scene import Row, Scene, Wanted, running
from demo.stack import LedgerStore

pytestmark = [pytest.mark.timeout(400)]

DEADLINE = 120.0
LAMP = frozenset({"alertname": "LampOn", "service": "lamp-000", "severity": "critical"}.items())


# --- how the two are compared -------------------------------------------------------------------


def rows(*spans: tuple[float, float | None]) -> list[Row]:
    return [Row(dict(LAMP), start, end) for start, end in spans]


def runs(*spans: tuple[float, float]) -> dict[frozenset[tuple[str, str]], list[Span]]:
    return {LAMP: [Span(start, start, end) for start, end in spans]}


@pytest.mark.parametrize(
    ("kept", "wrong"),
    [
        ([], 2),
        ([(10, 20)], 1),
        ([(10, 20), (30, None)], 1),
        ([(10, 20), (30, 42.1)], 1),
        ([(10, 20), (32.1, 40)], 2),
        ([(10, 40)], 2),
        ([(10, 20), (30, 40), (30, 40)], 1),
        ([(10, 20), (24, 26), (30, 40)], 1),
        ([(10, 20), (30, 40)], 0),
        ([(12, 22), (28, 38)], 0),
    ],
)
def test_what_is_missing_doubled_or_elsewhere_is_a_difference(
    kept: list[tuple[float, float | None]], wrong: int
) -> None:
    assert len(differences(runs((10, 20), (30, 40)), rows(*kept))) == wrong


def test_what_is_closer_than_the_ledger_can_tell_apart_may_be_one_or_two() -> None:
    close, apart = runs((10, 20), (22.4, 30)), runs((10, 20), (22.6, 30))
    for kept in (rows((10, 20), (22.5, 30)), rows((10, 30))):
        assert differences(close, kept) == []
    assert differences(apart, rows((10, 20), (22.6, 30))) == []
    assert differences(apart, rows((10, 30))) != []


# --- chaos --------------------------------------------------------------------------------------


async def test_nothing_is_lost_or_doubled_while_exporters_and_postgres_are_killed() -> None:
    wanted = Wanted("postgresql", replicas=2, alertmanagers=2)
    outcome = await run(wanted, Havoc(kills=2, restarts=1, seed=7), 40, 20, print)
    assert outcome.differences == ()
    assert outcome.transitions >= 40


# --- kill -9 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_what_goes_on_firing_while_the_exporter_is_killed_stays_acknowledged(
    store: LedgerStore,
) -> None:
    async with running(Wanted(store), 1, seed=1) as scene, aiohttp.ClientSession() as session:
        people = People(scene, session)
        scene.lamps.switch("lamp-000", 1)
        (alert,) = await until(lambda: people.listed("active"))
        await people.acknowledge(alert["id"])
        (before,) = await people.listed("acknowledged")
        (exporter,) = scene.exporters
        exporter.kill()
        await asyncio.sleep(1)
        exporter.start()
        await asyncio.to_thread(exporter.wait_ready, DEADLINE)
        (after,) = await until(lambda: people.listed("acknowledged"))
        # Until Alertmanager and the worker have told of it anew.
        reconciled = f"alert_ledger_reconciled_timestamp_seconds > {time.time()}"
        await until(lambda: scene.api.instant(reconciled))
        (later,) = await people.listed("acknowledged")
        assert before == after == later
        scene.lamps.switch("lamp-000", 0)

        async def over() -> bool:
            return [row.ends_at is None for row in scene.rows()] == [False]

        await until(over)


class People:
    """Whoever has a token."""

    def __init__(self, scene: Scene, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._url = f"{scene.exporters[0].url}/api/alerts"
        self._headers = {"Authorization": f"Bearer {scene.token()}"}

    async def listed(self, status: str) -> list[dict[str, Any]]:
        """The open alerts of a status; none while the exporter is not ready to tell."""
        asked = {"status": status}
        async with self._session.get(self._url, params=asked, headers=self._headers) as answer:
            if answer.status == 503:
                return []
            found: list[dict[str, Any]] = (await answer.json())["active"]
            return found

    async def acknowledge(self, alert_id: str) -> None:
        url = f"{self._url}/acknowledge/{alert_id}"
        async with self._session.post(url, json={}, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something is true; what it is then."""
    deadline = time.monotonic() + DEADLINE
    while not (found := await holds()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    return found
