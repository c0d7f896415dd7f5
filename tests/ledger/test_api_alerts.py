"""Reading alerts by the API: shapes as documented, pages, filters, archives; on both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_serving import NOON, Api, alert, api
from sqlalchemy import insert, text
from yarl import URL

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import alert_audit, alert_notes
from exporter.web.api.alerts import figure
from exporter.web.api.rules import slug
from exporter.web.identity import Role

FACTS = (
    "id",
    "ruleId",
    "ruleName",
    "severity",
    "message",
    "value",
    "threshold",
    "timestamp",
    "channels",
    "acknowledged",
)


@pytest.fixture
async def served(tmp_path: Path, options: StoreOptions) -> AsyncIterator[Api]:
    async with api(tmp_path, options) as made:
        yield made


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in found]


def wanted(*numbers: int) -> list[str]:
    return [alert(number)["id"] for number in numbers]


def ended(number: int, minutes: float = 60, **more: Any) -> dict[str, Any]:
    row = alert(number, **more)
    return alert(number, **more, ends_at=row["starts_at"] + timedelta(minutes=minutes))


# --- what is refused ----------------------------------------------------------------------------


WRONG = (
    ("/api/alerts?limit=0", '"limit"'),
    ("/api/alerts?limit=501", '"limit"'),
    ("/api/alerts?limit=ten", '"limit": write a whole number'),
    ("/api/alerts?limit=1.0", '"limit"'),
    ("/api/alerts?limit=1&limit=2", '"limit": is given twice'),
    ("/api/alerts?status=open", '"open" is none of active, acknowledged, resolved'),
    ("/api/alerts?statsu=active", 'there is none of this name; did you mean "status"?'),
    ("/api/alerts?severity=CRITICAL", '"severity"'),
    ("/api/alerts?service=%00", '"service": leave out the character NUL'),
    ("/api/alerts?q=%00", '"q"'),
    ("/api/alerts?name=" + "x" * 201, '"name": has more than 200 characters'),
    ("/api/alerts?cursor=1", '"cursor"'),
    ("/api/alerts?cursor=1-" + "g" * 32 + "~", '"cursor"'),
    ("/api/alerts/rules?x=1", '"x"'),
    ("/api/alerts/history?from=yesterday", '"from": write a time with its zone'),
    ("/api/alerts/history?from=2026-01-31", '"from"'),
    ("/api/alerts/history?from=2026-01-31T09:00:00", '"from"'),
    ("/api/alerts/history?to=2026-02-30T09:00:00Z", '"to": there is no such time'),
    ("/api/alerts/history?to=1767225600", '"to"'),
    ("/api/alerts/history?falsePositive=1", '"falsePositive": write true or false'),
    ("/api/alerts/history?cursor=~", '"cursor"'),
    ("/api/alerts/statistics?window=1y", '"1y" is none of 24h, 7d, 30d, 90d'),
)


async def test_a_parameter_that_is_wrong_is_told_with_what_to_do(served: Api) -> None:
    for path, told in WRONG:
        answer = await served.client.get(path, headers=served.bearer("viewer"))
        body = await answer.json()
        assert (answer.status, body["code"]) == (400, "VALIDATION_ERROR"), path
        assert told in body["error"]


async def test_all_mistakes_are_told_at_once(served: Api) -> None:
    body = await served.get("/api/alerts", 400, status="open", limit="0", nmae="x")
    for name in ("status", "limit", "nmae"):
        assert f'parameter "{name}"' in body["error"]


NOBODYS = (
    "00000000-0000-0000-0000-000000000000",
    "none",
    "1%27%20OR%201=1--",
    "%00",
    "x" * 3000,
    "%F0%9F%94%A5",
)


async def test_an_id_that_nobody_has_is_not_found(served: Api) -> None:
    await served.add(alert(1))
    for alert_id in NOBODYS:
        answer = await served.client.get(f"/api/alerts/{alert_id}", headers=served.bearer())
        assert (answer.status, (await answer.json())["code"]) == (404, "NOT_FOUND")


HOSTILE = "'; DROP TABLE alerts; -- <script>alert(1)</script> {{ 7*7 }} %_\\ \u202e \u2028 🔥"


async def test_hostile_text_is_data_and_comes_back_as_it_was(served: Api) -> None:
    labels = {"alertname": HOSTILE, HOSTILE: HOSTILE}
    notes = {"summary": HOSTILE, "value": HOSTILE, "threshold": HOSTILE}
    row = alert(1, name=HOSTILE, service=HOSTILE, labels=labels, annotations=notes)
    await served.add(row, alert(2))
    found = await served.get("/api/alerts", service=HOSTILE, name=HOSTILE, q=HOSTILE)
    (one,) = found["active"]
    assert (one["labels"], one["annotations"], one["message"]) == (labels, notes, HOSTILE)
    assert (one["value"], one["threshold"]) == (HOSTILE, HOSTILE)
    assert one["channels"] == ["slack", "email"]
    for injected in ("' OR '1'='1", "%", "_", "\\"):
        for name in ("service", "name"):
            assert (await served.get("/api/alerts", **{name: injected}))["active"] == []
    assert ids((await served.get("/api/alerts", q="%_\\"))["active"]) == [row["id"]]
    assert (await served.get("/api/alerts", q="a%h"))["active"] == []


async def test_bytes_that_are_no_text_find_nothing_and_break_nothing(served: Api) -> None:
    await served.add(alert(1))
    for text_ in ("%ff", "%ed%a0%80", "%c0%80", "%F4%90%80%80", "a%80b"):
        for name in ("q", "service", "name"):
            answer = await served.client.get(
                URL(f"/api/alerts?{name}={text_}", encoded=True), headers=served.bearer()
            )
            assert answer.status in (200, 400), (name, text_)
            if answer.status == 200:
                assert (await answer.json())["active"] == []


async def test_what_is_answered_is_no_page_for_a_browser(served: Api) -> None:
    answer = await served.client.get("/api/alerts", headers=served.bearer())
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


# --- the list -----------------------------------------------------------------------------------


async def test_an_empty_ledger_has_the_documented_shape(served: Api) -> None:
    assert await served.get("/api/alerts") == {
        "active": [],
        "recent": [],
        "summary": {"total": 0, "critical": 0, "error": 0, "warning": 0, "info": 0},
        "next": None,
    }


async def test_an_alert_has_the_documented_shape(served: Api) -> None:
    await served.add(alert(1))
    found = await served.get("/api/alerts", status="active", severity="", limit="")
    (one,) = found["active"]
    assert {name: one[name] for name in FACTS} == {
        "id": alert(1)["id"],
        "ruleId": "service-down",
        "ruleName": "ServiceDown",
        "severity": "critical",
        "message": "auth-service is down",
        "value": 0,
        "threshold": 0.5,
        "timestamp": "2026-01-31T12:01:00.000Z",
        "channels": ["slack", "email"],
        "acknowledged": False,
    }
    assert (one["startsAt"], one["endsAt"]) == ("2026-01-31T12:01:00.000Z", None)
    assert one["responseDueAt"] == "2026-01-31T12:06:00.000Z"
    assert found["summary"]["critical"] == 1


async def test_each_status_lists_its_own(served: Api) -> None:
    await served.add(
        alert(1),
        alert(2, acknowledged_at=NOON + timedelta(hours=1), acknowledged_by="me"),
        ended(3, acknowledged_at=NOON + timedelta(hours=1), severity="warning"),
    )
    expected = {
        "": (wanted(2, 1), wanted(3), (2, 2, 0)),
        "active": (wanted(1), [], (1, 1, 0)),
        "acknowledged": (wanted(2), [], (1, 1, 0)),
        "resolved": ([], wanted(3), (1, 0, 1)),
    }
    for status, (active, recent, counts) in expected.items():
        found = await served.get("/api/alerts", status=status)
        assert (ids(found["active"]), ids(found["recent"])) == (active, recent)
        summary = found["summary"]
        assert (summary["total"], summary["critical"], summary["warning"]) == counts


async def test_filters_narrow_both_lists_and_the_summary(served: Api) -> None:
    await served.add(
        alert(1),
        ended(2),
        alert(3, severity="warning"),
        alert(4, service="venue-service"),
        alert(5, name="TooSlow"),
        alert(6, annotations={"summary": "Payments FAIL"}),
    )
    cases: tuple[tuple[dict[str, str], list[str] | None, list[str]], ...] = (
        ({"severity": "warning"}, wanted(3), []),
        ({"service": "venue-service"}, wanted(4), []),
        ({"name": "TooSlow"}, wanted(5), []),
        ({"q": "payments fail"}, wanted(6), []),
        ({"q": "VENUE"}, wanted(4), []),
        ({"q": "down", "service": "auth-service", "name": "ServiceDown"}, None, wanted(2)),
    )
    for query, active, recent in cases:
        found = await served.get("/api/alerts", **query)
        assert ids(found["recent"]) == recent
        if active is not None:
            assert ids(found["active"]) == active
        assert found["summary"]["total"] == len(found["active"])


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
async def test_pages_hold_each_alert_once_whatever_is_added_meanwhile(
    served: Api, limit: int
) -> None:
    # Several that began at the same moment, so that the time alone is no place.
    same = NOON + timedelta(hours=5)
    await served.add(*(alert(number, started=same) for number in range(4)))
    await served.add(*(alert(number) for number in range(10, 13)))
    await served.add(*(ended(number) for number in range(20, 27)))
    active: list[str] = []
    recent: list[str] = []
    query = {"limit": str(limit)}
    for page in range(20):
        found = await served.get("/api/alerts", **query)
        assert max(len(found["active"]), len(found["recent"])) <= limit
        active += ids(found["active"])
        recent += ids(found["recent"])
        await served.add(alert(1000 + page), ended(2000 + page))
        if found["next"] is None:
            break
        query["cursor"] = found["next"]
    assert sorted(active) == sorted(wanted(0, 1, 2, 3, 10, 11, 12))
    assert recent == wanted(*range(26, 19, -1))


async def test_any_place_that_is_well_formed_is_a_place(served: Api) -> None:
    await served.add(alert(1), alert(2, started=datetime(1, 1, 1, 5, tzinfo=UTC)))
    last, first = f"{'9' * 18}-{'f' * 32}", f"0-{'0' * 32}"
    assert len((await served.get("/api/alerts", cursor=f"{last}~{last}"))["active"]) == 2
    assert (await served.get("/api/alerts", cursor=f"{first}~{first}"))["active"] == []
    assert (await served.get("/api/alerts", cursor="~"))["active"] == []
    assert (await served.get("/api/alerts", limit="1"))["next"] is not None


# --- one alert ----------------------------------------------------------------------------------


async def test_one_alert_tells_its_story_in_order(served: Api) -> None:
    row = alert(1)
    await served.add(row, alert(2))
    path = f"/api/alerts/{row['id']}"
    await served.post(f"{path}/notes", {"notes": HOSTILE})
    await served.post(f"/api/alerts/acknowledge/{row['id']}", {"acknowledgedBy": "boss"})
    await served.post(f"{path}/resolve", {"notes": "restarted"})
    found = await served.get(path)
    assert [note["text"] for note in found["notes"]] == [HOSTILE, "restarted"]
    assert {note["author"] for note in found["notes"]} == {"me@example.com"}
    lines = found["timeline"]
    # It was answered months late, and ended by hand.
    happened = ["began", "overdue"]
    assert [line["action"] for line in lines[:2]] == happened
    assert [line["actor"] for line in lines[:2]] == [None, None]
    lines = lines[2:]
    assert [line["action"] for line in lines] == ["note", "acknowledge", "resolve", "note"]
    assert lines[1]["onBehalfOf"] == "boss"
    assert (lines[2]["before"]["status"], lines[2]["after"]["status"]) == (
        "acknowledged",
        "resolved",
    )
    assert {line["via"] for line in lines} == {"api"}
    assert all(line["requestId"] for line in lines)
    assert found["status"] == "resolved"
    assert (await served.get(path.upper().replace("/API/ALERTS", "/api/alerts")))["id"] == row["id"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, ["began", "overdue"]),
        ({"response_due_at": None}, ["began"]),
        ({"created_at": NOON + timedelta(seconds=60)}, ["began", "overdue"]),
        ({"created_at": NOON + timedelta(seconds=61)}, ["began", "came", "overdue"]),
        ({"ends_at": NOON + timedelta(minutes=5)}, ["began", "ended"]),
        ({"ends_at": NOON + timedelta(minutes=6)}, ["began", "overdue", "ended"]),
        ({"ends_at": NOON + timedelta(minutes=1), "resolution": "person"}, ["began"]),
        ({"acknowledged_at": NOON + timedelta(minutes=5)}, ["began"]),
        ({"acknowledged_at": NOON + timedelta(minutes=6)}, ["began", "overdue"]),
    ],
)
async def test_a_timeline_tells_what_nobody_has_done_as_the_console_does(
    served: Api, row: dict[str, Any], expected: list[str]
) -> None:
    await served.add(alert(**row))
    found = await served.get(f"/api/alerts/{alert()['id']}")
    assert [line["action"] for line in found["timeline"]] == expected
    times = [line["at"] for line in found["timeline"]]
    assert times == sorted(times)
    assert times[0] == found["startsAt"]


async def test_addresses_of_people_are_told_to_admins_alone(served: Api) -> None:
    row = alert(1)
    await served.add(row)
    await served.post(f"/api/alerts/{row['id']}/notes", {"notes": "x"})
    told: dict[Role, str | None] = {"viewer": None, "responder": None, "admin": "127.0.0.1"}
    for role, address in told.items():
        found = await served.get(f"/api/alerts/{row['id']}", 200, role)
        assert found["timeline"][-1]["address"] == address


async def test_of_very_many_notes_and_lines_the_latest_are_told(served: Api) -> None:
    row = alert(1)
    await served.add(row)
    note = {"alert_id": row["id"], "author": "me", "channel": "api"}
    line = {"alert_id": row["id"], "action": "note", "actor": "me", "channel": "api"}
    times = [NOON + timedelta(seconds=number) for number in range(600)]
    async with served.store.begin(deadline=60) as connection:
        await connection.execute(
            insert(alert_notes),
            [note | {"created_at": at, "text": str(n)} for n, at in enumerate(times)],
        )
        await connection.execute(insert(alert_audit), [line | {"at": at} for at in times])
    found = await served.get(f"/api/alerts/{row['id']}")
    assert [note["text"] for note in found["notes"]] == [str(n) for n in range(100, 600)]
    assert len(found["timeline"]) == 500


# --- history and statistics ---------------------------------------------------------------------


async def archived(served: Api, *rows: dict[str, Any]) -> None:
    """Alerts that the runbook's SQL has moved away."""
    await served.add(*rows)
    async with served.store.begin() as connection:
        await connection.execute(
            text("CREATE TABLE alerts_archive_2026_01 AS SELECT * FROM alerts")
        )
        await connection.execute(text("DELETE FROM alerts"))


