"""What people do to an alert: one operation each, with one audit trail, on both stores."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from unittest.mock import patch

import pytest
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
from sqlalchemy import text
from stores import new_database, opened

from exporter.ledger import audit
from exporter.ledger.actions import (
    AlertEndedError,
    AlertNotFoundError,
    acknowledge,
    acknowledge_fingerprints,
    add_note,
    mark_false_positive,
    resolve,
)
from exporter.ledger.actor import Actor
from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.notes import NOTE_CHARACTERS, NoteError
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alert_audit
from programs import Postgres

JANE = Actor("jane@example.com", "api", address="192.0.2.7", request_id="r-1")
JOE = Actor("joe@example.com", "slack")
LATER = NOON + timedelta(minutes=2)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", ["", "0", "a" * 37, "a\0b", "' OR 1=1 --", "\udc00"])
async def test_an_unknown_id_is_not_found_by_any_action(store: Store, unknown: str) -> None:
    await add_episode(store)
    with pytest.raises(AlertNotFoundError):
        await acknowledge(store, unknown, JANE, LATER)
    with pytest.raises(AlertNotFoundError):
        await add_note(store, unknown, JANE, LATER, "a note")
    with pytest.raises(AlertNotFoundError):
        await resolve(store, unknown, JANE, LATER)
    with pytest.raises(AlertNotFoundError):
        await mark_false_positive(store, unknown, JANE, LATER)
    assert await trail(store) == []


async def test_an_acknowledgement_never_reopens_what_has_ended(store: Store) -> None:
    ended = await add_ended_episode(store)
    with pytest.raises(AlertEndedError, match="12:01:00"):
        await acknowledge(store, ended, JANE, LATER, "too late")
    assert await acknowledge_fingerprints(store, [fingerprint(1)], JANE, LATER) == []
    assert (await episode(store, ended)).acknowledged_at is None
    assert (await trail(store), await noted(store)) == ([], [])


@pytest.mark.parametrize("empty", ["", " \n", "\0"])
async def test_an_empty_note_is_refused(store: Store, empty: str) -> None:
    with pytest.raises(NoteError, match="empty"):
        await add_note(store, await add_episode(store), JANE, LATER, empty)


async def test_a_note_may_have_ten_thousand_characters_and_not_one_more(store: Store) -> None:
    alert_id = await add_episode(store)
    await add_note(store, alert_id, JANE, LATER, "ä" * NOTE_CHARACTERS)
    with pytest.raises(NoteError, match="10001 characters"):
        await add_note(store, alert_id, JANE, LATER, "ä" * (NOTE_CHARACTERS + 1))
    assert await noted(store) == [(JANE.name, "ä" * NOTE_CHARACTERS)]


async def test_nothing_is_acknowledged_with_a_note_that_is_too_long(store: Store) -> None:
    alert_id = await add_episode(store)
    with pytest.raises(NoteError):
        await acknowledge(store, alert_id, JANE, LATER, "x" * (NOTE_CHARACTERS + 1))
    assert (await episode(store, alert_id)).status == "active"


async def test_nothing_is_kept_when_the_audit_trail_cannot_be_written(store: Store) -> None:
    alert_id = await add_episode(store)
    with (
        patch.object(audit, "record", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        await acknowledge(store, alert_id, JANE, LATER, "mine")
    assert (await episode(store, alert_id)).status == "active"
    assert (await noted(store), await trail(store)) == ([], [])


async def test_a_store_that_is_away_is_said(options: StoreOptions) -> None:
    store = Store(options)
    with pytest.raises(StoreUnavailableError):
        await acknowledge(store, "0", JANE, LATER)
    await store.close()


# --- acknowledging ------------------------------------------------------------------------------


async def test_the_first_acknowledgement_is_kept_with_who_when_and_from_where(
    store: Store,
) -> None:
    alert_id = await add_episode(store)
    first = await acknowledge(store, alert_id, JANE, LATER, "looking")
    assert (first.first, first.acknowledged_by, first.acknowledged_at) == (True, JANE.name, LATER)
    kept = await episode(store, alert_id)
    assert (kept.status, kept.acknowledged_by, kept.acknowledged_at, kept.acknowledged_via) == (
        "acknowledged",
        JANE.name,
        LATER,
        "api",
    )
    assert await noted(store) == [(JANE.name, "looking")]
    line, note = await rows(store, alert_audit)
    assert (line["action"], line["actor"], line["address"], line["request_id"]) == (
        "acknowledge",
        JANE.name,
        "192.0.2.7",
        "r-1",
    )
    assert (line["before"]["status"], line["after"]["status"]) == ("active", "acknowledged")
    assert line["after"]["acknowledged_at"] == "2026-11-25T12:02:00.000Z"
    assert (note["action"], note["after"]["text"]) == ("note", "looking")


async def test_the_second_acknowledgement_says_who_was_first_and_keeps_its_note(
    store: Store,
) -> None:
    alert_id = await add_episode(store)
    await acknowledge(store, alert_id, JANE, LATER)
    second = await acknowledge(store, alert_id, JOE, LATER + timedelta(minutes=1), "me too")
    assert (second.first, second.acknowledged_by, second.acknowledged_at) == (
        False,
        JANE.name,
        LATER,
    )
    assert (await episode(store, alert_id)).acknowledged_by == JANE.name
    assert await noted(store) == [(JOE.name, "me too")]
    assert [line[:2] for line in await trail(store)] == [
        ("acknowledge", JANE.name),
        ("note", JOE.name),
    ]


async def test_whom_somebody_claims_to_act_for_is_kept_beside_the_actor(store: Store) -> None:
    alert_id = await add_episode(store)
    claims = Actor(JANE.name, "api", on_behalf_of="joe\0\udc00" + "x" * 1000)
    await acknowledge(store, alert_id, claims, LATER)
    kept = await episode(store, alert_id)
    assert kept.acknowledged_by == JANE.name
    assert kept.acknowledged_for == ("joe?" + "x" * 1000)[:200]


@pytest.mark.parametrize("blank", ["", "  ", "\0"])
async def test_an_acknowledgement_with_a_blank_note_has_none(store: Store, blank: str) -> None:
    await acknowledge(store, await add_episode(store), JANE, LATER, blank)
    assert await noted(store) == []


async def test_what_a_store_cannot_hold_is_left_out_of_a_note(store: Store) -> None:
    await add_note(store, await add_episode(store), JANE, LATER, " a\0b\ud800 <b>'; DROP-- \n")
    assert await noted(store) == [(JANE.name, "ab? <b>'; DROP--")]


async def test_fingerprints_acknowledge_open_episodes_and_nothing_else(store: Store) -> None:
    first, second = await add_episode(store, 1), await add_episode(store, 2)
    await add_ended_episode(store, 3)
    other = await add_episode(store, 4)
    await acknowledge(store, second, JOE, LATER)
    given = [fingerprint(number) for number in (1, 2, 3, 5)] + [fingerprint(1), "x", "'", "\0"]
    found = await acknowledge_fingerprints(store, given, JANE, LATER, "all of it")
    assert [(one.alert_id, one.first, one.acknowledged_by) for one in found] == [
        (first, True, JANE.name),
        (second, False, JOE.name),
    ]
    assert (await episode(store, other)).status == "active"
    assert len(await noted(store)) == 2


async def test_no_fingerprint_acknowledges_nothing(store: Store) -> None:
    await add_episode(store)
    assert await acknowledge_fingerprints(store, [], JANE, LATER) == []


# --- notes, ends and false alarms ---------------------------------------------------------------


async def test_what_has_ended_can_still_be_noted_about_and_called_false(store: Store) -> None:
    ended = await add_ended_episode(store)
    note = await add_note(store, ended, JANE, LATER, "the switch again")
    await mark_false_positive(store, ended, JANE, LATER, note="nobody was affected")
    assert note == 1
    assert (await episode(store, ended)).false_positive
    assert [text for _, text in await noted(store)] == ["the switch again", "nobody was affected"]


async def test_what_is_archived_can_still_be_noted_about_and_called_false_but_not_acknowledged(
    store: Store,
) -> None:
    archived = await add_ended_episode(store)
    async with store.begin() as connection:
        # As the runbook does it.
        await connection.execute(
            text("CREATE TABLE alerts_archive_2026_11 AS SELECT * FROM alerts")
        )
        await connection.execute(text("DELETE FROM alerts"))
    await add_note(store, archived, JANE, LATER, "the switch again")
    await mark_false_positive(store, archived, JANE, LATER)
    with pytest.raises(AlertEndedError):
        await acknowledge(store, archived, JANE, LATER)
    with pytest.raises(AlertEndedError):
        await resolve(store, archived, JANE, LATER)
    async with store.read() as connection:
        found = await connection.scalar(text("SELECT false_positive FROM alerts_archive_2026_11"))
    assert found
    assert await trail(store) == [("note", JANE.name, "api"), ("false_positive", JANE.name, "api")]


async def test_a_false_alarm_is_marked_once_and_can_be_taken_back(store: Store) -> None:
    alert_id = await add_episode(store)
    for wanted in (True, True, False):
        await mark_false_positive(store, alert_id, JANE, LATER, false_positive=wanted)
    assert not (await episode(store, alert_id)).false_positive
    lines = await rows(store, alert_audit)
    assert [(line["before"], line["after"]) for line in lines] == [
        ({"false_positive": False}, {"false_positive": True}),
        ({"false_positive": True}, {"false_positive": False}),
    ]


async def test_what_a_person_ends_has_ended_while_its_source_fires_on(store: Store) -> None:
    alert_id = await add_episode(store)
    await acknowledge(store, alert_id, JOE, LATER)
    ended = LATER + timedelta(minutes=3)
    assert await resolve(store, alert_id, JANE, ended, "restarted") == ended
    kept = await episode(store, alert_id)
    assert (kept.status, kept.ends_at, kept.resolution, kept.resolved_by, kept.firing) == (
        "resolved",
        ended,
        "person",
        JANE.name,
        True,
    )
    assert kept.acknowledged_by == JOE.name
    with pytest.raises(AlertEndedError):
        await resolve(store, alert_id, JANE, ended)


async def test_nothing_ends_before_it_has_begun(store: Store) -> None:
    ahead = NOON + timedelta(seconds=30)
    alert_id = await add_episode(store, starts_at=ahead)
    assert await resolve(store, alert_id, JANE, NOON) == ahead


# --- races --------------------------------------------------------------------------------------


async def test_of_many_acknowledgements_at_once_one_is_first(store: Store) -> None:
    alert_id = await add_episode(store)
    people = [Actor(f"person-{number}", "api") for number in range(8)]
    found = await asyncio.gather(*(acknowledge(store, alert_id, who, LATER) for who in people))
    assert sum(one.first for one in found) == 1
    assert len({one.acknowledged_by for one in found}) == 1
    assert [line[0] for line in await trail(store)] == ["acknowledge"]


async def test_of_two_replicas_that_acknowledge_at_once_one_is_first(postgres: Postgres) -> None:
    shared = StoreOptions(url=new_database(postgres))
    async with opened(shared) as one, opened(shared) as other:
        numbers = range(1, 21)
        for number in numbers:
            await add_episode(one, number)
        given = [fingerprint(number) for number in numbers]
        # In opposite orders: whoever locked as it was given would wait for the other one.
        mine, theirs = await asyncio.gather(
            acknowledge_fingerprints(one, given, JANE, LATER),
            acknowledge_fingerprints(other, given[::-1], JOE, LATER),
        )
        assert sorted([mine[0].first, theirs[0].first]) == [False, True]
        assert len({ack.acknowledged_by for ack in (*mine, *theirs)}) == 1
        assert len(await trail(one)) == len(numbers)


async def test_a_resolve_beats_an_acknowledgement_that_races_it(store: Store) -> None:
    for number in range(1, 11):
        alert_id = await add_episode(store, number)
        first, second = await asyncio.gather(
            acknowledge(store, alert_id, JOE, LATER),
            resolve(store, alert_id, JANE, LATER),
            return_exceptions=True,
        )
        assert not isinstance(second, BaseException)
        kept = await episode(store, alert_id)
        assert kept.status == "resolved"
        assert isinstance(first, AlertEndedError) == (kept.acknowledged_at is None)
