"""Reconciling: what webhooks have lost is found, and nothing is ended that has not ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alerting_standins import StandInAlertmanager, StandInPrometheus, listening
from served_ledger import environment, labels, rows, spans
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection
from test_webhook import PLATFORM

from exporter.instruments import Registry
from exporter.ledger import reconcile as reconciling
from exporter.ledger.incoming import Incoming, observed
from exporter.ledger.ingest import Source
from exporter.ledger.ledger import Ledger
from exporter.ledger.reconcile import reconcile
from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import ACKNOWLEDGED, alert_audit, alerts
from exporter.settings import read_settings

AGO = timedelta(minutes=1)
STEP = timedelta(seconds=5)


@dataclass
class Scene:
    """A ledger, and what it asks."""

    ledger: Ledger
    alertmanagers: tuple[StandInAlertmanager, StandInAlertmanager]
    prometheus: StandInPrometheus
    now: datetime

    async def reconcile(self, minutes: float = 0) -> None:
        """So many minutes from now."""
        await reconcile(self.ledger, self.now + timedelta(minutes=minutes))

    async def told(
        self, since: datetime, until: datetime | None = None, source: Source = "webhook"
    ) -> None:
        """As Alertmanager's webhook would have."""
        await self.ledger.ingest([observed(labels(), since, until)], source, self.now - AGO)


def ledger_at(options: StoreOptions, alertmanagers: list[str], prometheus: list[str]) -> Ledger:
    """A ledger of the default platform, watched from elsewhere."""
    watched = PLATFORM.watched_by.model_copy(
        update={"alertmanagers": tuple(alertmanagers), "prometheus": tuple(prometheus)}
    )
    platform = PLATFORM.model_copy(update={"watched_by": watched})
    return Ledger(read_settings(environment(options)), Registry(), lambda: platform)


@pytest.fixture
async def scene(options: StoreOptions) -> AsyncIterator[Scene]:
    alertmanagers = StandInAlertmanager(), StandInAlertmanager()
    prometheus = StandInPrometheus()
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(listening(one)) for one in alertmanagers]
        third = await stack.enter_async_context(listening(prometheus))
        ledger = ledger_at(options, [first, second], [third])
        stack.push_async_callback(ledger.close)
        await ledger.store.open()
        yield Scene(ledger, alertmanagers, prometheus, datetime.now(UTC).replace(microsecond=0))


# --- what Alertmanager has ----------------------------------------------------------------------


async def test_an_alert_whose_webhook_was_lost_is_found_in_any_alertmanager(scene: Scene) -> None:
    since = scene.now - 10 * AGO
    scene.alertmanagers[1].has(labels(), since)
    await scene.reconcile()
    (row,) = await rows(scene.ledger.store)
    assert (row.starts_at, row.source, row.suppressed) == (since, "alertmanager", False)
    assert row.annotations == {"summary": "listed"}
    wanted = {"active", "silenced", "inhibited"}
    assert {name for name in wanted if scene.alertmanagers[1].asked[name] == "true"} == wanted


async def test_watchdog_and_escalations_are_not_the_ledgers(scene: Scene) -> None:
    scene.alertmanagers[0].has({"alertname": "Watchdog"}, scene.now)
    scene.alertmanagers[0].has(labels("AlertLedgerDrift", escalation="ledger"), scene.now)
    await scene.reconcile()
    assert await rows(scene.ledger.store) == []


async def test_what_is_suppressed_everywhere_is_known_to_be_and_waits_anew_afterwards(
    scene: Scene,
) -> None:
    since = scene.now - 10 * AGO
    first, second = scene.alertmanagers
    first.has(labels(), since, "suppressed")
    await scene.reconcile()
    (row,) = await rows(scene.ledger.store)
    assert (row.suppressed, row.waiting_since) == (True, None)
    second.has(labels(), since, "active")
    await scene.reconcile(minutes=1)
    (row,) = await rows(scene.ledger.store)
    assert (row.suppressed, row.waiting_since) == (False, scene.now + timedelta(minutes=1))
    assert row.response_due_at == row.waiting_since + timedelta(minutes=5)
    assert row.starts_at == since