async def test_history_reads_archives_page_by_page(served: Api) -> None:
    await archived(served, *(ended(number) for number in range(5)))
    await served.add(alert(5), ended(6))
    found: list[str] = []
    query = {"limit": "2"}
    while True:
        page = await served.get("/api/alerts/history", **query)
        found += ids(page["alerts"])
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == wanted(6, 5, 4, 3, 2, 1, 0)
    assert (await served.get("/api/alerts"))["recent"][0]["id"] == wanted(6)[0]


async def test_an_archived_alert_is_found_by_its_id_with_its_notes(served: Api) -> None:
    row = ended(1, labels={"alertname": "ServiceDown", "a": "ü"})
    await archived(served, row)
    async with served.store.begin() as connection:
        await connection.execute(
            insert(alert_notes).values(
                alert_id=row["id"], created_at=NOON, author="me", channel="api", text="kept"
            )
        )
    found = await served.get(f"/api/alerts/{row['id']}")
    assert (found["status"], found["notes"][0]["text"]) == ("resolved", "kept")
    assert (found["labels"], found["falsePositive"]) == (row["labels"], False)


async def test_history_is_narrowed_by_time_and_by_what_people_said(served: Api) -> None:
    await served.add(alert(1), ended(2, false_positive=True), ended(3), alert(60))
    cases: tuple[tuple[dict[str, str], list[str] | None], ...] = (
        ({"from": "2026-01-31T12:02:00Z"}, wanted(60, 3, 2)),
        ({"to": "2026-01-31T12:02:00Z"}, wanted(1)),
        ({"from": "2026-01-31T13:02:00+01:00", "to": "2026-01-31T12:03:00.000001Z"}, wanted(3, 2)),
        ({"falsePositive": "true"}, wanted(2)),
        ({"falsePositive": "false", "status": "resolved"}, wanted(3)),
        ({"status": "active"}, wanted(60, 1)),
        ({"name": "Other"}, []),
        ({"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-14:00"}, None),
    )
    for query, expected in cases:
        page = await served.get("/api/alerts/history", **query)
        assert ids(page["alerts"]) == (wanted(60, 3, 2, 1) if expected is None else expected)


