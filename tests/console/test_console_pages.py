"""What each page of the console shows, with a ledger, without one, and with one that is silent."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_serving import NOON, alert
from console_serving import PART, Console, console, text_of
from serving import Fleet
from sqlalchemy import insert, text
from standins import failure
from stores import sqlite

from exporter.contacts import is_business
from exporter.ledger import incidents
from exporter.ledger.actor import Actor
from exporter.ledger.incidents import Kind
from exporter.ledger.lists import Group
from exporter.ledger.store import StoreOptions
from exporter.ledger.strips import SLOTS, Run, Strip, Strips, Went
from exporter.ledger.tables import metrics
from exporter.probers.result import Health, ProbeResult
from exporter.web.console.alert_page import scale_of
from exporter.web.console.board import OpenAlerts, verdict
from exporter.web.console.page import PATIENCE
from exporter.web.console.words import clock, lasting, milliseconds, number_in, share
from model.people import BusinessHours

PATHS = ("/", "/alerts", f"/alerts/{alert()['id']}", "/history", "/on-call", "/workers")


@pytest.fixture
async def served(tmp_path: Path, options: StoreOptions) -> AsyncIterator[Console]:
    fleet = Fleet()
    fleet.answers["payment-service"] = failure
    async with console(tmp_path, options, fleet=fleet) as made:
        await made.log_in()
        yield made


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


# --- all pages ----------------------------------------------------------------------------------


async def test_no_page_lets_anything_in_from_elsewhere(tmp_path: Path) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served:
        await served.add(alert())
        login = await served.client.get("/login")
        await served.log_in()
        answers = [login, *[await served.client.get(path) for path in (*PATHS, "/alerts/x")]]
        for answer in answers:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            page = await answer.text()
            assert " style=" not in page
            assert " onclick=" not in page
            assert "http-equiv" not in page


async def test_style_script_and_icon_are_served_and_nothing_else_is(tmp_path: Path) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served:
        for name, kind in (("console.css", "text/css"), ("console.js", "text/javascript")):
            answer = await served.client.get(f"/static/{name}")
            assert answer.content_type == kind
            assert "immutable" in answer.headers["Cache-Control"]
        for name in ("nothing.js", "..%2Fassets.py", "%2e%2e/assets.py", "assets.py"):
            assert (await served.client.get(f"/static/{name}")).status == 404


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/?page=0", '"page"'),
        ("/?state=ill", '"ill" is none of'),
        ("/?x=1", "there is none of this name"),
        ("/?q=%00", "NUL"),
        ("/alerts?severity=CRITICAL", '"severity"'),
        ("/alerts?who=me", '"who"'),
        ("/history?from=yesterday", "write a day, such as 2026-01-31"),
        ("/history?to=2026-02-30", "write a day"),
        ("/history?after=x", '"after"'),
        (f"/alerts/{alert()['id']}?before=x", '"before"'),
    ],
)
async def test_what_cannot_be_read_of_an_address_is_told(
    tmp_path: Path, path: str, why: str
) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served:
        await served.log_in()
        assert why in (await served.page(path, 400)).replace("&#34;", '"')


# --- now ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "waiting", "told"),
    [
        (0, 0, "no open alerts"),
        (1, 1, "1 open alert, which nobody has"),
        (2, 2, "2 open alerts, which nobody has"),
        (2, 1, "2 open alerts, 1 that nobody has"),
        (2, 0, "2 open alerts, somebody has each"),
    ],
)
def test_the_first_line_says_whether_somebody_takes_care(
    count: int, waiting: int, told: str
) -> None:
    open_ = OpenAlerts(groups=[Group("ServiceDown", "critical", count, waiting, NOON)])
    assert verdict([], open_).text == f"Everything works: 0 up; {told}"


async def test_an_exporter_that_is_cut_off_says_that_it_does_not_know(tmp_path: Path) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served:
        await served.log_in()
        assert "cut off" not in await served.page()
        served.service.connectivity.isolated_since = ago(minutes=2).timestamp()
        said = (await served.page()).partition("This exporter is cut off from the network</b>")[2]
        assert re.match(r" since <time [^>]+>(\d+ \w+ )?\d\d:\d\d", said)
        assert "may well be up" in said


async def test_what_is_broken_comes_first_with_since_when_and_who_has_it(served: Console) -> None:
    first = alert(1, ago(minutes=9), service="payment-service")
    taken: dict[str, Any] = {
        "acknowledged_at": ago(minutes=1),
        "acknowledged_by": "joe",
        "severity": "warning",
    }
    await served.add(first, alert(2, ago(minutes=20), **taken))
    page = await served.page()
    verdict, broken, alerts, watched = (
        page.index(part)
        for part in (
            "1 down; 2 open alerts, 1 that nobody has",
            'id="broken-payment-service"',
            f'id="alert-{first["id"]}"',
            'id="target-payment-service"',
        )
    )
    assert verdict < broken < alerts < watched
    assert "nobody has it" in page[broken:alerts]
    assert "connect refused" in page[broken:alerts]
    assert "since <time" in page[broken:alerts]
    assert "4 min late" in page[alerts:watched]
    # What nobody has comes before what somebody has, however old that is.
    assert page.index("nobody has it", alerts) < page.index("<b>joe</b> has it", alerts)


async def test_a_part_of_the_page_is_all_that_a_refresh_asks_for(served: Console) -> None:
    part = await served.page("/", headers=PART)
    assert part.lstrip().startswith('<div id="part-now" data-part data-title="1 down')
    assert "<html" not in part


async def test_whatever_is_watched_can_be_searched(served: Console) -> None:
    assert 'id="target-auth-service"' not in await served.page("/?q=PAYMENT")
    assert 'id="target-payment-service"' in await served.page("/?q=PAYMENT")
    assert 'id="target-payment-service"' in await served.page("/?q=refused")
    up = await served.page("/?state=up")
    assert 'id="target-auth-service"' in up
    assert 'id="target-payment-service"' not in up
    assert "Nothing is found" in await served.page("/?q=none-such")


async def test_degraded_and_maintenance_are_said_in_words(tmp_path: Path) -> None:
    fleet = Fleet()
    fleet.answers["auth-service"] = lambda: ProbeResult(
        Health.DEGRADED, 0.25, time.time(), None, "its cache is cold"
    )
    fleet.answers["payment-service"] = failure
    # A window that is open for as long as the test runs.
    start, end = ago(hours=1), ago(hours=-1)
    window = (
        f'maintenance=(Maintenance(targets=("payment-service",), reason="new disk", '
        f'start="{start:%Y-%m-%d %H:%M}", end="{end:%Y-%m-%d %H:%M}"),),'
    )
    config = text_of("auth-service", "payment-service")
    config = config.replace("    alerts=(", f"    {window}\n    alerts=(")
    async with console(tmp_path, sqlite(tmp_path), config, fleet) as served:
        await served.log_in()
        page = await served.page()
    assert "1 degraded; no open alerts" in page
    assert "its cache is cold" in page
    assert "new disk, until" in page
    assert 'id="broken-auth-service"' in page
    assert 'id="broken-payment-service"' not in page


async def test_without_a_ledger_what_is_watched_is_shown_and_that_there_is_none(
    tmp_path: Path,
) -> None:
    config = text_of("auth-service", ledger=False)
    async with console(tmp_path, sqlite(tmp_path), config) as served:
        await served.log_in()
        page = await served.page()
        assert "keeps no ledger of alerts" in page
        assert 'id="target-auth-service"' in page
        assert "Team lead" in await served.page("/on-call")
        assert "keeps no ledger" in await served.page("/workers")
        for path in ("/alerts", "/history", PATHS[2]):
            assert "keeps no ledger" in await served.page(path, 503)


async def test_with_a_silent_ledger_services_are_shown_soon_and_alerts_say_so(
    served: Console,
) -> None:
    await served.add(alert())
    running = served.store
    await running.close()
    started = time.monotonic()
    page = await served.page()
    assert time.monotonic() - started < 20
    assert "The ledger does not answer" in page
    assert 'id="target-auth-service"' in page
    assert 'id="broken-payment-service"' in page
    assert "no alert about it yet" not in page
    assert "Team lead" in await served.page("/on-call")
    for path in ("/alerts", "/history", "/workers", PATHS[2]):
        assert "The ledger does not answer" in await served.page(path, 503)
    answer = await served.send(f"{PATHS[2]}/acknowledge", headers=PART)
    assert answer.status == 503
    assert "nothing was done" in (await answer.json())["message"]


async def test_a_store_that_hangs_holds_up_no_page(tmp_path: Path) -> None:
    async with console(tmp_path, sqlite(tmp_path), patience=PATIENCE) as served:
        await served.log_in()
        async with asyncio.timeout(60):
            held = [served.store.read() for _ in range(10)]
            for one in held:  # all connections of the pool
                await one.__aenter__()
            page = await served.page()
            assert "has not answered in" in page
            assert 'id="target-auth-service"' in page
            for one in held:
                await one.__aexit__(None, None, None)
        await asyncio.sleep(0.1)


# --- a day --------------------------------------------------------------------------------------


def counted(target: str, at: datetime, probes: int, successes: int, **more: Any) -> dict[str, Any]:
    row = {"replica": "a", "kind": "http", "seconds": 300, "degraded": 0, "duration_sum": 0.0}
    given = {"timestamp": at, "target": target, "probes": probes, "successes": successes}
    return {**row, **given, "buckets": {}, **more}


async def test_a_day_is_told_in_half_hours_of_all_replicas(served: Console) -> None:
    now = datetime(2026, 1, 31, 12, 10, tzinfo=UTC)
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    rows = [
        counted("a", at - timedelta(days=1), 10, 0),  # before the strip begins
        counted("a", at - timedelta(hours=23, minutes=30), 10, 10),
        counted("a", at - timedelta(hours=1), 10, 10),
        counted("a", at - timedelta(hours=1), 10, 9, replica="b"),
        counted("a", at - timedelta(minutes=30), 10, 4),
        counted("a", at - timedelta(minutes=1), 10, 4),
        counted("a", at, 10, 10, degraded=3),
        counted("b", at, 10, 10),
    ]
    async with served.store.begin() as connection:
        await connection.execute(insert(metrics), rows)
    found = await Strips(served.store).of(["a", "b", "c"], now)
    assert found["a"] == Strip(
        at - timedelta(hours=23, minutes=30),
        (
            Run(0, 1, Went.UP),
            Run(1, 44, Went.UNKNOWN),
            Run(45, 1, Went.PARTLY),
            Run(46, 1, Went.DOWN),
            Run(47, 1, Went.DEGRADED),
        ),
        47 / 60,
    )
    assert found["b"].runs == (Run(0, SLOTS - 1, Went.UNKNOWN), Run(SLOTS - 1, 1, Went.UP))
    assert found["c"].availability is None


async def test_the_page_shows_the_day_of_each_and_says_it_in_words(served: Console) -> None:
    async with served.store.begin() as connection:
        rows = [counted("auth-service", ago(hours=2), 100, 10)]
        await connection.execute(insert(metrics), rows)
    page = await served.page("/?q=auth")
    assert 'aria-label="probes failed between' in page
    assert "10.0 %" in page
    assert "nothing on record" in await served.page("/?q=payment")


# --- alerts -------------------------------------------------------------------------------------


async def test_open_alerts_are_filtered_by_what_they_are_and_who_has_them(served: Console) -> None:
    taken: dict[str, Any] = {"acknowledged_at": NOON, "acknowledged_by": "joe"}
    await served.add(
        alert(1),
        alert(2, name="TooSlow", severity="warning", service="venue-service", **taken),
        alert(3, ends_at=NOON + timedelta(hours=2)),
    )
    for query, expected in (
        ("", 2),
        ("?name=TooSlow", 1),
        ("?severity=critical", 1),
        ("?service=venue-service", 1),
        ("?who=nobody", 1),
        ("?who=somebody", 1),
        ("?q=IS DOWN", 2),
        ("?q=%25", 0),
    ):
        assert (await served.page(f"/alerts{query}")).count('<li id="alert-') == expected, query


async def test_one_alert_shows_its_figures_its_story_and_its_runbook(served: Console) -> None:
    row = alert(1, ago(minutes=9), acknowledged_at=ago(minutes=1), acknowledged_by="joe")
    await served.add(row)
    await served.send(f"/alerts/{row['id']}/notes", {"note": "seen"})
    page = await served.page(f"/alerts/{row['id']}")
    assert "<b>0</b> <span" in page
    assert "answered 3 min late" in page or "answered 2 min late" in page
    assert "nobody had responded in time" in page
    assert "<blockquote>seen</blockquote>" in page
    assert "systemctl restart it" in page
    assert 'href="/runbooks/' not in page or "Runbook" in page
    assert await served.page(f"/alerts/{row['id']}", headers=PART) != page


async def test_what_happened_stands_before_the_runbook_and_labels_after_it(served: Console) -> None:
    await served.add(alert(1, ago(minutes=9)))
    page = await served.page(f"/alerts/{alert(1)['id']}")
    assert page.index("began to fire") < page.index("systemctl restart it") < page.index("Labels")


async def test_an_address_in_an_annotation_is_a_link_if_it_leads_to_a_page(
    served: Console,
) -> None:
    texts = {"dashboard_url": "https://grafana/d/x?a=1&b=2", "other": "javascript:alert(1)"}
    await served.add(alert(1, annotations=texts))
    page = await served.page(f"/alerts/{alert(1)['id']}")
    assert '<a href="https://grafana/d/x?a=1&amp;b=2" rel="noreferrer">' in page
    assert "<dd>javascript:alert(1)</dd>" in page


async def test_a_long_story_is_told_page_by_page(tmp_path: Path) -> None:
    async with console(tmp_path, sqlite(tmp_path)) as served:
        await served.add(alert())
        await served.log_in()
        for number in range(55):
            await served.send(f"/alerts/{alert()['id']}/notes", {"note": f"note {number}."})
        page = await served.page(PATHS[2])
        assert "note 54." in page
        assert "note 4." not in page
        earlier = page.partition('href="?before=')[2].partition("#")[0]
        before = await served.page(f"{PATHS[2]}?before={earlier}")
        assert "note 4." in before
        assert "began to fire" in before
        assert "note 54." not in before


async def test_history_goes_back_page_by_page_and_into_the_archives(served: Console) -> None:
    rows = [alert(number, ends_at=NOON + timedelta(hours=9)) for number in range(60)]
    await served.add(*rows)
    async with served.store.begin() as connection:
        await connection.execute(
            text("CREATE TABLE alerts_archive_2026_01 AS SELECT * FROM alerts")
        )
        await connection.execute(text("DELETE FROM alerts"))
    first = await served.page("/history")
    assert first.count("<tr role") - 1 == 50
    older = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = await served.page(older)
    assert second.count("<tr role") - 1 == 10
    assert rows[0]["id"] in second
    assert "by itself" in second
    assert "Its expression" in await served.page(f"/alerts/{rows[0]['id']}")


async def test_history_is_filtered_by_days_both_included(served: Console) -> None:
    day = timedelta(days=1)
    await served.add(alert(1, NOON), alert(2, NOON + day), alert(3, NOON + 2 * day))
    page = await served.page("/history?from=2026-01-31&to=2026-02-01")
    assert page.count("<tr role") - 1 == 2
    assert "No alert is found" in await served.page("/history?false=yes")
    assert (await served.page("/history?to=9999-12-31")).count("<tr role") - 1 == 3


# --- on call and workers ------------------------------------------------------------------------


async def test_on_call_tells_whom_to_reach_who_is_next_and_what_to_hand_over(
    served: Console,
) -> None:
    await served.add(alert(1))
    page = await served.page("/on-call")
    for told in ("Team lead", "+1-555-0002", "Emergencies (P0)", "Nobody has it after 5 min"):
        assert told in page
    assert re.search(r"(in business|after) hours, now,</span> <b>(Team lead|Backup)</b>", page)
    assert page.count("hours, now,") == 1
    for step in ("Test VPN access", "Review escalation contacts", "Brief the next person"):
        assert step in page
    assert f'href="/alerts/{alert(1)["id"]}"' in page
    assert "Incidents" not in page


async def test_on_call_hands_over_open_incidents_and_overdue_post_mortems(
    served: Console,
) -> None:
    await served.add(alert(1))
    me, now = Actor("me", "command"), datetime.now(UTC)
    await opened_incident(served, now - timedelta(hours=49))
    page = await served.page("/on-call")
    assert re.search("1 \\(P0\\): .*ServiceDown.*<b>open</b> since .*<b>overdue</b> since", page)
    await incidents.close_incident(served.store, 1, me, now, "a", "b")
    await opened_incident(served, now)
    page = await served.page("/on-call")
    assert re.search("1 \\(P0\\): .*: closed; post-mortem <b>overdue</b> since", page)
    assert re.search("2 \\(P0\\): .*<b>open</b> since .*; post-mortem due ", page)
    await incidents.post_mortem_written(served.store, 1, me, now, "https://wiki.example.com/1")
    assert "overdue" not in await served.page("/on-call")


async def opened_incident(served: Console, at: datetime) -> None:
    me, about = Actor("me", "command"), alert(1)["id"]
    await incidents.open_incident(served.store, about, Kind.SERVICE_DOWN, "P0", me, at)


async def test_the_story_of_an_alert_tells_of_its_incident(served: Console) -> None:
    await served.add(alert(1))
    await opened_incident(served, datetime.now(UTC))
    assert "<b>me</b> opened an incident" in await served.page(f"/alerts/{alert(1)['id']}")


@pytest.mark.parametrize(
    ("moment", "at_work"),
    [
        ("2026-01-30T08:59:59+01:00", False),
        ("2026-01-30T09:00:00+01:00", True),
        ("2026-01-30T17:59:59+01:00", True),
        ("2026-01-30T18:00:00+01:00", False),
        ("2026-01-31T12:00:00+01:00", False),  # a Saturday
    ],
)
def test_business_hours_are_local(moment: str, at_work: bool) -> None:
    hours = BusinessHours(time_zone="Europe/Berlin")
    assert is_business(hours, datetime.fromisoformat(moment)) == at_work


async def test_workers_are_told_with_their_next_run(served: Console) -> None:
    page = await served.page("/workers")
    assert "metric-aggregation" in page
    assert "every 5 min" in page
    assert "cleanup" in page


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (3720, "1 h 2 min"),
        (86400 * 3 + 3600, "3 d 1 h"),
    ],
)
def test_how_long_is_said_in_two_units(seconds: float, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


def test_times_figures_and_shares_read_well() -> None:
    assert clock(NOON, NOON + timedelta(hours=1)) == "12:00:00"
    assert clock(NOON, NOON + timedelta(days=1)) == "31 Jan 12:00"
    assert clock(NOON, NOON + timedelta(days=400)) == "2026-01-31 12:00"
    assert [milliseconds(one) for one in (0.0004, 0.012, 1.25)] == ["0.4 ms", "12 ms", "1.2 s"]
    assert [share(one) for one in (1, 0.99999, 0.5)] == ["100 %", "99.99 %", "50.0 %"]


@pytest.mark.parametrize(
    ("figure", "number"),
    [
        ("> 12.5%", (12.5, "%")),
        ("1.5k", (1500.0, "")),
        ("< 2Mi", (2 * 1024.0**2, "")),
        ("-3", (-3.0, "")),
        ("3m 20s", None),
        ("NaN", None),
        ("", None),
        ("9" * 400, None),
    ],
)
def test_figures_are_compared_where_they_are_some(
    figure: str, number: tuple[float, str] | None
) -> None:
    assert number_in(figure) == number


def test_value_and_threshold_stand_on_one_scale_where_they_have_one_unit() -> None:
    scale = scale_of("12.5%", "> 10%")
    assert scale is not None
    assert (round(scale.value), round(scale.threshold)) == (90, 72)
    assert scale_of("12.5%", "> 10") is None
    assert scale_of("0", "> 0") is None
    assert scale_of("", "") is None