# --- what nobody has any more -------------------------------------------------------------------


async def test_what_is_missing_is_ended_by_the_second_listing_at_the_time_of_the_first(
    scene: Scene,
) -> None:
    since = scene.now - 10 * AGO
    await scene.told(since)
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(since, None)]
    await scene.reconcile(minutes=1)
    (row,) = await rows(scene.ledger.store)
    assert (row.ends_at, row.resolution, row.firing) == (scene.now, "absence", False)


async def test_what_is_missing_in_hundreds_is_ended_by_several_transactions(
    scene: Scene,
) -> None:
    since, before = scene.now - 10 * AGO, scene.now - AGO
    many = [observed(labels(instance=str(number)), since) for number in range(450)]
    await scene.ledger.ingest(many, "webhook", before)
    await scene.reconcile()
    await scene.reconcile(minutes=1)
    assert set(await spans(scene.ledger.store)) == {(since, scene.now)}


async def test_what_is_acknowledged_while_it_is_found_missing_is_looked_at_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = scene.now - 10 * AGO
    await scene.told(since)
    await scene.reconcile()
    close = reconciling._close

    async def acknowledge_first(connection: AsyncConnection, *more: Any) -> Any:
        await connection.execute(
            update(alerts).values(status=ACKNOWLEDGED, updated_at=datetime.now(UTC))
        )
        return await close(connection, *more)

    with monkeypatch.context() as changed:
        changed.setattr(reconciling, "_close", acknowledge_first)
        await scene.reconcile(minutes=1)
    (row,) = await rows(scene.ledger.store)
    assert (row.status, row.firing) == ("acknowledged", True)


async def test_what_is_back_in_between_has_to_be_missed_twice_again(scene: Scene) -> None:
    since = scene.now - 10 * AGO
    await scene.told(since)
    await scene.reconcile()
    scene.alertmanagers[0].has(labels(), since)
    await scene.reconcile(minutes=1)
    scene.alertmanagers[0].alerts.clear()
    await scene.reconcile(minutes=2)
    assert await spans(scene.ledger.store) == [(since, None)]


async def test_nothing_is_missing_while_an_alertmanager_does_not_answer(scene: Scene) -> None:
    since = scene.now - 10 * AGO
    await scene.told(since)
    scene.alertmanagers[0].answers = False
    for minutes in range(4):
        await scene.reconcile(minutes=minutes)
    assert await spans(scene.ledger.store) == [(since, None)]


@pytest.mark.parametrize(("seconds", "ended"), [(299, False), (301, True)])
async def test_an_alertmanager_that_has_just_been_started_does_not_know_what_is_missing(
    scene: Scene, seconds: int, ended: bool
) -> None:
    since = scene.now - 10 * AGO
    await scene.told(since)
    scene.alertmanagers[1].started_at = scene.now - timedelta(seconds=seconds)
    await scene.reconcile()
    await scene.reconcile()
    ((_, end),) = await spans(scene.ledger.store)
    assert (end is not None) == ended


async def test_what_still_fires_in_prometheus_is_not_missing(scene: Scene) -> None:
    since = scene.now - 10 * AGO
    await scene.told(since)
    scene.prometheus.remembers(labels(), since, scene.now + timedelta(minutes=5))
    for minutes in range(4):
        await scene.reconcile(minutes=minutes)
    assert await spans(scene.ledger.store) == [(since, None)]


async def test_what_a_person_has_ended_fires_until_alertmanager_lacks_it(scene: Scene) -> None:
    await scene.told(scene.now - 10 * AGO)
    by_hand = {"status": "resolved", "ends_at": scene.now - AGO, "resolution": "person"}
    async with scene.ledger.store.begin() as connection:
        await connection.execute(update(alerts).values(by_hand))
    await scene.reconcile()
    (row,) = await rows(scene.ledger.store)
    assert row.firing
    await scene.reconcile(minutes=1)
    (row,) = await rows(scene.ledger.store)
    assert (row.firing, row.ends_at, row.resolution) == (False, scene.now - AGO, "person")


