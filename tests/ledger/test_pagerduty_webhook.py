"""What people do in PagerDuty: verified, taken once, and never taken for what it is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chatting import (
    GROUP,
    INGEST,
    JANE,
    WEBHOOK_SECRET,
    Spoken,
    incident,
    signed_by_pagerduty,
    spoken,
)
from episodes import (
    NOON,
    add_ended_episode,
    add_episode,
    episode,
    fingerprint,
    noted,
    rows,
    trail,
)
from stores import sqlite

from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import alert_notes


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


def note(text: object, of: str = "Q1INCIDENT", **changes: Any) -> dict[str, Any]:
    """A note about an incident, as PagerDuty sends it."""
    data = {
        "id": "PNOTE",
        "type": "incident_note",
        "content": text,
        "trimmed": False,
        "incident": {"id": of, "type": "incident_reference", "summary": "ServiceDown"},
    }
    return {**incident("annotated"), "data": data, **changes}


async def tell_groups(
    served: Spoken, *numbers: int, group: str = GROUP, token: str = INGEST, **changes: Any
) -> Any:
    """What Alertmanager says to the webhook beside PagerDuty."""
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "ServiceDown", "severity": "critical", "n": str(number)},
            "startsAt": "2026-11-25T12:00:00Z",
            "fingerprint": fingerprint(number),
        }
        for number in numbers
    ]
    body = {
        "version": "4",
        "receiver": "slack+pagerduty",
        "status": "firing",
        "groupKey": group,
        "alerts": alerts,
        **changes,
    }
    return await served.client.post(
        "/api/alertmanager/groups", json=body, headers={"Authorization": f"Bearer {token}"}
    )


# --- forged and repeated requests ---------------------------------------------------------------


def of_another(body: bytes) -> str:
    return signed_by_pagerduty("another-secret", body)


@pytest.mark.parametrize(
    "signatures",
    ["", "v1=", "v1=" + "0" * 64, "v0={right}", "{digits}", "v1=\xe4", ",,,", "v1={digits}0"],
)
async def test_a_signature_that_does_not_fit_is_refused(on_sqlite: Spoken, signatures: str) -> None:
    alert_id = await add_episode(on_sqlite.store)
    await tell_groups(on_sqlite, 1)
    body = json.dumps({"event": incident("acknowledged")}).encode()
    right = signed_by_pagerduty("another-secret", body)
    given = signatures.format(right=right, digits=right.removeprefix("v1="))
    answer = await on_sqlite.send_pagerduty(body, signatures=given)
    assert (answer.status, (await answer.json())["code"]) == (401, "UNAUTHORIZED")
    assert (await episode(on_sqlite.store, alert_id)).status == "active"


async def test_a_body_that_was_changed_after_it_was_signed_is_refused(on_sqlite: Spoken) -> None:
    body = json.dumps({"event": incident("acknowledged")}).encode()
    signature = signed_by_pagerduty(WEBHOOK_SECRET, body)
    answer = await on_sqlite.send_pagerduty(body + b" ", signatures=signature)
    assert answer.status == 401


async def test_while_the_secret_is_replaced_one_of_two_signatures_is_enough(
    on_sqlite: Spoken,
) -> None:
    body = json.dumps({"event": incident("acknowledged")}).encode()
    right = signed_by_pagerduty(WEBHOOK_SECRET, body)
    for signatures in (f"{of_another(body)},{right}", f"{right}, {of_another(body)}"):
        answer = await on_sqlite.send_pagerduty(body, signatures=signatures)
        assert answer.status == 200


async def test_without_its_secret_it_says_which_variable_is_missing(tmp_path: Path) -> None:
    async with spoken(tmp_path, sqlite(tmp_path), PAGERDUTY_WEBHOOK_SECRET="") as served:
        answer = await served.send_pagerduty(incident("acknowledged"))
        assert answer.status == 503
        assert "PAGERDUTY_WEBHOOK_SECRET_FILE" in (await answer.json())["error"]


async def test_an_event_that_comes_again_changes_nothing(exporter: Spoken) -> None:
    await add_episode(exporter.store)
    await tell_groups(exporter, 1)
    await exporter.send_pagerduty(incident("triggered"))
    event = note("looking")
    answers = [await (await exporter.send_pagerduty(event)).json() for _ in range(3)]
    assert [answer["repeated"] for answer in answers] == [False, True, True]
    assert await noted(exporter.store) == [("jane@example.com", "looking")]


async def test_of_one_event_that_comes_many_times_at_once_one_counts(exporter: Spoken) -> None:
    await add_episode(exporter.store)
    await tell_groups(exporter, 1)
    await exporter.send_pagerduty(incident("triggered"))
    event = note("looking")
    answers = await asyncio.gather(*(exporter.send_pagerduty(event) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len(await noted(exporter.store)) == 1


# --- hostile bodies -----------------------------------------------------------------------------


async def test_a_body_of_ten_megabytes_is_refused(on_sqlite: Spoken) -> None:
    assert (await on_sqlite.send_pagerduty(b"x" * 10_000_000)).status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"5",
        b'{"event": []}',
        b'{"event": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        json.dumps({"event": {**incident("acknowledged"), "id": ""}}).encode(),
        json.dumps({"event": {**incident("acknowledged"), "id": "x" * 129}}).encode(),
        json.dumps({"event": {**incident("acknowledged"), "occurred_at": "noon"}}).encode(),
        json.dumps({"event": {**incident("acknowledged"), "agent": 5}}).encode(),
        json.dumps({"event": {**incident("acknowledged"), "agent": {"id": "x" * 65}}}).encode(),
        json.dumps({"event": {**incident("acknowledged"), "data": None}}).encode(),
        json.dumps({"event": note({"html": "<b>"})}).encode(),
    ],
    ids=range(14),
)
async def test_a_signed_body_that_is_no_event_is_refused(on_sqlite: Spoken, body: bytes) -> None:
    answer = await on_sqlite.send_pagerduty(body)
    assert answer.status == 400
    assert len((await answer.json())["error"]) < 400


@pytest.mark.parametrize(
    "event",
    [
        incident("acknowledged", key="another group"),
        incident("acknowledged", key=None),
        {**incident("acknowledged"), "data": {"type": "incident", "incident_key": "' OR 1=1 --"}},
        {**incident("acknowledged"), "event_type": "incident.priority_updated"},
        {**incident("acknowledged"), "event_type": "pagey.ping", "data": {"type": "ping"}},
        note("of an incident that nobody told of", of="Q2"),
        note(None),
        note(" \0 "),
    ],
    ids=range(8),
)
async def test_what_is_about_no_alert_of_ours_is_taken_and_changes_nothing(
    exporter: Spoken, event: dict[str, Any]
) -> None:
    alert_id = await add_episode(exporter.store)
    await tell_groups(exporter, 1)
    assert (await exporter.send_pagerduty(event)).status == 200
    assert (await episode(exporter.store, alert_id)).status == "active"
    assert await trail(exporter.store) == []


# --- acknowledging ------------------------------------------------------------------------------


async def test_an_acknowledgement_in_pagerduty_is_one_of_every_alert_of_the_incident(
    exporter: Spoken,
) -> None:
    ids = [await add_episode(exporter.store, number) for number in (1, 2)]
    other = await add_episode(exporter.store, 3)
    await tell_groups(exporter, 1, 2)
    await tell_groups(exporter, 3, group="another group")
    answer = await exporter.send_pagerduty(incident("acknowledged"))
    assert await answer.json() == {"repeated": False, "alerts": 2}
    for alert_id in ids:
        kept = await episode(exporter.store, alert_id)
        assert (kept.acknowledged_by, kept.acknowledged_via) == ("jane@example.com", "pagerduty")
    assert (await episode(exporter.store, other)).status == "active"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ({"id": "PJANE", "type": "user_reference"}, "jane@example.com"),
        ({"id": "PSOMEBODY", "type": "user_reference"}, "pagerduty:PSOMEBODY"),
        (None, "pagerduty"),
    ],
)
async def test_whoever_acknowledged_is_named_as_the_config_knows_them(
    on_sqlite: Spoken, agent: object, name: str
) -> None:
    alert_id = await add_episode(on_sqlite.store)
    await tell_groups(on_sqlite, 1)
    await on_sqlite.send_pagerduty(incident("acknowledged", agent=agent))
    assert (await episode(on_sqlite.store, alert_id)).acknowledged_by == name


async def test_what_an_integration_does_is_an_echo_and_acknowledges_nothing(
    on_sqlite: Spoken,
) -> None:
    alert_id = await add_episode(on_sqlite.store)
    await tell_groups(on_sqlite, 1)
    echo = {"id": "PINTEGR", "type": "inbound_integration_reference"}
    for kind in ("acknowledged", "resolved"):
        assert (await on_sqlite.send_pagerduty(incident(kind, agent=echo))).status == 200
    assert (await episode(on_sqlite.store, alert_id)).status == "active"
    assert await noted(on_sqlite.store) == []


async def test_what_began_after_the_acknowledgement_is_not_acknowledged_by_it(
    exporter: Spoken,
) -> None:
    now = datetime.now(UTC)
    done = now - timedelta(minutes=10)
    seen = await add_episode(exporter.store, 1, starts_at=done - timedelta(minutes=1))
    unseen = await add_episode(exporter.store, 2, starts_at=done + timedelta(minutes=2))
    await tell_groups(exporter, 1, 2)
    late = incident("acknowledged", occurred_at=done.isoformat())
    await exporter.send_pagerduty(late)
    assert (await episode(exporter.store, seen)).acknowledged_at == done
    assert (await episode(exporter.store, unseen)).status == "active"


async def test_a_time_to_come_is_taken_for_now(on_sqlite: Spoken) -> None:
    alert_id = await add_episode(on_sqlite.store)
    await tell_groups(on_sqlite, 1)
    await on_sqlite.send_pagerduty(incident("acknowledged", occurred_at="2999-01-01T00:00:00Z"))
    assert (await episode(on_sqlite.store, alert_id)).acknowledged_at <= datetime.now(UTC)


async def test_an_acknowledgement_never_reopens_what_has_ended(exporter: Spoken) -> None:
    ended = await add_ended_episode(exporter.store)
    await tell_groups(exporter, 1)
    await exporter.send_pagerduty(incident("acknowledged"))
    assert (await episode(exporter.store, ended)).status == "resolved"
    assert await trail(exporter.store) == []


async def test_who_was_first_stays_first(exporter: Spoken) -> None:
    alert_id = await add_episode(exporter.store)
    await tell_groups(exporter, 1)
    await exporter.send_pagerduty(incident("acknowledged"))
    await exporter.send_pagerduty(incident("acknowledged", agent={**JANE, "id": "PJOE"}))
    assert (await episode(exporter.store, alert_id)).acknowledged_by == "jane@example.com"
    assert len(await trail(exporter.store)) == 1


async def test_whoever_acknowledges_an_escalation_acknowledges_what_it_is_about(
    exporter: Spoken,
) -> None:
    source = await add_episode(exporter.store, 1)
    other = await add_episode(exporter.store, 2)
    escalations = [
        {
            "status": "firing",
            "labels": {
                "alertname": "AlertUnacknowledgedManager",
                "severity": "critical",
                "escalation": "manager",
                "alert_id": alert_id,
            },
            "startsAt": "2026-11-25T12:10:00Z",
            "fingerprint": fingerprint(9),
        }
        for alert_id in (source, "unknown")
    ]
    answer = await tell_groups(exporter, receiver="contact-manager", alerts=escalations)
    assert await answer.json() == {"alerts": 1}
    await exporter.send_pagerduty(incident("acknowledged"))
    assert (await episode(exporter.store, source)).acknowledged_by == "jane@example.com"
    assert (await episode(exporter.store, other)).status == "active"


# --- notes and resolves -------------------------------------------------------------------------


async def test_a_note_in_pagerduty_is_a_note_of_the_alerts_of_its_incident(
    exporter: Spoken,
) -> None:
    await add_episode(exporter.store, 1)
    await add_episode(exporter.store, 2)
    await tell_groups(exporter, 1)
    await exporter.send_pagerduty(incident("triggered", agent=None))
    await exporter.send_pagerduty(note("<b>disk</b>\0 full '; DROP TABLE alerts --"))
    assert await noted(exporter.store) == [
        ("jane@example.com", "<b>disk</b> full '; DROP TABLE alerts --")
    ]
    assert await trail(exporter.store) == [("note", "jane@example.com", "pagerduty")]


async def test_a_note_that_is_too_long_is_cut(on_sqlite: Spoken) -> None:
    await add_episode(on_sqlite.store)
    await tell_groups(on_sqlite, 1)
    await on_sqlite.send_pagerduty(incident("triggered"))
    await on_sqlite.send_pagerduty(note("ä" * 20_000))
    assert await noted(on_sqlite.store) == [("jane@example.com", "ä" * 10_000)]


async def test_a_note_after_the_end_is_about_what_was_open_last_and_nothing_older(
    exporter: Spoken,
) -> None:
    week, hour = timedelta(days=7), timedelta(hours=1)
    older = {"starts_at": NOON - week, "ends_at": NOON - week + hour}
    await add_ended_episode(exporter.store, 1, **older)
    last = await add_ended_episode(exporter.store, 1, ends_at=NOON + hour)
    together = await add_ended_episode(exporter.store, 2, ends_at=NOON + hour / 2)
    await tell_groups(exporter, 1, 2)
    await exporter.send_pagerduty(incident("triggered"))
    await exporter.send_pagerduty(note("it was the switch"))
    found = {row["alert_id"] for row in await rows(exporter.store, alert_notes)}
    assert found == {last, together}


async def test_a_resolve_in_pagerduty_is_a_note_and_the_alert_decides_itself(
    exporter: Spoken,
) -> None:
    alert_id = await add_episode(exporter.store)
    await tell_groups(exporter, 1)
    await exporter.send_pagerduty(incident("resolved"))
    kept = await episode(exporter.store, alert_id)
    assert (kept.status, kept.firing) == ("active", True)
    assert await noted(exporter.store) == [("jane@example.com", "Resolved in PagerDuty.")]


# --- the store and the groups -------------------------------------------------------------------


async def test_what_cannot_be_kept_is_to_be_sent_again(
    options: StoreOptions, tmp_path: Path
) -> None:
    async with spoken(tmp_path, options, opened=False) as served:
        event = incident("acknowledged")
        assert (await served.send_pagerduty(event)).status == 503
        assert (await tell_groups(served, 1)).status == 503
        await served.store.open()
        alert_id = await add_episode(served.store)
        assert (await tell_groups(served, 1)).status == 200
        assert (await served.send_pagerduty(event)).status == 200
        assert (await episode(served.store, alert_id)).status == "acknowledged"


@pytest.mark.parametrize("token", ["", "x", "r" * 32, INGEST[:-1]])
async def test_groups_are_told_by_alertmanager_alone(on_sqlite: Spoken, token: str) -> None:
    assert (await tell_groups(on_sqlite, 1, token=token)).status == 401


@pytest.mark.parametrize(
    "change",
    [{"receiver": "ledger"}, {"receiver": 5}, {"groupKey": None}, {"groupKey": {}}],
    ids=str,
)
async def test_a_group_that_names_no_incident_is_not_kept(
    on_sqlite: Spoken, change: dict[str, Any]
) -> None:
    answer = await tell_groups(on_sqlite, 1, **change)
    assert await answer.json() == {"alerts": 0}


async def test_groups_that_cannot_be_read_are_refused(on_sqlite: Spoken) -> None:
    for alerts in ([{"labels": 5}], "text", None):
        assert (await tell_groups(on_sqlite, alerts=alerts)).status == 400


async def test_telling_groups_opens_and_closes_no_alert(exporter: Spoken) -> None:
    alert_id = await add_episode(exporter.store)
    resolved = [
        {
            "status": "resolved",
            "labels": {"alertname": "ServiceDown", "severity": "critical"},
            "startsAt": "2026-11-25T12:00:00Z",
            "endsAt": "2026-11-25T12:10:00Z",
            "fingerprint": fingerprint(1),
        }
    ]
    assert (await tell_groups(exporter, alerts=resolved)).status == 200
    assert (await tell_groups(exporter, 7)).status == 200
    assert (await episode(exporter.store, alert_id)).status == "active"
