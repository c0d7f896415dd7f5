"""The webhook: what Alertmanager delivers, on both stores."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from served_ledger import (
    TOKEN,
    WEBHOOK,
    alert,
    body,
    deliver,
    labels,
    ledger_of,
    minute,
    post,
    rows,
    served,
    spans,
)
from serving import Fleet, Served, serving
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from stores import new_database

from exporter.ledger import ingest as ingest_module
from exporter.ledger.incoming import observed, read_webhook
from exporter.ledger.ingest import ingest
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import ACKNOWLEDGED, alert_groups, alerts
from model.load import load
from programs import Postgres

PLATFORM = load(Path(__file__).parents[2] / "config.py")


@pytest.fixture
async def made(tmp_path: Path, options: StoreOptions) -> AsyncIterator[Served]:
    async with served(tmp_path, options) as running:
        yield running


async def metric(made: Served, name: str) -> dict[str, float]:
    """The series of a metric that /metrics tells, by their labels."""
    async with made.client.get("/metrics") as answer:
        text = await answer.text()
    found = (line.rpartition(" ") for line in text.splitlines() if line.startswith(name))
    return {series.removeprefix(name): float(number) for series, _, number in found}


async def until_metric(made: Served, name: str, wanted: dict[str, float]) -> None:
    async with asyncio.timeout(60):
        while await metric(made, name) != wanted:  # noqa: ASYNC110 - it is a page that changes
            await asyncio.sleep(0.05)


# --- who and what is refused --------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN])
async def test_only_who_shows_the_token_may_deliver(made: Served, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await made.client.post(WEBHOOK, json=body(alert(minute(0))), headers=headers)
    assert answer.status == 401
    assert (await answer.json())["code"] == "UNAUTHORIZED"
    assert await rows(ledger_of(made).store) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"alerts": {}}',
        b'{"alerts": [{}]}',
        b'{"alerts": [{"labels": {}}]}',
        b'{"alerts": [{"labels": {"a": {}}}]}',
        b'{"alerts": [1, "a", null]}',
        b'{"alerts": [] x',
        b'{"alerts": []} {}',
        b"\xff\xfe",
        b'{"alerts": ' + b"[" * 100_000,
        b'{"alerts": [{"labels": ' + b'{"a":' * 100_000,
    ],
)
async def test_a_body_that_can_never_be_read_is_refused(made: Served, data: bytes) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = await made.client.post(WEBHOOK, data=data, headers=headers)
    assert answer.status == 400
    assert (await answer.json())["code"] == "VALIDATION_ERROR"


async def test_a_body_of_ten_megabytes_is_too_large(made: Served) -> None:
    entry = alert(minute(0), annotations={"summary": "x" * 10 * 2**20})
    answer = await post(made, body(entry))
    assert answer.status == 413


async def test_entries_that_are_no_alerts_do_not_keep_the_others_from_being_stored(
    made: Served,
) -> None:
    changes = await deliver(made, 7, alert(minute(0)), {"labels": {"a": 1.5, "b": []}})
    assert (changes["opened"], changes["unreadable"]) == (1, 2)


@pytest.mark.parametrize(
    "hostile",
    [
        {"startsAt": "tomorrow"},
        {"startsAt": None},
        {"startsAt": "2999-01-01T00:00:00Z"},
        {"startsAt": "0001-01-01T00:00:00+14:00"},
        {"startsAt": "9999-12-31T23:59:59-14:00"},
        {"startsAt": 10**30},
        {"startsAt": "2026-11-25T12:00:00"},
        {"endsAt": {}, "annotations": [], "generatorURL": 5, "fingerprint": "'; DROP TABLE"},
        {"labels": labels() | {"nul\0": "a\0b", "half": "\ud800", "": ""}},
        {"annotations": {"nul\0": "a\0b", "half": "\ud800", "value": "x" * 100_000}},
        {"labels": labels("N" * 50_000, service="s" * 50_000, severity="v" * 50_000)},
        {"labels": {f"label_{number}": "x" for number in range(1000)} | labels()},
        {"labels": labels("' OR 1=1 --", service="<script>")},
    ],
)
async def test_what_is_hostile_is_stored_as_something_harmless(
    made: Served, hostile: dict[str, Any]
) -> None:
    started = datetime.now(UTC)
    changes = await deliver(made, alert(minute(0)) | hostile)
    assert changes["opened"] == 1
    (row,) = await rows(ledger_of(made).store)
    if "startsAt" in hostile:
        assert started <= row.starts_at <= datetime.now(UTC)
    assert len(row.labels) <= 64
    texts = [*row.labels, *row.labels.values(), *row.annotations.values()]
    assert all("\0" not in text and len(text) <= 4096 for text in texts)
    assert row.severity
    assert "escalation" not in row.labels


async def test_what_is_not_the_ledgers_is_left_out(made: Served) -> None:
    watchdog = alert(minute(0), of={"alertname": "Watchdog"})
    escalation = alert(minute(0), of=labels("AlertUnacknowledgedManager", escalation="manager"))
    changes = await deliver(made, watchdog, escalation)
    assert changes["foreign"] == 2
    assert await rows(ledger_of(made).store) == []


# --- the life of an alert -----------------------------------------------------------------------


async def test_an_alert_is_stored_with_all_that_is_said_of_it(made: Served) -> None:
    await deliver(made, alert(minute(0)))
    (row,) = await rows(ledger_of(made).store)
    assert (row.name, row.severity, row.service) == ("ServiceDown", "critical", "auth-service")
    assert (row.status, row.firing, row.source) == ("active", True, "webhook")
    assert (row.starts_at, row.ends_at) == (minute(0), None)
    assert row.response_due_at == minute(5)
    assert row.annotations == {"summary": "it is down"}
    assert row.generator_url == "http://prometheus/graph"


async def test_the_status_of_the_whole_group_means_nothing(made: Served) -> None:
    other = labels("DatabaseDown")
    await deliver(made, alert(minute(0)), alert(minute(1), minute(3), of=other))
    assert [row.status for row in await rows(ledger_of(made).store)] == ["active", "resolved"]


async def test_a_late_firing_is_ignored(made: Served) -> None:
    await deliver(made, alert(minute(0)))
    await deliver(made, alert(minute(0), minute(5)))
    assert (await deliver(made, alert(minute(0))))["unchanged"] == 1
    assert await spans(ledger_of(made).store) == [(minute(0), minute(5))]


async def test_a_pair_of_prometheus_sends_firing_resolved_firing_resolved(made: Served) -> None:
    for end in (None, minute(5), None, minute(5)):
        await deliver(made, alert(minute(0), end))
    assert await spans(ledger_of(made).store) == [(minute(0), minute(5))]


async def test_a_start_that_moves_keeps_the_earliest(made: Served) -> None:
    for start in (3, 9, 5):
        await deliver(made, alert(minute(start)))
    assert await spans(ledger_of(made).store) == [(minute(3), None)]
    await deliver(made, alert(minute(9), minute(20)))
    assert await spans(ledger_of(made).store) == [(minute(3), minute(20))]


async def test_a_start_that_turns_out_to_be_earlier_makes_the_response_due_earlier(
    made: Served,
) -> None:
    await deliver(made, alert(minute(3)))
    await deliver(made, alert(minute(1)))
    (row,) = await rows(ledger_of(made).store)
    assert row.response_due_at == minute(6)


async def test_an_unknown_resolve_is_stored_as_ended(made: Served) -> None:
    assert (await deliver(made, alert(minute(0), minute(5))))["recorded"] == 1
    (row,) = await rows(ledger_of(made).store)
    assert (row.status, row.firing, row.resolution) == ("resolved", False, "alertmanager")
    assert (row.starts_at, row.ends_at) == (minute(0), minute(5))


async def test_what_fires_again_is_a_new_episode_that_nobody_has_acknowledged(
    made: Served,
) -> None:
    store = ledger_of(made).store
    await deliver(made, alert(minute(0)))
    await acknowledge(made, minute(1))
    await deliver(made, alert(minute(0), minute(5)))
    await deliver(made, alert(minute(6)))
    first, second = await rows(store)
    assert (first.status, first.acknowledged_by) == ("resolved", "ann")
    assert (second.status, second.acknowledged_by) == ("active", None)


async def acknowledge(made: Served, at: datetime) -> int:
    """As a person does: only what is open."""
    acknowledged = {"status": ACKNOWLEDGED, "acknowledged_at": at, "acknowledged_by": "ann"}
    async with ledger_of(made).store.begin() as connection:
        done = await connection.execute(
            update(alerts).where(alerts.c.status == "active").values(acknowledged)
        )
        return done.rowcount


async def test_further_messages_leave_an_acknowledgement_alone(made: Served) -> None:
    await deliver(made, alert(minute(0)))
    await acknowledge(made, minute(1))
    await deliver(made, alert(minute(0), annotations={"summary": "it is still down"}))
    (row,) = await rows(ledger_of(made).store)
    assert (row.status, row.acknowledged_by) == ("acknowledged", "ann")
    assert row.annotations == {"summary": "it is still down"}


async def test_a_resolve_beats_a_racing_acknowledgement(made: Served) -> None:
    store = ledger_of(made).store
    for number in range(20):
        of = labels(f"Alert{number}")
        await deliver(made, alert(minute(0), of=of))
        await asyncio.gather(
            deliver(made, alert(minute(0), minute(5), of=of)), acknowledge(made, minute(1))
        )
    assert {(row.status, row.ends_at) for row in await rows(store)} == {("resolved", minute(5))}


async def test_a_delivery_is_stored_whole_or_not_at_all(
    made: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []

    async def fail_at_second(connection: AsyncConnection, work: Any) -> None:
        writes.append(len(work.inserts))
        if len(writes) == 2:
            raise ZeroDivisionError
        await write(connection, work)

    write = ingest_module._write
    monkeypatch.setattr(ingest_module, "_write", fail_at_second)
    many = [alert(minute(0), of=labels(instance=str(number))) for number in range(80)]
    answer = await post(made, body(*many))
    assert (answer.status, len(writes)) == (500, 2)
    assert await rows(ledger_of(made).store) == []


async def test_the_group_of_another_receiver_is_remembered(made: Served) -> None:
    await deliver(made, alert(minute(0)))
    await deliver(made, alert(minute(0)), receiver="email+pagerduty")
    await deliver(made, alert(minute(0)), receiver="email+pagerduty")
    async with ledger_of(made).store.read() as connection:
        (row,) = (await connection.execute(select(alert_groups))).all()
    assert (row.receiver, row.group_key) == ("email+pagerduty", '{}:{alertname="ServiceDown"}')


async def test_a_thousand_alerts_at_once_leave_the_event_loop_to_others_in_between(
    store: Store,
) -> None:
    now = datetime.now(UTC)
    many = [alert(minute(0), of=labels(instance=str(number))) for number in range(1000)]
    ends = {"status": "resolved", "endsAt": minute(5).isoformat()}
    for entries, change in ((many, "opened"), ([one | ends for one in many], "closed")):
        async with turns() as counted:
            received = await read_webhook(json.dumps(body(*entries)).encode(), now)
            outcome = await ingest(store, received.incoming, "webhook", now, PLATFORM)
        assert outcome.changes == {"foreign": 0, change: 1000}
        assert counted.turns > 50


async def test_what_is_delivered_at_once_is_committed_together(
    made: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    take = ledger_of(made).ingest

    async def count(incoming: Any, *more: Any) -> Any:
        commits.append(len(incoming))
        return await take(incoming, *more)

    monkeypatch.setattr(ledger_of(made), "ingest", count)
    many = [alert(minute(0), of=labels(instance=str(number))) for number in range(60)]
    await asyncio.gather(*(deliver(made, one) for one in many))
    assert len(await rows(ledger_of(made).store)) == sum(commits) == 60
    assert len(commits) < 60


async def test_a_delivery_that_fails_does_not_take_others_with_it(
    made: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = ledger_of(made).ingest

    async def refuse_one(incoming: Any, *more: Any) -> Any:
        if any(one.name == "Poison" for one in incoming):
            raise ZeroDivisionError
        return await take(incoming, *more)

    monkeypatch.setattr(ledger_of(made), "ingest", refuse_one)
    of = [labels("Poison"), *(labels(f"Alert{number}") for number in range(20))]
    found = await asyncio.gather(
        *(ledger_of(made).deliver([observed(one, minute(0))]) for one in of),
        return_exceptions=True,
    )
    assert [type(one) for one in found] == [ZeroDivisionError, *(20 * [type(None)])]
    assert len(await rows(ledger_of(made).store)) == 20


async def test_a_delivery_whose_sender_has_gone_is_kept_all_the_same(made: Served) -> None:
    sent = asyncio.create_task(ledger_of(made).deliver([observed(labels(), minute(0))]))
    await asyncio.sleep(0)
    sent.cancel()
    await deliver(made, alert(minute(1), of=labels("Second")))
    assert len(await rows(ledger_of(made).store)) == 2


@dataclass
class Counted:
    turns: int = 0


@asynccontextmanager
async def turns() -> AsyncIterator[Counted]:
    """How often somebody else has had the event loop meanwhile."""
    counted = Counted()

    async def count() -> None:
        while True:
            await asyncio.sleep(0)
            counted.turns += 1

    counting = asyncio.create_task(count())
    try:
        yield counted
    finally:
        counting.cancel()


# --- what is told -------------------------------------------------------------------------------

UNACKED = "alert_ledger_unacked_since_timestamp_seconds"
OPEN = "alert_ledger_open_alerts"


def series_of(alert_id: str, name: str) -> str:
    return (
        f'{{alert_id="{alert_id}",source_alertname="{name}",'
        'severity="critical",service="auth-service"}'
    )


async def test_what_waits_is_told_by_its_start_and_zero_once_acknowledged_or_ended(
    made: Served,
) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    await deliver(made, alert(start))
    (row,) = await rows(ledger_of(made).store)
    series = series_of(row.id, "ServiceDown")
    await until_metric(made, UNACKED, {series: start.timestamp()})
    assert await metric(made, OPEN) == {"": 1}
    await acknowledge(made, datetime.now(UTC))
    await until_metric(made, UNACKED, {series: 0})
    await deliver(made, alert(start, start + timedelta(seconds=30)))
    await until_metric(made, OPEN, {"": 0})
    assert await metric(made, UNACKED) == {series: 0}


async def test_what_ended_more_than_five_minutes_ago_is_told_no_more(made: Served) -> None:
    now = datetime.now(UTC)
    old, recent = labels("Old"), labels("Recent")
    start = now - timedelta(hours=1)
    await deliver(
        made,
        alert(start, now - timedelta(seconds=301), of=old),
        alert(start, now - timedelta(seconds=200), of=recent),
    )
    found = {row.name: row.id for row in await rows(ledger_of(made).store)}
    await until_metric(made, UNACKED, {series_of(found["Recent"], "Recent"): 0})


async def test_what_nobody_has_answered_in_time_is_counted(made: Served) -> None:
    now = datetime.now(UTC)
    await deliver(
        made,
        alert(now - timedelta(minutes=6), of=labels("Late")),
        alert(now - timedelta(minutes=1), of=labels("Early")),
    )
    await until_metric(made, "alert_ledger_overdue_alerts", {'{severity="critical"}': 1})


async def test_messages_are_counted_by_what_they_changed(made: Served) -> None:
    for _ in range(2):
        await deliver(made, alert(minute(0)))
    told = await metric(made, "alert_ledger_messages_total")
    assert told['{source="webhook",change="opened"}'] == 1
    assert told['{source="webhook",change="unchanged"}'] == 1


# --- several replicas, and a store that fails ---------------------------------------------------


async def test_three_replicas_that_are_told_the_same_at_once_store_one_episode(
    tmp_path: Path, postgres: Postgres
) -> None:
    options = StoreOptions(url=new_database(postgres))
    async with (
        served(tmp_path / "a", options, "a") as first,
        served(tmp_path / "b", options, "b") as second,
        served(tmp_path / "c", options, "c") as third,
    ):
        replicas = (first, second, third)
        many = [labels(instance=str(number)) for number in range(30)]
        for end in (None, minute(5)):
            entries = [alert(minute(0), end, of=of) for of in many]
            await asyncio.gather(*(deliver(one, *entries) for one in replicas for _ in range(3)))
        unknown = alert(minute(7), minute(8), of=labels("Unknown"))
        await asyncio.gather(*(deliver(one, unknown) for one in replicas for _ in range(5)))
        found = await spans(ledger_of(first).store)
    assert found == [(minute(0), minute(5))] * 30 + [(minute(7), minute(8))]


async def test_a_restart_keeps_the_episode_and_its_acknowledgement(
    tmp_path: Path, options: StoreOptions
) -> None:
    async with served(tmp_path, options) as made:
        await deliver(made, alert(minute(0)))
        await acknowledge(made, minute(1))
    async with served(tmp_path, options) as made:
        await deliver(made, alert(minute(0)))
        (row,) = await rows(ledger_of(made).store)
        assert (row.status, row.acknowledged_by) == ("acknowledged", "ann")
        await until_metric(made, OPEN, {"": 1})
        assert set((await metric(made, UNACKED)).values()) == {0}


async def test_a_store_that_is_down_is_503_and_what_waits_goes_on_waiting(
    tmp_path: Path,
) -> None:
    with Postgres() as server:
        async with served(tmp_path, StoreOptions(url=new_database(server))) as made:
            start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
            await deliver(made, alert(start, of=labels("Acknowledged")))
            await acknowledge(made, start)
            await deliver(made, alert(start, of=labels("Waiting")))
            await until_metric(made, OPEN, {"": 2})
            server.stop()
            answer = await post(made, body(alert(start, of=labels("Third"))))
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            await until_metric(made, "alert_ledger_store_up", {"": 0})
            told = await metric(made, UNACKED)
            assert list(told.values()) == [start.timestamp()]
            assert await metric(made, OPEN) == {"": 2}
            server.start()
            server.wait_ready()
            await until_metric(made, "alert_ledger_store_up", {"": 1})
            await deliver(made, alert(start, of=labels("Third")))
            await until_metric(made, OPEN, {"": 3})


async def test_an_exporter_without_a_ledger_sends_alertmanager_to_another_replica(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, Fleet()) as made:
        answer = await post(made, body(alert(minute(0))))
        assert answer.status == 503
        assert await metric(made, "alert_ledger") == {}