async def test_what_is_ended_unheard_is_in_the_audit_trail(scene: Scene) -> None:
    await scene.told(scene.now - 10 * AGO)
    await scene.reconcile()
    await scene.reconcile(minutes=1)
    async with scene.ledger.store.read() as connection:
        (line,) = (await connection.execute(alert_audit.select())).all()
    assert (line.actor, line.channel, line.action) == ("alert-evaluation", "worker", "end")
    assert line.after["resolution"] == "absence"


# --- what Prometheus remembers ------------------------------------------------------------------


async def test_what_came_and_went_while_nobody_listened_is_reconstructed(scene: Scene) -> None:
    await scene.reconcile(minutes=-90)
    since = scene.now - timedelta(minutes=70)
    last = scene.prometheus.remembers(labels(), since, scene.now - timedelta(minutes=5))
    await scene.reconcile()
    (row,) = await rows(scene.ledger.store)
    assert (row.starts_at, row.ends_at) == (since, last + STEP)
    assert (row.source, row.status, row.resolution) == ("prometheus", "resolved", "prometheus")
    await scene.reconcile(minutes=1)
    assert len(await rows(scene.ledger.store)) == 1


async def test_what_the_ledger_knows_is_not_reconstructed(scene: Scene) -> None:
    since = scene.now - timedelta(minutes=10)
    last = scene.prometheus.remembers(labels(), since, scene.now - timedelta(minutes=1))
    await scene.told(since, last + STEP)
    await scene.reconcile()
    assert len(await rows(scene.ledger.store)) == 1


async def test_a_lost_end_is_the_one_that_prometheus_remembers_once_no_alertmanager_has_it(
    scene: Scene,
) -> None:
    since = scene.now - timedelta(minutes=10)
    await scene.told(since)
    await scene.reconcile(minutes=-9)
    last = scene.prometheus.remembers(labels(), since, scene.now - timedelta(minutes=2))
    scene.alertmanagers[0].has(labels(), since)
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(since, None)]
    scene.alertmanagers[0].alerts.clear()
    await scene.reconcile(minutes=1)
    (row,) = await rows(scene.ledger.store)
    assert (row.ends_at, row.resolution) == (last + STEP, "prometheus")


async def test_a_told_end_takes_the_place_of_an_inferred_one(scene: Scene) -> None:
    since = scene.now - timedelta(minutes=10)
    await scene.told(since)
    scene.prometheus.remembers(labels(), since, scene.now - timedelta(minutes=1))
    await scene.reconcile()
    told = scene.now - timedelta(seconds=40)
    await scene.told(since, told)
    (row,) = await rows(scene.ledger.store)
    assert (row.ends_at, row.resolution) == (told, "alertmanager")


async def test_an_end_that_ended_an_earlier_episode_does_not_end_this_one(scene: Scene) -> None:
    early, late = scene.now - timedelta(minutes=10), scene.now - timedelta(seconds=70)
    last = scene.prometheus.remembers(labels(), early, scene.now - timedelta(minutes=5))
    await scene.told(early, last + STEP)
    await scene.told(late)
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(early, last + STEP), (late, None)]


async def test_what_a_restart_of_prometheus_interrupted_is_one_episode(scene: Scene) -> None:
    await scene.reconcile(minutes=-30)
    first, second = scene.now - timedelta(minutes=20), scene.now - timedelta(minutes=10)
    scene.prometheus.remembers(labels(), first, first + timedelta(minutes=5))
    scene.prometheus.started_at = second - timedelta(seconds=30)
    last = scene.prometheus.remembers(labels(), second, second + timedelta(minutes=5))
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(first, last + STEP)]