async def test_statistics_count_what_was_responded_to_in_time(served: Api) -> None:
    now = datetime.now(UTC)

    def began(number: int, minutes_ago: float, **more: Any) -> dict[str, Any]:
        return alert(number, started=now - timedelta(minutes=minutes_ago), **more)

    def after(row: dict[str, Any], minutes: float) -> datetime:
        began_at: datetime = row["starts_at"]
        return began_at + timedelta(minutes=minutes)

    in_time = began(1, 100)
    in_time |= {"acknowledged_at": after(in_time, 4), "status": "acknowledged"}
    late = began(2, 100)
    late |= {"acknowledged_at": after(late, 6), "status": "acknowledged"}
    never = began(3, 100)
    ended_in_time = began(4, 100, ends_at=now - timedelta(minutes=96), false_positive=True)
    ended_late = began(5, 100, ends_at=now - timedelta(minutes=90))
    not_due_yet = began(6, 1)
    no_deadline = began(7, 100, name="Info", response_due_at=None)
    too_long_ago = began(8, 60 * 24 + 1)
    await served.add(
        in_time, late, never, ended_in_time, ended_late, not_due_yet, no_deadline, too_long_ago
    )
    found = await served.get("/api/alerts/statistics", window="24h")
    assert [one["name"] for one in found["alerts"]] == ["ServiceDown", "Info"]
    down, info = found["alerts"]
    assert (down["count"], down["acknowledged"], down["resolved"]) == (6, 2, 2)
    assert down["mttaSeconds"] == pytest.approx(300, abs=0.01)
    assert down["mttrSeconds"] == pytest.approx((240 + 600) / 2, abs=0.01)
    assert (down["falsePositives"], down["falsePositiveShare"]) == (1, pytest.approx(1 / 6, 0.01))
    # Late, never, and ended without anybody after it was due.
    assert (down["breaches"], down["acknowledgedInTimeShare"]) == (3, 0.25)
    assert (info["breaches"], info["acknowledgedInTimeShare"], info["mttaSeconds"]) == (
        0,
        None,
        None,
    )
    assert (found["total"]["count"], found["total"]["breaches"]) == (7, 3)
    assert (await served.get("/api/alerts/statistics", window="7d"))["total"]["count"] == 8


