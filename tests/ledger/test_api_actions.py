"""What people do to alerts by the API, as the runbook's curl does it; on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from api_serving import NOON, Api, alert, api, value
from sqlalchemy import text
from standins import until

from exporter.ledger.store import StoreOptions

ID = alert(1)["id"]
ACKNOWLEDGE = f"/api/alerts/acknowledge/{ID}"
NOBODYS = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def served(tmp_path: Path, options: StoreOptions) -> AsyncIterator[Api]:
    async with api(tmp_path, options) as made:
        yield made


# --- what is refused ----------------------------------------------------------------------------


async def test_an_alert_that_is_not_there_is_not_found(served: Api) -> None:
    for path in (
        f"acknowledge/{NOBODYS}",
        f"{NOBODYS}/notes",
        f"{NOBODYS}/resolve",
        f"{NOBODYS}/false-positive",
        "acknowledge/none",
        "none/notes",
    ):
        body = await served.post(f"/api/alerts/{path}", {"notes": "x"}, 404)
        assert (body["code"], body["statusCode"]) == ("NOT_FOUND", 404)


async def test_what_has_ended_is_neither_acknowledged_nor_ended_again(served: Api) -> None:
    await served.add(alert(1, ends_at=NOON + timedelta(hours=1)))
    for path in (ACKNOWLEDGE, f"/api/alerts/{ID}/resolve"):
        body = await served.post(path, {"notes": "too late"}, 400)
        assert body["code"] == "VALIDATION_ERROR"
        assert "has ended at 2026-01-31T13:00:00.000Z" in body["error"]
    found = await served.get(f"/api/alerts/{ID}")
    assert (found["status"], found["notes"]) == ("resolved", [])
    assert [line["action"] for line in found["timeline"]] == ["began", "overdue", "ended"]


@pytest.mark.parametrize("notes", ["", "   ", "\n", None])
async def test_an_empty_note_is_none(served: Api, notes: str | None) -> None:
    await served.add(alert(1))
    body = await served.post(
        f"/api/alerts/{ID}/notes", {} if notes is None else {"notes": notes}, 400
    )
    assert '"notes"' in body["error"]
    # Where it may be left out, it counts as left out.
    assert (await served.post(ACKNOWLEDGE, {"notes": notes}))["first"]
    assert (await served.get(f"/api/alerts/{ID}"))["notes"] == []


# --- acknowledging ------------------------------------------------------------------------------


async def test_acknowledging_is_answered_as_documented_and_listed(served: Api) -> None:
    await served.add(alert(1))
    body = {"acknowledgedBy": "oncall@tickettoken.com", "notes": "Investigating the issue"}
    done = await served.post(ACKNOWLEDGE, body)
    at = done.pop("acknowledgedAt")
    assert done == {
        "success": True,
        "alertId": ID,
        "acknowledgedBy": "me@example.com",
        "first": True,
    }
    (one,) = (await served.get("/api/alerts", status="acknowledged"))["active"]
    assert (one["acknowledged"], one["acknowledgedAt"]) == (True, at)
    assert (one["acknowledgedBy"], one["onBehalfOf"], one["acknowledgedVia"]) == (
        "me@example.com",
        "oncall@tickettoken.com",
        "api",
    )
    assert (await served.get("/api/alerts", status="active"))["active"] == []


async def test_the_second_is_told_who_was_first(served: Api) -> None:
    await served.add(alert(1))
    first = await served.post(ACKNOWLEDGE)
    headers = served.bearer("admin", "you@example.com")
    answer = await served.client.post(ACKNOWLEDGE, json={"notes": "me too"}, headers=headers)
    assert (answer.status, await answer.json()) == (200, first | {"first": False})
    (note,) = (await served.get(f"/api/alerts/{ID}"))["notes"]
    assert (note["author"], note["text"]) == ("you@example.com", "me too")


async def test_of_many_at_once_one_is_first(served: Api) -> None:
    await served.add(alert(1))

    async def acknowledge(number: int) -> dict[str, object]:
        headers = served.bearer("responder", f"person-{number}")
        async with served.client.post(ACKNOWLEDGE, headers=headers) as answer:
            assert answer.status == 200
            found: dict[str, object] = await answer.json()
            return found

    done = await asyncio.gather(*(acknowledge(number) for number in range(20)))
    assert sorted(one["first"] for one in done) == [False] * 19 + [True]  # type: ignore[type-var] # booleans
    assert len({(one["acknowledgedBy"], one["acknowledgedAt"]) for one in done}) == 1


async def test_a_name_that_is_ones_own_is_on_nobodys_behalf(served: Api) -> None:
    await served.add(alert(1))
    await served.post(ACKNOWLEDGE, {"acknowledgedBy": "me@example.com"})
    assert (await served.get(f"/api/alerts/{ID}"))["onBehalfOf"] is None


async def test_what_metrics_say_follows_at_once(served: Api) -> None:
    await served.add(alert(1))
    served.service.ledger.touch()  # type: ignore[union-attr] # there is one
    await until(lambda: value(served.service, "alert_ledger_open_alerts") == 1, 60)
    await served.post(f"/api/alerts/{ID}/resolve")
    found = await served.get(f"/api/alerts/{ID}")
    # A person has ended it; its source still says that it fires.
    assert (found["status"], found["firing"]) == ("resolved", True)


# --- as the runbook does it ---------------------------------------------------------------------

NOTE = b'{"notes": "Resolved by restarting service"}'


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "application/json",
        "application/json; charset=utf-8",
        None,
    ],
)
async def test_curl_d_without_a_content_type_is_read_as_json(served: Api, kind: str | None) -> None:
    await served.add(alert(1, ends_at=NOON + timedelta(hours=1)))
    headers = served.bearer() | ({"Content-Type": kind} if kind else {})
    answer = await served.client.post(
        f"/api/alerts/{ID}/notes",
        data=NOTE,
        headers=headers,
        skip_auto_headers=() if kind else ("Content-Type",),
    )
    assert answer.status == 200, await answer.text()
    assert (await answer.json())["success"] is True
    (note,) = (await served.get(f"/api/alerts/{ID}"))["notes"]
    assert (note["text"], note["author"]) == ("Resolved by restarting service", "me@example.com")


async def test_a_body_may_be_left_out_where_nothing_in_it_is_needed(served: Api) -> None:
    await served.add(alert(1))
    for path in (ACKNOWLEDGE, f"/api/alerts/{ID}/false-positive", f"/api/alerts/{ID}/resolve"):
        answer = await served.client.post(path, headers=served.bearer())
        assert answer.status == 200, await answer.text()


# --- ending, and what was false -----------------------------------------------------------------


async def test_ending_by_hand_ends_it(served: Api) -> None:
    await served.add(alert(1))
    done = await served.post(f"/api/alerts/{ID}/resolve", {"notes": "restarted"})
    assert (done["success"], done["alertId"]) == (True, ID)
    (one,) = (await served.get("/api/alerts"))["recent"]
    assert (one["endsAt"], one["resolution"], one["resolvedBy"]) == (
        done["resolvedAt"],
        "person",
        "me@example.com",
    )


async def test_a_false_positive_is_marked_and_taken_back(served: Api) -> None:
    await served.add(alert(1, ends_at=NOON + timedelta(hours=1)))
    path = f"/api/alerts/{ID}/false-positive"
    assert await served.post(path) == {"success": True, "alertId": ID, "falsePositive": True}
    assert (await served.get(f"/api/alerts/{ID}"))["falsePositive"] is True
    done = await served.post(path, {"falsePositive": False, "notes": "it was real"})
    assert done["falsePositive"] is False
    found = await served.get(f"/api/alerts/{ID}")
    assert (found["falsePositive"], found["notes"][0]["text"]) == (False, "it was real")
    body = await served.post(path, {"falsePositive": "yes"}, 400)
    assert '"falsePositive"' in body["error"]


async def test_what_is_archived_is_noted_and_marked_all_the_same(served: Api) -> None:
    await served.add(alert(1, ends_at=NOON + timedelta(hours=1)))
    async with served.store.begin() as connection:
        await connection.execute(
            text("CREATE TABLE alerts_archive_2026_01 AS SELECT * FROM alerts")
        )
        await connection.execute(text("DELETE FROM alerts"))
    await served.post(f"/api/alerts/{ID}/notes", {"notes": "seen again in the post-mortem"})
    await served.post(f"/api/alerts/{ID}/false-positive")
    found = await served.get(f"/api/alerts/{ID}")
    assert (found["falsePositive"], found["notes"][0]["text"]) == (
        True,
        "seen again in the post-mortem",
    )
    done = [line["action"] for line in found["timeline"] if line["actor"] is not None]
    assert done == ["note", "false_positive"]
