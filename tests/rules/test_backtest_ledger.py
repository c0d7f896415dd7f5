"""What the ledger knows, by its real API: missed and spared alerts, and what follows from them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_serving import Api, alert, api
from backfilled import Past, remembering
from backtesting import COUNT, PEAKS, STEP, peaks, row, run, told
from click.testing import Result
from stores import sqlite

from programs import Prometheus

FALSE, REAL, ALSO_FALSE, ALSO_REAL = PEAKS
WAITED = 12


@pytest.fixture(scope="module")
def history() -> Past:
    return peaks(int(time.time()) // 60 * 60 - COUNT * STEP)


@pytest.fixture(scope="module")
def prometheus(history: Past, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with remembering(history, tmp_path_factory.mktemp("judged")) as server:
        yield server


@dataclass(frozen=True)
class Scene:
    """A history, its Prometheus, and the ledger that was told of it."""

    history: Past
    prometheus: Prometheus
    served: Api
    token: Path

    async def judged(self, number: int, first: int, count: int, **more: Any) -> None:
        """An alert that was active for so many evaluations, from a value of the history on."""
        begin = datetime.fromtimestamp(self.history.start + (first + WAITED) * STEP, UTC)
        labels = {
            "alertname": "ManyClients",
            "severity": "warning",
            "service": "cache",
            "target": "cache",
            "cluster": "an external label",
        }
        more["labels"] = labels | more.get("labels", {})
        ends = begin + timedelta(seconds=(count - WAITED) * STEP)
        row = alert(number, begin, name="ManyClients", severity="warning", ends_at=ends, **more)
        await self.served.add(row)

    async def backtest(self, *arguments: str | Path) -> Result:
        """A backtest that asks both."""
        return await asyncio.to_thread(
            run,
            "ManyClients:warning", *arguments, "--since", "2h59m",
            "--prometheus", self.prometheus.url,
            "--ledger", str(self.served.client.make_url("/")),
            "--ledger-token-file", self.token,
        )  # fmt: skip


@pytest.fixture
async def scene(history: Past, prometheus: Prometheus, tmp_path: Path) -> AsyncIterator[Scene]:
    async with api(tmp_path, sqlite(tmp_path)) as served:
        token = tmp_path / "token"
        token.write_text(served.token("viewer") + "\n")
        yield Scene(history, prometheus, served, token)


ACKNOWLEDGED: dict[str, Any] = {
    "acknowledged_at": datetime(2026, 1, 1, tzinfo=UTC),
    "acknowledged_by": "me",
}
WRONG: dict[str, Any] = {"false_positive": True}


async def test_a_token_that_the_ledger_refuses_is_told_with_what_to_do(scene: Scene) -> None:
    scene.token.write_text("not.a.token")
    done = await scene.backtest()
    assert done.exit_code == 1
    assert "refuses us: " in done.stderr
    assert "--ledger-token-file takes a file with a token of the role viewer" in done.stderr
    assert "not.a.token" not in done.output


async def test_real_alerts_that_are_missed_and_false_ones_that_are_spared_are_told(
    scene: Scene, tmp_path: Path
) -> None:
    # One that was acknowledged and turned out to be false is false.
    await scene.judged(1, *FALSE[:2], **(WRONG | ACKNOWLEDGED))
    await scene.judged(2, *REAL[:2], **ACKNOWLEDGED)
    await scene.judged(3, *ALSO_FALSE[:2], **WRONG)
    await scene.judged(4, *ALSO_REAL[:2], **ACKNOWLEDGED)
    written = tmp_path / "a.json"
    done = await scene.backtest("--threshold", "200", "--json", written)
    assert done.exit_code == 0, done.output
    assert row(done, "real alerts seen") == ["2 of 2", "1 of 2", "2 of 2"]
    assert row(done, "false positives seen") == ["2 of 2", "0 of 2", "0 of 2"]
    assert "proposed: real alerts that it misses (1)" in told(done)
    assert "proposed: false positives that it spares (2)" in told(done)
    # They stood at 150 and at 180.
    assert row(done, "threshold") == ["> 100", "> 200", "> 160"]
    assert "Suggestion threshold 160: each of 2 real alerts stayed over it, at 180 or more" in told(
        done
    )
    document = json.loads(written.read_text())
    assert document["variants"][1]["judged"]["real"] == {"seen": 1, "missed": 1}
    assert document["suggestion"]["threshold"] == 160
    judged = [one["judgement"] for one in document["variants"][0]["firings"]]
    assert judged == ["false positive", "real", "false positive", "real"]


async def test_what_only_time_tells_apart_gets_a_longer_for_and_what_that_costs(
    scene: Scene,
) -> None:
    await scene.judged(1, *ALSO_FALSE[:2], **WRONG)
    await scene.judged(2, *FALSE[:2], **ACKNOWLEDGED)
    done = await scene.backtest()
    # Both stood at 150: one for 14 evaluations, the other one for 30.
    assert row(done, "threshold") == ["> 100", "> 100"]
    assert row(done, "for") == ["1m", "2m"]
    assert "suggested: false positives that it spares (1)" in told(done)
    assert "suggested: of a real alert it tells up to" in told(done)


async def test_false_positives_that_went_farther_than_a_real_alert_are_not_told_apart(
    scene: Scene,
) -> None:
    await scene.judged(1, *ALSO_REAL[:2], **WRONG)
    await scene.judged(2, *FALSE[:2], **ACKNOWLEDGED)
    done = await scene.backtest()
    assert "Suggestion none: of 1 false positive each went as far and lasted as long" in told(done)
    assert row(done, "fired") == ["4"]


async def test_what_nobody_has_judged_suggests_nothing(scene: Scene) -> None:
    await scene.judged(1, *REAL[:2])
    done = await scene.backtest()
    assert row(done, "not judged, seen") == ["1 of 1"]
    assert "Suggestion none: nobody has judged what fired" in told(done)


async def test_alerts_of_namesakes_and_of_other_targets_are_others(scene: Scene) -> None:
    await scene.judged(1, *REAL[:2], **ACKNOWLEDGED, labels={"severity": "critical"})
    await scene.judged(2, *REAL[:2], **ACKNOWLEDGED, labels={"target": "other"})
    done = await scene.backtest()
    assert row(done, "real alerts seen") == ["0 of 1"]
    assert "1 judged alerts of the ledger are not in today's replay" in told(done)


async def test_alerts_from_before_there_is_history_are_not_held_against_it(scene: Scene) -> None:
    await scene.judged(1, -400, 30, **ACKNOWLEDGED)
    await scene.judged(2, 1350, 30, **ACKNOWLEDGED)
    done = await scene.backtest()
    assert row(done, "real alerts seen") == ["0 of 0"]
