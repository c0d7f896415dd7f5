"""A target in maintenance is probed and shown as ever, and said to be in maintenance."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving import Fleet, Served, config_text, serving
from standins import failure, success

from exporter.maintenance import Calendar, Open
from model.maintenance import Maintenance, WeeklyMaintenance

HOUR = 3600.0


def moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S")


def window(start: float, end: float, *targets: str, reason: str = "move") -> Maintenance:
    return Maintenance(targets=targets, start=moment(start), end=moment(end), reason=reason)


def with_window(start: float, end: float, *targets: str) -> str:
    declared = (
        f"maintenance=(Maintenance(targets={targets!r}, start='{moment(start)}', "
        f"end='{moment(end)}', reason='disk move'),),"
    )
    text = config_text("auth-service", "venue-service", "own-service")
    return text.replace("    severities=", f"    {declared}\n    severities=")


async def said(served: Served) -> dict[str, str]:
    text = await (await served.client.get("/metrics")).text()
    lines = [line for line in text.splitlines() if line.startswith("monitoring_maintenance{")]
    return {line.split('"')[1]: line.rpartition(" ")[2] for line in lines}


async def health(served: Served) -> tuple[int, dict[str, Any]]:
    answer = await served.client.get("/health")
    return answer.status, await answer.json()


# --- the calendar -------------------------------------------------------------------------------


def test_of_two_windows_that_overlap_the_later_end_counts() -> None:
    calendar = Calendar([window(0, 100, "a"), window(50, 200, "a", reason="more")], ["a", "b"])
    assert calendar.open(10) == {"a": Open(100, "move")}
    assert calendar.open(60) == {"a": Open(200, "more")}
    assert calendar.open(150) == {"a": Open(200, "more")}
    assert calendar.open(200) == {}


def test_it_opens_and_closes_to_the_second_in_whatever_order_it_is_asked() -> None:
    calendar = Calendar([window(100, 200, "a")], ["a"])
    for at, is_open in ((99.9, False), (100, True), (199.9, True), (200, False), (150, True)):
        assert bool(calendar.open(at)) == is_open
        assert calendar.text(at).endswith(b"} 1\n" if is_open else b"} 0\n")


def test_a_clock_that_is_set_back_is_believed() -> None:
    calendar = Calendar([window(100, 200, "a")], ["a"])
    assert not calendar.open(300)
    assert calendar.open(150)
    assert not calendar.open(50)


def test_only_targets_that_a_window_names_and_that_are_ours_are_told() -> None:
    calendar = Calendar([window(0, 100, "a", "of-another-shard")], ["a", "b"])
    lines = calendar.text(50).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'monitoring_maintenance{target="a"} 1'
    ]
    assert Calendar([], ["a"]).text(50) == b""


def test_a_weekly_window_is_open_again_the_week_after() -> None:
    weekly = WeeklyMaintenance(
        targets=("a",), weekdays=("thursday",), start="00:00", end="01:00", reason="backup"
    )
    calendar = Calendar([weekly], ["a"])
    week = 7 * 24 * HOUR  # unix time begins on a Thursday
    seen = [bool(calendar.open(at)) for at in (0, HOUR, week - 1, week, week + HOUR)]
    assert seen == [True, False, False, True, False]


# --- the exporter -------------------------------------------------------------------------------


async def test_it_is_probed_on_and_its_result_stays_what_it_is(tmp_path: Path) -> None:
    fleet, now = Fleet(), time.time()
    fleet.answers["auth-service"] = failure
    text = with_window(now - HOUR, now + HOUR, "auth-service")
    async with serving(tmp_path, fleet, text=text) as served:
        await served.results()
        body = (await health(served))[1]
        metrics = await (await served.client.get("/metrics")).text()
    assert 'probe_success{target="auth-service",kind="http"} 0' in metrics.splitlines()
    shown = body["services"][0]
    assert shown["status"] == "unhealthy"
    assert shown["details"]["reason"] == "connect_refused"
    assert shown["maintenance"]["reason"] == "disk move"
    assert shown["maintenance"]["until"].startswith(moment(now + HOUR).replace(" ", "T"))
    assert "maintenance" not in body["services"][1]


async def test_what_is_broken_on_purpose_makes_nobody_ill(tmp_path: Path) -> None:
    fleet, now = Fleet(), time.time()
    fleet.answers["auth-service"] = fleet.answers["postgresql"] = failure
    text = with_window(now - HOUR, now + HOUR, "auth-service", "postgresql")
    async with serving(tmp_path, fleet, text=text) as served:
        await served.results()
        assert await said(served) == {"auth-service": "1", "postgresql": "1"}
        status, body = await health(served)
        assert (status, body["status"]) == (200, "healthy")
        assert body["dependencies"]["postgresql"]["maintenance"]["reason"] == "disk move"


async def test_outside_its_window_it_counts(tmp_path: Path) -> None:
    fleet, now = Fleet(), time.time()
    fleet.answers["auth-service"] = fleet.answers["postgresql"] = failure
    text = with_window(now - HOUR, now - 1, "auth-service", "postgresql")
    async with serving(tmp_path, fleet, text=text) as served:
        await served.results()
        assert await said(served) == {"auth-service": "0", "postgresql": "0"}
        status, body = await health(served)
        assert (status, body["status"]) == (503, "unhealthy")
        assert "maintenance" not in body["dependencies"]["postgresql"]


async def test_another_ones_window_covers_nobody_else(tmp_path: Path) -> None:
    fleet, now = Fleet(), time.time()
    fleet.answers["postgresql"] = failure
    text = with_window(now - HOUR, now + HOUR, "auth-service")
    async with serving(tmp_path, fleet, text=text) as served:
        await served.results()
        assert await said(served) == {"auth-service": "1"}
        assert (await health(served))[0] == 503


async def test_a_reload_is_all_that_a_new_window_takes(tmp_path: Path) -> None:
    fleet, now = Fleet(), time.time()
    fleet.answers["auth-service"] = success
    async with serving(tmp_path, fleet) as served:
        await served.results()
        assert await said(served) == {}
        before = served.service.loaded.sha256
        served.config.write_text(with_window(now - HOUR, now + HOUR, "auth-service"))
        await served.service.reload()
        assert await said(served) == {"auth-service": "1"}
        assert served.service.loaded.sha256 == before
        assert len(served.fleet.made["auth-service"]) == 1
