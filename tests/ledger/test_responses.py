"""Who has which alert and how people respond, as /metrics tells it; on both stores."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from episodes import NOON, add_ended_episode, add_episode

from exporter.instruments import Registry
from exporter.ledger import state
from exporter.ledger.actions import acknowledge, mark_false_positive, resolve
from exporter.ledger.actor import Actor
from exporter.ledger.archiving import Archiving, archive
from exporter.ledger.errors import StoreUnavailableError
from exporter.ledger.responses import Responses
from exporter.ledger.store import Store
from exporter.ledger.tables import alerts
from model import Platform, Workers, days
from model.load import load

PLATFORM = load(Path("config.py"))
JANE = Actor("jane@example.com", "api")
FOR_JOE = Actor("jane@example.com", "api", on_behalf_of="joe@example.com")
SINCE = "alert_ledger_acknowledged_since_timestamp_seconds"


def after(minutes: float) -> timedelta:
    return timedelta(minutes=minutes)


async def holders(store: Store, minutes: float) -> dict[str, float]:
    """Who has what, so many minutes after noon, and since how many minutes after noon."""
    registry = Registry()
    state.Told(registry).tell(await state.read(store, NOON + after(minutes)), PLATFORM)
    found = {name: at for name, at in _samples(registry).items() if name.startswith(SINCE)}
    return {
        name.partition('acknowledged_by="')[2].rstrip('"}'): (at - NOON.timestamp()) / 60
        for name, at in found.items()
    }


async def figures(
    store: Store, minutes: float, name: str, platform: Platform = PLATFORM
) -> dict[str, float]:
    """A figure of each window and name, so many minutes after noon."""
    registry = Registry()
    await Responses(store, registry, lambda: platform).refresh(NOON + after(minutes))
    prefix = f"alert_ledger_{name}{{"
    found = _samples(registry).items()
    return {
        series.removeprefix(prefix).rstrip("}"): number
        for series, number in found
        if series.startswith(prefix)
    }


def _samples(registry: Registry) -> dict[str, float]:
    lines = registry.text().decode().splitlines()
    told = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(number) for name, number in told}


def windows(number: float, *names: str) -> dict[str, float]:
    return {f'window="{name}",source_alertname="ServiceDown"': number for name in names}


# --- who has it ---------------------------------------------------------------------------------


async def test_nobody_has_an_alert_that_nobody_has_acknowledged(store: Store) -> None:
    await add_episode(store)
    assert await holders(store, 1) == {}


async def test_whoever_acknowledges_an_alert_has_it_until_it_ends(store: Store) -> None:
    alert_id = await add_episode(store)
    await acknowledge(store, alert_id, JANE, NOON + after(2))
    assert await holders(store, 3) == {"jane@example.com": 2}
    await resolve(store, alert_id, JANE, NOON + after(4))
    assert await holders(store, 5) == {}


async def test_for_whom_it_was_acknowledged_has_it(store: Store) -> None:
    alert_id = await add_episode(store)
    await acknowledge(store, alert_id, FOR_JOE, NOON + after(2))
    assert await holders(store, 3) == {"joe@example.com": 2}


async def test_a_name_that_would_break_the_format_is_escaped(store: Store) -> None:
    alert_id = await add_episode(store)
    await acknowledge(store, alert_id, Actor('a"b\\c\nd', "api"), NOON + after(2))
    assert await holders(store, 3) == {'a\\"b\\\\c\\nd': 2}


async def test_without_a_store_nobody_is_said_to_have_anything(store: Store) -> None:
    await acknowledge(store, await add_episode(store), JANE, NOON + after(2))
    registry = Registry()
    told = state.Told(registry)
    told.tell(await state.read(store, NOON + after(3)), PLATFORM)
    told.lose()
    assert not [name for name in _samples(registry) if name.startswith(SINCE)]


# --- how people respond -------------------------------------------------------------------------


async def test_without_an_alert_there_is_no_figure(store: Store) -> None:
    for name in ("fired_alerts", "mean_time_to_acknowledge_seconds", "false_positive_alerts"):
        assert await figures(store, 1, name) == {}


async def test_alerts_count_in_the_windows_in_which_they_began(store: Store) -> None:
    for number, ago in enumerate((0, 2, 8, 31)):
        await add_ended_episode(store, number, starts_at=NOON - timedelta(days=ago))
    fired = await figures(store, 1, "fired_alerts")
    assert fired == windows(1, "24h") | windows(2, "7d") | windows(3, "30d")


async def test_means_are_over_those_that_were_acknowledged_or_have_ended(store: Store) -> None:
    first, second, _ = [await add_episode(store, number) for number in range(3)]
    await acknowledge(store, first, JANE, NOON + after(1))
    await acknowledge(store, second, JANE, NOON + after(3))
    await resolve(store, second, JANE, NOON + after(9))
    acknowledged = await figures(store, 10, "mean_time_to_acknowledge_seconds")
    assert acknowledged == pytest.approx(windows(120, "24h", "7d", "30d"))
    resolved = await figures(store, 10, "mean_time_to_resolve_seconds")
    assert resolved == pytest.approx(windows(540, "24h", "7d", "30d"))


async def test_what_nobody_acknowledged_has_no_time_to_acknowledge(store: Store) -> None:
    await add_episode(store)
    assert await figures(store, 1, "mean_time_to_acknowledge_seconds") == {}
    assert await figures(store, 1, "mean_time_to_resolve_seconds") == {}


async def test_false_positives_and_late_responses_are_counted(store: Store) -> None:
    wrong, _ = [await add_episode(store, number) for number in range(2)]
    await mark_false_positive(store, wrong, JANE, NOON + after(1))
    assert await figures(store, 2, "false_positive_alerts") == windows(1, "24h", "7d", "30d")
    assert await figures(store, 5, "late_response_alerts") == windows(0, "24h", "7d", "30d")
    assert await figures(store, 6, "late_response_alerts") == windows(2, "24h", "7d", "30d")


async def test_delivery_is_timed_by_what_alertmanager_delivered_itself(store: Store) -> None:
    await add_episode(store, 1, created_at=NOON + timedelta(seconds=4))
    await add_episode(store, 2, created_at=NOON + timedelta(seconds=8))
    await add_episode(store, 3, created_at=NOON + timedelta(hours=1), source="prometheus")
    found = await figures(store, 61, "mean_time_to_deliver_seconds")
    # SQLite counts days: a second is no round part of one.
    assert found == pytest.approx(windows(6, "24h", "7d", "30d"), rel=1e-4)


async def test_what_is_archived_early_still_counts(store: Store) -> None:
    ended = NOON - timedelta(days=3)
    times = {"starts_at": ended, "created_at": ended, "ends_at": ended + after(1)}
    await add_ended_episode(store, 1, **times)
    async with store.session() as session:
        moving = Archiving(alerts, alerts.c.created_at, (alerts.c.ends_at.is_not(None),))
        assert await archive(session, moving, NOON - timedelta(days=2)) == 1
    early = PLATFORM.model_copy(update={"workers": Workers(keep_alerts=days(2))})
    assert await figures(store, 1, "fired_alerts", early) == windows(1, "7d", "30d")


async def test_a_store_that_is_down_takes_the_figures_along(store: Store) -> None:
    await add_episode(store)
    registry = Registry()
    responses = Responses(store, registry, lambda: PLATFORM)
    await responses.refresh(NOON + after(1))
    assert _samples(registry)
    await store.close()
    with pytest.raises(StoreUnavailableError):
        await responses.refresh(NOON + after(2))
    responses.lose()
    assert _samples(registry) == {}