async def test_a_gap_without_a_restart_makes_two_episodes(scene: Scene) -> None:
    await scene.reconcile(minutes=-30)
    first, second = scene.now - timedelta(minutes=20), scene.now - timedelta(minutes=10)
    ends = [
        scene.prometheus.remembers(labels(), start, start + timedelta(minutes=5)) + STEP
        for start in (first, second)
    ]
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(first, ends[0]), (second, ends[1])]


async def test_an_end_that_was_lost_between_two_starts_is_found(scene: Scene) -> None:
    """Alertmanager forgets an end that it could not deliver before the alert fired again."""
    first, second = scene.now - timedelta(minutes=20), scene.now - timedelta(minutes=10)
    scene.alertmanagers[0].has(labels(), first)
    await scene.reconcile(minutes=-19)
    (before,) = await rows(scene.ledger.store)
    last = scene.prometheus.remembers(labels(), first, first + timedelta(minutes=5))
    scene.prometheus.remembers(labels(), second, scene.now)
    scene.alertmanagers[0].alerts.clear()
    scene.alertmanagers[0].has(labels(), second)
    await scene.reconcile()
    earlier, later = await rows(scene.ledger.store)
    assert (earlier.id, earlier.ends_at, earlier.status) == (before.id, last + STEP, "resolved")
    assert (later.starts_at, later.ends_at, later.status) == (second, None, "active")
    assert later.annotations == {"summary": "listed"}
    await scene.reconcile(minutes=0.1)
    assert len(await rows(scene.ledger.store)) == 2


async def test_an_end_is_found_even_if_only_prometheus_knows_that_it_fired_again(
    scene: Scene,
) -> None:
    first, second = scene.now - timedelta(minutes=20), scene.now - timedelta(minutes=10)
    await scene.told(first)
    await scene.reconcile(minutes=-19)
    ends = [
        scene.prometheus.remembers(labels(), start, start + timedelta(minutes=5)) + STEP
        for start in (first, second)
    ]
    await scene.reconcile()
    await scene.reconcile(minutes=0.1)
    assert await spans(scene.ledger.store) == [(first, ends[0]), (second, ends[1])]


async def test_a_gap_in_which_the_alert_stayed_active_ends_nothing(scene: Scene) -> None:
    first, second = scene.now - timedelta(minutes=20), scene.now - timedelta(minutes=10)
    await scene.reconcile(minutes=-25)
    scene.prometheus.active_at = int(first.timestamp())
    scene.prometheus.remembers(labels(), first, first + timedelta(minutes=5))
    last = scene.prometheus.remembers(labels(), second, second + timedelta(minutes=5))
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(first, last + STEP)]


async def test_a_short_episode_right_after_another_is_reconstructed_too(scene: Scene) -> None:
    await scene.reconcile(minutes=-30)
    first = scene.now - timedelta(minutes=20)
    end = scene.prometheus.remembers(labels(), first, first + timedelta(minutes=5)) + STEP
    await scene.told(first, end)
    second = end + 1.6 * STEP
    last = scene.prometheus.remembers(labels(), second, second + STEP)
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(first, end), (second, last + STEP)]


async def test_one_missed_evaluation_is_no_gap(scene: Scene) -> None:
    since = scene.now - timedelta(minutes=3)
    scene.prometheus.remembers(labels(), since, since + timedelta(seconds=30))
    last = scene.prometheus.remembers(
        labels(), since + timedelta(seconds=40), since + timedelta(seconds=60)
    )
    await scene.reconcile(minutes=-10)
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(since, last + STEP)]


async def test_what_was_told_meanwhile_is_looked_for_again_when_prometheus_is_back(
    scene: Scene,
) -> None:
    await scene.reconcile(minutes=-60)
    since = scene.now - timedelta(minutes=50)
    last = scene.prometheus.remembers(labels(), since, scene.now - timedelta(minutes=40))
    scene.prometheus.answers = False
    for minutes in (-39, -20, -1):
        await scene.reconcile(minutes=minutes)
    assert await rows(scene.ledger.store) == []
    scene.prometheus.answers = True
    await scene.reconcile()
    assert await spans(scene.ledger.store) == [(since, last + STEP)]


