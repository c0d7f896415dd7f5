"""The button in Slack: who may press it, what it does on both stores, and what Slack then shows."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from chatting import (
    SlackSide,
    Spoken,
    block_click,
    legacy_click,
    signed_by_slack,
    spoken,
)
from episodes import add_ended_episode, add_episode, episode, fingerprint, rows, trail
from stores import sqlite

from exporter.chat.slack_replies import SlackReplies
from exporter.instruments import Value
from exporter.ledger.store import DEADLINE, StoreOptions
from exporter.ledger.tables import alert_audit
from exporter.web import slack

Clicked = Callable[..., dict[str, Any]]
KINDS = pytest.mark.parametrize("clicked", [legacy_click, block_click])


@pytest.fixture
async def exporter(options: StoreOptions, tmp_path: Path) -> AsyncIterator[Spoken]:
    """One on a store of each kind."""
    async with spoken(tmp_path, options) as served:
        yield served


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Spoken]:
    """One for what no store has a part in."""
    async with spoken(tmp_path, sqlite(tmp_path)) as served:
        yield served


def form(payload: object) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


def said(message: dict[str, Any]) -> str:
    return json.dumps(message)


# --- forged and repeated requests ---------------------------------------------------------------


async def test_a_signature_by_another_secret_is_refused(on_sqlite: Spoken) -> None:
    await refused(on_sqlite, secret="another-secret")


@pytest.mark.parametrize(
    "signature",
    ["", "v0=", "v0=" + "0" * 64, "v1=" + "0" * 64, "0" * 64, "v0=\xe4", "v0=" + "0" * 4000],
)
async def test_a_signature_that_is_none_is_refused(on_sqlite: Spoken, signature: str) -> None:
    await refused(on_sqlite, signature=signature)


@pytest.mark.parametrize("timestamp", ["", "x", "1e9", "-5", "12.5", "١٧٦٤٠٧٢٠٠٠", "9" * 40])
async def test_a_timestamp_that_is_no_whole_number_is_refused(
    on_sqlite: Spoken, timestamp: str
) -> None:
    answer = await refused(on_sqlite, timestamp=timestamp)
    assert "whole number" in (await answer.json())["error"]


@pytest.mark.parametrize("off", [-310, 310, -86_400])
async def test_a_timestamp_that_is_over_300_seconds_off_is_refused(
    on_sqlite: Spoken, off: int
) -> None:
    answer = await refused(on_sqlite, timestamp=str(int(time.time()) + off))
    assert "300 s off" in (await answer.json())["error"]


@pytest.mark.parametrize("off", [-290, 290])
async def test_a_timestamp_that_is_less_off_is_taken(on_sqlite: Spoken, off: int) -> None:
    alert_id = await add_episode(on_sqlite.store)
    timestamp = str(int(time.time()) + off)
    answer = await on_sqlite.click(
        legacy_click(on_sqlite.slack, fingerprint(1)), timestamp=timestamp
    )
    assert answer.status == 200
    assert (await episode(on_sqlite.store, alert_id)).status == "acknowledged"


async def test_a_body_that_was_changed_after_it_was_signed_is_refused(on_sqlite: Spoken) -> None:
    now = str(int(time.time()))
    body = form(legacy_click(on_sqlite.slack, fingerprint(2)))
    signature = signed_by_slack("what-slack-signs-with", now, body)
    answer = await on_sqlite.send_slack(body + b"&x=1", timestamp=now, signature=signature)
    assert answer.status == 401


async def test_the_signature_of_another_time_is_refused(on_sqlite: Spoken) -> None:
    now = int(time.time())
    body = form(legacy_click(on_sqlite.slack, fingerprint(1)))
    signature = signed_by_slack("what-slack-signs-with", str(now - 1), body)
    answer = await on_sqlite.send_slack(body, timestamp=str(now), signature=signature)
    assert answer.status == 401


async def test_a_request_that_comes_again_is_refused_and_changes_nothing(exporter: Spoken) -> None:
    alert_id = await add_episode(exporter.store)
    body = form(legacy_click(exporter.slack, fingerprint(1)))
    now = str(int(time.time()))
    assert (await exporter.send_slack(body, timestamp=now)).status == 200
    again = await exporter.send_slack(body, timestamp=now)
    assert (again.status, (await again.json())["error"]) == (401, "this request has come before")
    await exporter.settled()
    assert len(exporter.slack.posted) == 1
    assert await trail(exporter.store) == [("acknowledge", "jane@example.com", "slack")]
    assert (await episode(exporter.store, alert_id)).acknowledged_by == "jane@example.com"


async def test_of_one_request_that_comes_many_times_at_once_one_counts(exporter: Spoken) -> None:
    await add_episode(exporter.store)
    body = form(legacy_click(exporter.slack, fingerprint(1)))
    now = str(int(time.time()))
    answers = await asyncio.gather(*(exporter.send_slack(body, timestamp=now) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401, 401]
    await exporter.settled()
    assert len(exporter.slack.posted) == 1


async def refused(served: Spoken, **signed: Any) -> Any:
    """A click is answered by 401, and nothing comes of it."""
    alert_id = await add_episode(served.store)
    answer = await served.click(legacy_click(served.slack, fingerprint(1)), **signed)
    assert answer.status == 401
    assert (await answer.json())["code"] == "UNAUTHORIZED"
    assert (await episode(served.store, alert_id)).status == "active"
    assert served.slack.posted == []
    return answer


async def test_without_its_secret_it_says_which_variable_is_missing(tmp_path: Path) -> None:
    async with spoken(tmp_path, sqlite(tmp_path), SLACK_SIGNING_SECRET="") as served:
        answer = await served.click(legacy_click(served.slack, fingerprint(1)))
        assert answer.status == 503
        assert "SLACK_SIGNING_SECRET_FILE" in (await answer.json())["error"]


# --- hostile bodies -----------------------------------------------------------------------------


async def test_a_body_of_ten_megabytes_is_refused(on_sqlite: Spoken) -> None:
    answer = await on_sqlite.send_slack(b"payload=" + b"x" * 10_000_000)
    assert answer.status == 413


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload",
        b"payload=%ff",
        b"payload=\xff",
        b"payload=1&payload=2",
        b"a=1&b=2&c=3&d=4&e=5&payload=1",
        b"other=1",
        urlencode({"payload": DEEP}).encode()[:500_000],
        urlencode({"payload": DEEP}).encode()[:8] + DEEP.encode(),
        form([]),
        form("text"),
        form(None),
        form({"type": "view_submission"}),
        form({"type": "interactive_message"}),
    ],
    ids=range(14),
)
async def test_a_signed_body_that_is_no_click_is_refused(on_sqlite: Spoken, body: bytes) -> None:
    answer = await on_sqlite.send_slack(body)
    assert answer.status == 400
    assert len((await answer.json())["error"]) < 400


@KINDS
@pytest.mark.parametrize(
    "value",
    ["x", "0" * 15, "0" * 17, "A" * 16, "0" * 16 + ",", "0" * 16 + "\n", "' OR 1=1", "0" * 3000],
)
async def test_a_value_that_is_no_list_of_fingerprints_is_refused(
    on_sqlite: Spoken, clicked: Clicked, value: str
) -> None:
    assert (await on_sqlite.click(clicked(on_sqlite.slack, value))).status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"callback_id": "another.app"},
        {"actions": []},
        {"actions": [{"name": "resolve", "value": "0" * 16}]},
        {"user": {"id": 5}},
        {"user": None},
        {"team": None},
        {"original_message": "text"},
        {"response_url": None},
    ],
    ids=str,
)
async def test_a_click_on_something_else_is_refused(
    on_sqlite: Spoken, change: dict[str, Any]
) -> None:
    payload = legacy_click(on_sqlite.slack, fingerprint(1), **change)
    assert (await on_sqlite.click(payload)).status == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/actions/1",
        "https://hooks.slack.com",
        "https://hooks.slack.com.evil.test/actions/1",
        "https://hooks.slack.com@evil.test/actions/1",
        "https://hooks.slack.com:443@evil.test/",
        "https://user@hooks.slack.com/actions/1",
        "https://hooks.slack.com:8443/actions/1",
        "https://hooks.slack.com\\@evil.test/",
        "https://hooks.slack.com/\\@evil.test/",
        "https://evil.test/https://hooks.slack.com/",
        "https://evil.test/#https://hooks.slack.com/",
        "HTTPS://HOOKS.SLACK.COM/actions/1",
        "https://hooks.slаck.com/actions/1",
        "https://hooks.slack.com/a\r\nHost: evil.test",
        " https://hooks.slack.com/actions/1",
        "//hooks.slack.com/actions/1",
        "",
    ],
)
def test_nothing_but_slacks_own_address_is_ever_called(url: str) -> None:
    assert not SlackReplies(Value()).allowed(url)


def test_slacks_own_address_is_called() -> None:
    assert SlackReplies(Value()).allowed("https://hooks.slack.com/actions/T1/2/abc")


@KINDS
async def test_a_response_url_elsewhere_is_refused_and_nothing_is_acknowledged(
    on_sqlite: Spoken, clicked: Clicked
) -> None:
    alert_id = await add_episode(on_sqlite.store)
    elsewhere = on_sqlite.slack.origin.replace("127.0.0.1", "localhost") + "actions"
    payload = clicked(on_sqlite.slack, fingerprint(1), response_url=elsewhere)
    answer = await on_sqlite.click(payload)
    assert (answer.status, (await answer.json())["error"]) == (400, "response_url is not Slack's")
    assert (await episode(on_sqlite.store, alert_id)).status == "active"
    assert on_sqlite.slack.posted == []


# --- who may ------------------------------------------------------------------------------------


@KINDS
async def test_being_in_the_channel_is_no_right_to_acknowledge(
    exporter: Spoken, clicked: Clicked
) -> None:
    alert_id = await add_episode(exporter.store)
    for stranger in (
        clicked(exporter.slack, fingerprint(1), user="U0STRANGER"),
        clicked(exporter.slack, fingerprint(1), team={"id": "T9999"}),
    ):
        assert (await exporter.click(stranger)).status == 200
    assert (await episode(exporter.store, alert_id)).status == "active"
    assert await trail(exporter.store) == []
    assert exporter.slack.shown == []
    assert ["does not know you" in text for text in exporter.slack.whispered] == [True, True]


async def test_in_an_organisation_the_user_alone_names_the_team(on_sqlite: Spoken) -> None:
    alert_id = await add_episode(on_sqlite.store)
    await on_sqlite.click(block_click(on_sqlite.slack, fingerprint(1), team=None))
    assert (await episode(on_sqlite.store, alert_id)).acknowledged_by == "jane@example.com"


# --- what it does -------------------------------------------------------------------------------


@KINDS
async def test_a_click_acknowledges_every_alert_of_the_button(
    exporter: Spoken, clicked: Clicked
) -> None:
    ids = [await add_episode(exporter.store, number) for number in (1, 2)]
    other = await add_episode(exporter.store, 3)
    value = f"{fingerprint(1)},{fingerprint(2)}"
    answer = await exporter.click(clicked(exporter.slack, value))
    assert (answer.status, await answer.text()) == (200, "")
    for alert_id in ids:
        kept = await episode(exporter.store, alert_id)
        assert (kept.acknowledged_by, kept.acknowledged_via) == ("jane@example.com", "slack")
    assert (await episode(exporter.store, other)).status == "active"
    lines = await rows(exporter.store, alert_audit)
    assert [line["address"] for line in lines] == ["127.0.0.1", "127.0.0.1"]
    assert all(line["request_id"] for line in lines)


async def test_the_attachment_loses_its_button_and_says_who_acknowledged_what_and_when(
    exporter: Spoken,
) -> None:
    await add_episode(exporter.store)
    payload = legacy_click(exporter.slack, fingerprint(1))
    await exporter.click(payload)
    (message,) = exporter.slack.posted
    kept, added = message["attachments"]
    (before,) = payload["original_message"]["attachments"]
    assert kept == {name: before[name] for name in ("id", "color", "title", "text")}
    assert added["text"].startswith("Acknowledged by jane@example.com at 20")
    assert added["text"].endswith(" UTC: ServiceDown payment-service")
    assert added["mrkdwn_in"] == []
    assert message["replace_original"] is True


async def test_blocks_lose_their_button_and_say_who_acknowledged(exporter: Spoken) -> None:
    await add_episode(exporter.store)
    await exporter.click(block_click(exporter.slack, fingerprint(1)))
    (message,) = exporter.slack.posted
    section, context = message["blocks"]
    assert section["type"] == "section"
    assert context["elements"][0]["text"].startswith("Acknowledged by jane@example.com at ")
    assert "acknowledge" not in said(message["blocks"])


@KINDS
async def test_the_second_click_says_who_was_first(exporter: Spoken, clicked: Clicked) -> None:
    alert_id = await add_episode(exporter.store)
    await exporter.click(clicked(exporter.slack, fingerprint(1)))
    exporter.slack.posted.clear()
    await exporter.click(clicked(exporter.slack, fingerprint(1), user="U0JOE"))
    assert (await episode(exporter.store, alert_id)).acknowledged_by == "jane@example.com"
    (message,) = exporter.slack.shown
    assert "Acknowledged by jane@example.com" in said(message)
    (whispered,) = exporter.slack.whispered
    assert whispered.startswith("Acknowledged by jane@example.com at ")
    assert len(await trail(exporter.store)) == 1


async def test_of_two_who_click_at_once_one_is_first_and_both_see_who(exporter: Spoken) -> None:
    alert_id = await add_episode(exporter.store)
    await asyncio.gather(
        *(
            exporter.send_slack(form(legacy_click(exporter.slack, fingerprint(1), user=user)))
            for user in ("U0JANE", "U0JOE")
        )
    )
    await exporter.settled()
    first = (await episode(exporter.store, alert_id)).acknowledged_by
    assert len(exporter.slack.shown) == 2
    assert all(f"Acknowledged by {first}" in said(one) for one in exporter.slack.shown)
    assert len(exporter.slack.whispered) == 1


@KINDS
async def test_when_it_has_ended_the_button_goes_and_nothing_is_reopened(
    exporter: Spoken, clicked: Clicked
) -> None:
    ended = await add_ended_episode(exporter.store)
    await exporter.click(clicked(exporter.slack, fingerprint(1)))
    assert (await episode(exporter.store, ended)).status == "resolved"
    (message,) = exporter.slack.shown
    assert "none of this is open" in said(message)
    assert exporter.slack.whispered == ["Nothing is left to acknowledge: none of this is open."]


async def test_the_button_of_a_message_of_a_resolve_acknowledges_nothing(
    on_sqlite: Spoken,
) -> None:
    alert_id = await add_episode(on_sqlite.store)
    answer = await on_sqlite.click(legacy_click(on_sqlite.slack, ""))
    assert answer.status == 200
    assert (await episode(on_sqlite.store, alert_id)).status == "active"


HOSTILE = "<!channel> <https://evil.test|here> & <script>alert(1)</script>"


@KINDS
async def test_names_of_alerts_become_neither_links_nor_mentions(
    exporter: Spoken, clicked: Clicked
) -> None:
    await add_episode(exporter.store, name=HOSTILE, service="<@U0JOE>")
    await exporter.click(clicked(exporter.slack, fingerprint(1)))
    (message,) = exporter.slack.posted
    assert "<" not in said(message).replace("<b>", "")
    assert "&lt;!channel&gt; &lt;https://evil.test|here&gt; &amp; &lt;script&gt;" in said(message)


async def test_a_storm_of_alerts_makes_no_endless_message(exporter: Spoken) -> None:
    numbers = range(1, 101)
    for number in numbers:
        await add_episode(exporter.store, number, name="N" * 200)
    await exporter.click(legacy_click(exporter.slack, ",".join(map(fingerprint, numbers))))
    (message,) = exporter.slack.posted
    text = message["attachments"][1]["text"]
    assert text.endswith(" and 80 more")
    assert len(text) < 8000


# --- what goes wrong ----------------------------------------------------------------------------


@KINDS
async def test_a_store_that_is_away_is_said_to_whoever_clicked_and_the_button_stays(
    options: StoreOptions, tmp_path: Path, clicked: Clicked
) -> None:
    async with spoken(tmp_path, options, opened=False) as served:
        answer = await served.click(clicked(served.slack, fingerprint(1)))
        assert answer.status == 200
        (whispered,) = served.slack.whispered
        assert whispered.startswith("Not acknowledged: the ledger's store is not available")
        assert served.slack.shown == []


async def test_a_click_that_could_not_be_kept_can_be_made_again(
    options: StoreOptions, tmp_path: Path
) -> None:
    async with spoken(tmp_path, options, opened=False) as served:
        body = form(legacy_click(served.slack, fingerprint(1)))
        now = str(int(time.time()))
        assert (await served.send_slack(body, timestamp=now)).status == 200
        await served.store.open()
        alert_id = await add_episode(served.store)
        assert (await served.send_slack(body, timestamp=now)).status == 200
        await served.settled()
        assert (await episode(served.store, alert_id)).status == "acknowledged"


async def test_slack_is_answered_in_time_while_the_store_is_busy(tmp_path: Path) -> None:
    async with spoken(tmp_path, sqlite(tmp_path)) as served:
        alert_id = await add_episode(served.store)
        async with served.store.begin():
            started = time.monotonic()
            answer = await served.send_slack(form(legacy_click(served.slack, fingerprint(1))))
            took = time.monotonic() - started
        assert answer.status == 200
        # Slack waits for three seconds, the store gives up after five: the rest is this machine's.
        assert slack._DEADLINE < 3
        assert took < DEADLINE
        await served.settled()
        assert (await episode(served.store, alert_id)).status == "acknowledged"
        assert "Acknowledged by jane@example.com" in said(served.slack.posted[0])


async def test_an_answer_that_slack_does_not_take_is_tried_twice_then_counted(
    on_sqlite: Spoken,
) -> None:
    alert_id = await add_episode(on_sqlite.store)
    on_sqlite.slack.answers = [500, 302]
    await on_sqlite.click(legacy_click(on_sqlite.slack, fingerprint(1)))
    assert len(on_sqlite.slack.posted) == 2
    assert errors(on_sqlite) == 1
    assert (await episode(on_sqlite.store, alert_id)).status == "acknowledged"


async def test_an_answer_that_slack_takes_at_the_second_try_is_no_error(
    on_sqlite: Spoken,
) -> None:
    await add_episode(on_sqlite.store)
    on_sqlite.slack.answers = [503]
    await on_sqlite.click(legacy_click(on_sqlite.slack, fingerprint(1)))
    assert (len(on_sqlite.slack.posted), errors(on_sqlite)) == (2, 0)


async def test_what_is_under_way_is_done_before_the_exporter_ends(on_sqlite: Spoken) -> None:
    await add_episode(on_sqlite.store)
    await on_sqlite.send_slack(form(legacy_click(on_sqlite.slack, fingerprint(1))))
    await on_sqlite.chat.close()
    assert len(on_sqlite.slack.posted) == 1


def errors(served: Spoken) -> float:
    return served.service.telemetry.errors.labels("slack").get()


def test_the_stand_in_is_no_address_of_slacks() -> None:
    assert not SlackReplies(Value()).allowed(SlackSide("http://127.0.0.1:1/").response_url)