async def test_statistics_read_archives(served: Api) -> None:
    now = datetime.now(UTC)
    await archived(
        served, alert(1, started=now - timedelta(days=40), ends_at=now - timedelta(days=39))
    )
    await served.add(alert(2, started=now - timedelta(days=1)))
    for window, count in (("30d", 1), ("90d", 2)):
        found = await served.get("/api/alerts/statistics", window=window)
        assert found["total"]["count"] == count


# --- rules --------------------------------------------------------------------------------------


async def test_rules_are_those_of_the_config(served: Api) -> None:
    rules = (await served.get("/api/alerts/rules"))["rules"]
    assert [rule["id"] for rule in rules] == ["service-down", "too-slow-network"]
    assert rules[0] == {
        "id": "service-down",
        "name": "ServiceDown",
        "description": "It does not answer.",
        "condition": "avg by (target, kind) (probe_success) < 0.5",
        "threshold": 0.5,
        "severity": "critical",
        "enabled": True,
        "channels": ["slack", "email"],
        "cooldown": 4 * 3600 * 1000,
    }
    assert (rules[1]["channels"], rules[1]["cooldown"]) == (["email"], 30 * 60 * 1000)


async def test_an_alert_names_its_rule_and_the_rules_channels(served: Api) -> None:
    slow: dict[str, Any] = {"name": "TooSlow", "severity": "warning"}
    await served.add(
        alert(1, **slow, labels={"alertname": "TooSlow", "cause": "network"}),
        alert(2, **slow, labels={"alertname": "TooSlow", "cause": "another"}),
        alert(3, name="NotOfTheConfig", severity="warning"),
        alert(4, name="<b>", severity="nobody knows"),
    )
    found = (await served.get("/api/alerts"))["active"][::-1]
    assert [(one["ruleId"], one["channels"]) for one in found] == [
        ("too-slow-network", ["email"]),
        ("too-slow", ["slack"]),
        ("not-of-the-config", ["slack"]),
        ("b", []),
    ]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("HighRefundRate", "high-refund-rate"),
        ("APIErrorRateHigh", "api-error-rate-high"),
        ("Http2Slow", "http2-slow"),
        ("../../etc", "etc"),
        ("", "-"),
        ("x" * 5000, "x" * 100),
    ],
)
def test_an_id_is_made_of_a_name(name: str, made: str) -> None:
    assert slug(name) == made


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (None, None),
        ("12.5", 12.5),
        ("> 1000", 1000),
        ("<= -0.5", -0.5),
        ("1e3", 1000),
        ("12%", "12%"),
        ("> 1.2k", "> 1.2k"),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("١٢", "١٢"),
        ("1_000", "1_000"),
        ("", ""),
    ],
)
def test_a_figure_is_a_number_where_it_is_one(annotation: str | None, shown: object) -> None:
    assert figure(annotation) == shown