async def test_what_fires_in_prometheus_alone_is_reconstructed_as_open_after_a_minute(
    scene: Scene,
) -> None:
    since = scene.now - timedelta(seconds=30)
    scene.prometheus.remembers(labels(), since, scene.now + timedelta(minutes=5))
    await scene.reconcile()
    assert await rows(scene.ledger.store) == []
    await scene.reconcile(minutes=1)
    (row,) = await rows(scene.ledger.store)
    assert (row.starts_at, row.ends_at, row.source) == (since, None, "prometheus")


async def test_an_acknowledgement_outlives_reconciling(scene: Scene) -> None:
    since = scene.now - 10 * AGO
    await scene.told(since)
    async with scene.ledger.store.begin() as connection:
        await connection.execute(
            update(alerts).values(status=ACKNOWLEDGED, acknowledged_at=scene.now - AGO)
        )
    scene.alertmanagers[0].has(labels(), since + AGO)
    await scene.reconcile()
    (row,) = await rows(scene.ledger.store)
    assert (row.status, row.starts_at) == ("acknowledged", since)


async def test_two_replicas_may_reconcile_at_the_same_time(scene: Scene) -> None:
    await scene.reconcile(minutes=-60)
    since = scene.now - timedelta(minutes=50)
    last = scene.prometheus.remembers(labels(), since, scene.now - timedelta(minutes=40))
    scene.alertmanagers[0].has(labels("Other"), since)
    await asyncio.gather(*(scene.reconcile() for _ in range(4)))
    assert await spans(scene.ledger.store) == [(since, last + STEP), (since, None)] or (
        await spans(scene.ledger.store)
    ) == [(since, None), (since, last + STEP)]


RELABELLED = """
global: {external_labels: {cluster: eu, replica: a, service: never}}
alerting: {alert_relabel_configs: [{regex: replica, action: labeldrop}]}
"""


async def test_external_labels_are_those_of_the_alert_that_alertmanager_knows(
    scene: Scene,
) -> None:
    scene.prometheus.config = RELABELLED
    since = scene.now - 10 * AGO
    scene.prometheus.remembers(labels(), since, scene.now)
    scene.alertmanagers[0].has(labels(cluster="eu"), since)
    await scene.reconcile()
    (row,) = await rows(scene.ledger.store)
    assert row.source == "alertmanager"


@pytest.mark.parametrize(
    "config",
    [
        "alerting: {alert_relabel_configs: [{target_label: a, replacement: b}]}",
        "alerting: {alertmanagers: [{alert_relabel_configs: [{regex: a, action: labeldrop}]}]}",
        "alerting: {alert_relabel_configs: [{regex: '(', action: labeldrop}]}",
        "alerting: [",
        "alerting: 5",
    ],
)
async def test_a_prometheus_that_sends_other_labels_than_can_be_followed_tells_nothing(
    scene: Scene, config: str
) -> None:
    scene.prometheus.config = config
    scene.prometheus.remembers(labels(), scene.now - 2 * AGO, scene.now - AGO)
    await scene.reconcile()
    assert await rows(scene.ledger.store) == []


# --- what is no answer --------------------------------------------------------------------------


async def test_what_is_not_there_is_no_error(options: StoreOptions) -> None:
    ledger = ledger_at(options, ["127.0.0.1:1"], ["127.0.0.1:1"])
    await ledger.store.open()
    await ledger.ingest(
        [Incoming("0" * 16, labels(), datetime.now(UTC))], "webhook", datetime.now(UTC)
    )
    for _ in range(3):
        await reconcile(ledger, datetime.now(UTC))
    ((_, end),) = await spans(ledger.store)
    assert end is None
    await ledger.close()
