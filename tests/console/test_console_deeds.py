"""What people do on the console: only by our own forms, by role, and in the API's audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from api_serving import NOON, alert
from console_serving import HERE, PART, Console, console
from episodes import episode, noted, trail
from stores import sqlite

from exporter.ledger.store import StoreOptions

DEEDS = ("acknowledge", "notes", "resolve", "false-positive")
ONE = alert()["id"]


@pytest.fixture
async def served(tmp_path: Path, options: StoreOptions) -> AsyncIterator[Console]:
    async with console(tmp_path, options) as made:
        await made.add(alert())
        yield made


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path, sqlite(tmp_path)) as made:
        await made.add(alert())
        yield made


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("given", [None, "", "x" * 64, "é", "another session's"])
async def test_a_form_that_is_not_of_the_session_does_nothing(
    small: Console, deed: str, given: str | None
) -> None:
    await small.log_in(sub="other@example.com")
    if given == "another session's":
        given = await small.csrf()
    await small.log_in()
    fields = {"note": "x"} if given is None else {"note": "x", "csrf": given}
    answer = await small.client.post(f"/alerts/{ONE}/{deed}", data=fields, headers=HERE)
    assert answer.status == 403
    assert "not of your session" in await answer.text()
    assert await trail(small.store) == []


@pytest.mark.parametrize("deed", DEEDS)
async def test_another_sites_form_does_nothing_whatever_it_holds(small: Console, deed: str) -> None:
    await small.log_in()
    fields = {"note": "x", "csrf": await small.csrf()}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = await small.client.post(f"/alerts/{ONE}/{deed}", data=fields, headers=headers)
        assert answer.status == 403
    assert await trail(small.store) == []


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_viewer_sees_no_button_and_can_do_nothing(small: Console, deed: str) -> None:
    await small.log_in("viewer")
    for path in ("/", "/alerts", f"/alerts/{ONE}"):
        assert f"/{deed}" not in await small.page(path)
    answer = await small.send(f"/alerts/{ONE}/{deed}", {"note": "x"})
    assert answer.status == 403
    assert "responder" in await answer.text()
    assert await trail(small.store) == []


async def test_nothing_is_done_by_what_only_looks(small: Console) -> None:
    await small.log_in()
    for deed in DEEDS:
        answer = await small.client.get(f"/alerts/{ONE}/{deed}")
        assert answer.status == 405


@pytest.mark.parametrize("deed", DEEDS)
async def test_read_only_shows_no_button_and_does_nothing(tmp_path: Path, deed: str) -> None:
    async with console(tmp_path, sqlite(tmp_path), READ_ONLY="1") as served:
        await served.add(alert())
        await served.log_in()
        assert "READ_ONLY is set" in await served.page("/")
        answer = await served.send(f"/alerts/{ONE}/{deed}", {"note": "x"})
        assert answer.status == 503
        assert await trail(served.store) == []


@pytest.mark.parametrize("path", [ONE.replace("-", "x"), "1", "%00", alert(9)["id"]])
async def test_what_is_done_to_no_alert_is_not_found(small: Console, path: str) -> None:
    await small.log_in()
    answer = await small.send(f"/alerts/{path}/acknowledge")
    assert answer.status == 404
    assert (await small.client.get(f"/alerts/{path}")).status == 404


async def test_an_alert_that_has_ended_cannot_be_acknowledged(small: Console) -> None:
    await small.add(alert(2, ends_at=NOON + timedelta(hours=1)))
    await small.log_in()
    for deed in ("acknowledge", "resolve"):
        answer = await small.send(f"/alerts/{alert(2)['id']}/{deed}")
        assert answer.status == 409
        assert "has ended" in await answer.text()


@pytest.mark.parametrize(
    ("note", "why"), [("", "empty"), (" \n", "empty"), ("\0", "empty"), ("x" * 10_001, "10000")]
)
async def test_a_note_that_is_none_is_told(small: Console, note: str, why: str) -> None:
    await small.log_in()
    answer = await small.send(f"/alerts/{ONE}/notes", {"note": note}, headers=PART)
    assert answer.status == 400
    assert why in (await answer.json())["message"]


async def test_what_is_no_form_is_not_read(small: Console) -> None:
    await small.log_in()
    path = f"/alerts/{ONE}/notes"
    answer = await small.client.post(path, json={"csrf": await small.csrf()}, headers=HERE)
    assert answer.status == 415
    large = {"csrf": await small.csrf(), "note": "x" * 200_000}
    assert (await small.client.post(path, data=large, headers=HERE)).status == 413
    many = {"csrf": await small.csrf(), **{f"f{number}": "x" for number in range(30)}}
    assert (await small.client.post(path, data=many, headers=HERE)).status == 400
    assert await trail(small.store) == []


# --- what is done -------------------------------------------------------------------------------


async def test_the_first_has_it_and_the_second_is_told_so(served: Console) -> None:
    await served.log_in(sub="ann@example.com")
    answer = await served.send(f"/alerts/{ONE}/acknowledge", {"back": "/alerts?page=1#x"})
    assert answer.status == 303
    assert answer.headers["Location"] == "/alerts?page=1&said=acknowledged#x"
    await served.log_in(sub="joe@example.com")
    answer = await served.send(f"/alerts/{ONE}/acknowledge", {"back": "//evil.example"})
    assert answer.headers["Location"] == "/?said=second"
    assert "Somebody was first" in await served.page("/?said=second")
    found = await episode(served.store, ONE)
    assert found.acknowledged_by == "ann@example.com"
    assert found.acknowledged_via == "console"
    assert await trail(served.store) == [("acknowledge", "ann@example.com", "console")]


async def test_notes_are_kept_as_they_were_written(served: Console) -> None:
    await served.log_in()
    text = "first line\r\n<b>second</b> ' \" 😀"
    await served.send(f"/alerts/{ONE}/notes", {"note": text})
    assert await noted(served.store) == [("me@example.com", text.replace("\r\n", "\n"))]
    assert await trail(served.store) == [("note", "me@example.com", "console")]
    shown = await served.page(f"/alerts/{ONE}")
    assert "&lt;b&gt;second&lt;/b&gt;" in shown
    assert "<b>second" not in shown


async def test_an_alert_is_resolved_by_hand(served: Console) -> None:
    await served.log_in()
    await served.send(f"/alerts/{ONE}/resolve", {"note": "a false alarm"})
    found = await episode(served.store, ONE)
    assert (found.status, found.resolution, found.resolved_by) == (
        "resolved",
        "person",
        "me@example.com",
    )
    assert [line[0] for line in await trail(served.store)] == ["resolve", "note"]
    shown = await served.page(f"/alerts/{ONE}")
    assert "resolved it by hand" in shown
    assert "fires on" in shown


async def test_a_false_positive_is_marked_and_unmarked(served: Console) -> None:
    await served.log_in()
    path = f"/alerts/{ONE}/false-positive"
    answer = await served.send(path, headers=PART)
    assert (await answer.json())["message"] == "Marked as a false positive."
    assert (await episode(served.store, ONE)).false_positive
    shown = await served.page(f"/alerts/{ONE}")
    assert "marked it as a false positive" in shown
    assert "It was no false positive" in shown
    await served.send(path, {"false": "no"})
    assert not (await episode(served.store, ONE)).false_positive
    assert "took back that it was false" in await served.page(f"/alerts/{ONE}")
