"""`checklist`: each item is fine, wrong, unknown or a person's; none is claimed to be done."""

from __future__ import annotations

import asyncio
import json
import re
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock, patch

import pytest
import yaml
from episodes import add_ended_episode, add_episode
from operating import ROOT, operate, operate_here, path
from remembering import backfill
from served_ledger import environment, ledger_of, served, with_ledger
from serving import SERVICE_DOWN, Served
from sqlalchemy import insert, update
from standins import failure, until
from stores import opened, sqlite

from exporter.checklists import LISTS
from exporter.ledger import incidents
from exporter.ledger.actor import Actor
from exporter.ledger.incidents import Kind
from exporter.ledger.state import BACKED_UP, BACKUP
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alert_notes, facts, workers
from exporter.operations import notification_log
from exporter.operations.checklist import go_through
from exporter.operations.looks.desk import desk as desk_of
from exporter.operations.looks.outcome import Outcome, State, worst
from exporter.operations.looks.program import Ended
from exporter.operations.looks.table import LOOKS
from programs import Prometheus, free_port

NOW = datetime.now(UTC)
ME = Actor("me", "command")
ALERTS = f"""alerts=({SERVICE_DOWN}
        Alert(name="NeverYet", group="services", expr=observed(metrics.PROBE_SUCCESS) < "0.1",
              for_=seconds(10), severity="critical", summary="it is down", description="It is."),
    ),"""
Usage = namedtuple("Usage", "total used free")
HANDS = {"vpn", "laptop", "brief"}
COMBINED, ERRORS = "monitoring-combined.log", "monitoring-error.log"


NOBODY = "watched_by=Prometheus(prometheus=(), alertmanagers=()),"
CONFIG = with_ledger(NOBODY).replace("alerts=(),", ALERTS)


@dataclass
class Desk:
    """Where somebody goes through a checklist."""

    directory: Path
    store: Store
    variables: dict[str, str]
    ahead: timedelta = timedelta(0)

    def clock(self) -> float:
        """Unix time, or later."""
        return (datetime.now(UTC) + self.ahead).timestamp()

    async def outcomes(self, name: str) -> list[Outcome]:
        """What is found of an item; what is wrong says what to do."""
        async with desk_of(self.variables, self.clock) as place:
            assert not isinstance(place, list), place
            found = list(await LOOKS[name](place))
        assert all(one.do for one in found if one.state is State.WRONG)
        return found

    async def said(self, name: str) -> str:
        """The same in words, after the state of the whole item."""
        found = await self.outcomes(name)
        lines = "\n".join(f"{one.state}: {one.what}" for one in found)
        return f"{worst(found)}\n{lines}"

    def configure(self, old: str, new: str) -> None:
        """Change the config that the checklist reads; a service goes on with its own."""
        assert old in CONFIG
        other = self.directory / "other.py"
        other.write_text(CONFIG.replace(old, new))
        self.variables["MONITORING_CONFIG"] = str(other)

    def log(self, name: str, *lines: Mapping[str, object]) -> None:
        """Write a file of the log."""
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (self.directory / name).write_text(text)


def variables_of(directory: Path, options: StoreOptions) -> dict[str, str]:
    config = directory / "config.py"
    config.write_text(CONFIG)
    return {
        **environment(options),
        "MONITORING_CONFIG": str(config),
        "HOST": "127.0.0.1",
        "LOG_DIR": str(directory),
        "PATH": str(directory / "bin"),
    }


@pytest.fixture
async def desk(tmp_path: Path, options: StoreOptions) -> AsyncIterator[Desk]:
    """With a ledger of each kind, and no service."""
    variables = variables_of(tmp_path, options) | {"PORT": str(free_port())}
    async with opened(options) as store:
        ready = Desk(tmp_path, store, variables)
        ready.log(ERRORS)
        ready.log(COMBINED)
        yield ready


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Served]:
    """A service that runs, on SQLite."""
    async with served(tmp_path / "service", sqlite(tmp_path), text=CONFIG) as running:
        await running.results()
        # Each worker has had its first run, or waits for the clock to strike.
        await until_worked(running)
        yield running


@pytest.fixture
def beside(tmp_path: Path, made: Served) -> Desk:
    """With a service beside it."""
    port = {"PORT": str(made.client.port)}
    ready = Desk(tmp_path, ledger_of(made).store, variables_of(tmp_path, sqlite(tmp_path)) | port)
    ready.log(ERRORS)
    return ready


async def until_worked(running: Served) -> None:
    assert running.service.workers is not None
    async with asyncio.timeout(60):
        while True:
            states = await running.service.workers.states()
            if all(one.status == "idle" for one in states if one.name != "metric-aggregation"):
                return
            await asyncio.sleep(0.05)


# --- the lists ----------------------------------------------------------------------------------


def test_each_item_is_looked_at_or_left_to_a_person() -> None:
    items = {item.name for lists in LISTS.values() for list_ in lists.values() for item in list_}
    assert items - LOOKS.keys() == HANDS
    assert LOOKS.keys() <= items


def test_each_list_has_its_target_of_make() -> None:
    phony = (ROOT / "Makefile").read_text().split(".PHONY:")[1].split("help:")[0]
    assert {f"checklist-{name}" for name in LISTS} <= set(phony.split())


async def test_without_a_service_and_a_store_nothing_is_claimed_to_be_fine(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.py"
    config.write_text(with_ledger())
    variables = {
        "MONITORING_CONFIG": str(config),
        "LEDGER_FILE": str(tmp_path / "none.sqlite3"),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "JWT_SECRET": "j" * 32,
        "INGEST_TOKEN": "i" * 32,
        "PATH": "",
    }
    fine = set()
    # The volume is this machine's, and may be full.
    with patch("shutil.disk_usage", return_value=Usage(100, 10, 90)):
        for name in LISTS:
            found = await go_through(variables, NOW.timestamp, name, lambda _: None)
            assert isinstance(found, tuple)
            fine |= {one.item.name for one in found[0] if worst(one.outcomes) is State.FINE}
    assert fine == {"disk"}


async def test_a_config_that_cannot_be_used_ends_with_2_and_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(with_ledger().replace("critical", "bad"))
    variables = {"MONITORING_CONFIG": str(tmp_path / "config.py"), "PORT": "no"}
    ended = await operate_here(("checklist", "morning"), variables)
    assert ended.code == 2
    assert "PORT" in ended.complaint
    assert 'Severity "bad"' in ended.complaint


# --- each morning -------------------------------------------------------------------------------


async def test_a_morning_on_which_all_is_well(beside: Desk) -> None:
    ended = await operate(beside.directory, "checklist", "morning", **beside.variables)
    assert (ended.code, ended.last) == (0, "done: 6 items: 6 ok"), ended
    assert "all 3 services are monitored" in ended.said
    assert "cleanup is idle" in ended.said


async def test_what_is_broken_in_the_morning_is_named(made: Served, beside: Desk) -> None:
    made.fleet.answers["venue-service"] = failure
    await add_episode(beside.store)
    await incidents.open_incident(
        beside.store, await add_episode(beside.store, 2), Kind.PERFORMANCE, "P1", ME, NOW
    )
    failed = {"failed": True, "last_error": "a disk"}
    async with beside.store.begin() as connection:
        await connection.execute(update(workers).values(failed).where(workers.c.name == "cleanup"))
    beside.log(ERRORS, {"timestamp": NOW.isoformat(), "event": "the \x1b[2J store"})
    beside.configure("services=(", 'services=(Service(name="another-service", port=1),')
    shots = made.service.runner.snapshots
    await until(lambda: any(one.result and one.result.reason for one in shots()))
    assert "venue-service is unhealthy" in await beside.said("health")
    assert "WRONG: not monitored: another-service" in await beside.said("services")
    assert "WRONG: cleanup is failing: a disk" in await beside.said("workers")
    said = await beside.said("alerts")
    assert re.search("WRONG: 2 critical ServiceDown.*: 2 that nobody has", said)
    said = await beside.said("errors")
    assert r"WRONG: 1 times in 24 hours: the \x1b[2J store" in said
    said = await beside.said("incidents")
    assert "WRONG: incident 1 (P1, ServiceDown payment-service) is open" in said


async def test_a_worker_that_should_have_run_long_ago_is_named(beside: Desk) -> None:
    assert (await beside.said("workers")).startswith("ok")
    beside.ahead = timedelta(days=3)
    assert "WRONG: alert-evaluation should have run at" in await beside.said("workers")


@pytest.mark.parametrize(("hours", "state"), [(23, State.WRONG), (25, State.FINE)])
async def test_errors_count_for_a_day(desk: Desk, hours: int, state: State) -> None:
    at = NOW - timedelta(hours=hours)
    desk.log(ERRORS, {"timestamp": at.isoformat(), "event": "bad"})
    assert (await desk.said("errors")).startswith(state)


async def test_an_alert_that_somebody_has_is_told_and_is_not_wrong(desk: Desk) -> None:
    await add_episode(desk.store, status="acknowledged", acknowledged_at=NOW, acknowledged_by="me")
    said = await desk.said("alerts")
    assert said.startswith("ok")
    assert "somebody has each" in said


# --- each week ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "through", "direct", "state"),
    [
        (6, True, True, State.FINE),
        (6, True, None, State.FINE),
        (8, True, True, State.WRONG),
        (1, False, True, State.WRONG),
        (1, True, False, State.WRONG),
    ],
)
async def test_a_channel_is_fine_for_a_week_after_a_test_that_worked(
    desk: Desk, days: int, through: bool, direct: bool | None, state: State
) -> None:
    assert "WRONG: slack was not tested in the last 90 days" in await desk.said("notifications")
    at = NOW - timedelta(days=days)
    await notification_log.note(desk.store, "slack", at, through=through, direct=direct)
    assert (await desk.said("notifications")).startswith(state)


@pytest.mark.parametrize(
    ("count", "false", "noisy", "often"),
    [(9, 2, False, False), (10, 2, True, False), (8, 2, False, True), (3, 1, False, False)],
)
async def test_alerts_that_are_noisy_or_often_false_are_to_be_tuned(
    desk: Desk, count: int, false: int, noisy: bool, often: bool
) -> None:
    for number in range(count):
        at = NOW - timedelta(hours=number + 1)
        ended = {"starts_at": at, "ends_at": at + timedelta(minutes=1)}
        await add_ended_episode(desk.store, number, **ended, false_positive=number < false)
    tune = "python -m rules backtest ServiceDown"
    assert any(tune in one.do for one in await desk.outcomes("history")) == noisy
    assert any(tune in one.do for one in await desk.outcomes("false-positives")) == often
    assert f"{false} of {count} alerts were false" in await desk.said("false-positives")


async def test_generated_files_are_checked_where_there_is_a_repository(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.directory)
    assert "unknown: generated files: this is no checkout" in await desk.said("documentation")
    (desk.directory / "rules/generated").mkdir(parents=True)
    for code, words in ((0, "ok: generated files are what the config says"), (1, "WRONG: generat")):
        # What it runs has tests of its own.
        ended = AsyncMock(return_value=Ended(code, "", "3 generated files differ"))
        with patch("exporter.operations.looks.of_documents.run", ended):
            assert words in await desk.said("documentation")
        assert ended.await_args is not None
        assert ended.await_args[0][0][1:] == ("-m", "rules", "--check")


# --- each month ---------------------------------------------------------------------------------


async def test_rules_that_never_fired_and_those_that_nobody_acts_on_are_named(desk: Desk) -> None:
    assert (await desk.said("rules")).startswith("unknown")
    ignored = "WRONG: ServiceDown fired 3 times in 90 days, and nobody acknowledged it once"
    for number in range(3):
        at = NOW - timedelta(days=number + 8)
        ended = {"starts_at": at, "ends_at": at + timedelta(minutes=1)}
        await add_ended_episode(desk.store, number, **ended)
        said = await desk.said("rules")
        assert (ignored in said) == (number == 2)
    assert "1 of 2 alerts never fired in 90 days: NeverYet" in said


@pytest.mark.parametrize(("hours", "state"), [(25, State.BY_HAND), (27, State.WRONG)])
async def test_a_backup_is_fine_for_26_hours_if_it_is_elsewhere_too(
    desk: Desk, hours: int, state: State
) -> None:
    assert "WRONG: there is no backup" in await desk.said("backup")
    about = {"file": "monitoring_backup.sql.gz", "bytes": 2048, "uploaded": True}
    at = (NOW - timedelta(hours=hours)).isoformat()
    async with desk.store.begin() as connection:
        await connection.execute(
            insert(facts), [{"name": BACKED_UP, "value": at}, {"name": BACKUP, "value": about}]
        )
    said = await desk.said("backup")
    assert said.startswith(state)
    assert "monitoring_backup.sql.gz, 2.0 kiB, was uploaded" in said


async def test_a_backup_that_is_nowhere_else_is_wrong(desk: Desk) -> None:
    words = ("backup", "--directory", str(desk.directory))
    for more, uploaded in (((), False), (("--upload-hook", "test -s {file}"), True)):
        ended = await operate_here((*words, *more), desk.variables | {"PATH": path()})
        assert ended.code == 0, ended
        assert ("and nowhere else" in await desk.said("backup")) != uploaded


WEAK = {"id": "CVE-1", "fix_versions": ["2"]}
PIP_AUDIT: list[tuple[str, int, State, str]] = [
    (
        '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}',
        0,
        State.FINE,
        "none of 1 libraries has a known weakness",
    ),
    (
        json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [WEAK]}]}),
        1,
        State.WRONG,
        "a 1: CVE-1",
    ),
    # What pip-audit says, and ends with 0, where the registry does not know what it asks for.
    (
        '{"dependencies": [{"name": "a", "skip_reason": "not found on PyPI"}]}',
        0,
        State.UNKNOWN,
        "1 libraries could not be looked up: a",
    ),
    ("", 1, State.UNKNOWN, "pip-audit could not find out: no route to host"),
]


@pytest.mark.parametrize(("said", "code", "state", "words"), PIP_AUDIT)
async def test_what_could_not_be_audited_is_unknown_and_not_fine(
    desk: Desk, said: str, code: int, state: State, words: str
) -> None:
    assert "unknown: pip-audit is not installed" in await desk.said("dependencies")
    program = desk.directory / "bin/pip-audit"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{said}'\necho 'no route to host' >&2\nexit {code}\n")
    program.chmod(0o755)
    assert f"{state}: {words}" in await desk.said("dependencies")


async def test_access_is_summed_up_for_a_person_to_judge(desk: Desk) -> None:
    request = {
        "timestamp": NOW.isoformat(),
        "logger": "exporter.access",
        "event": "request",
        "actor": "me@example.com",
        "address": "192.0.2.1",
        "path": "/api/alerts",
        "method": "GET",
    }
    desk.log(COMBINED, *({**request, "status": status} for status in (200, 200, 403)))
    await notification_log.note(desk.store, "slack", NOW, through=True, direct=True)
    said = await desk.said("access")
    assert said.startswith("by hand")
    assert "requests in the files of the log: me@example.com 3" in said
    assert "refused (401, 403): me@example.com 1" in said
    assert re.search(r"actions in 30 days: \S+ 1", said)


Hourly = Callable[[float], float]


@pytest.mark.parametrize(
    ("lag", "connections", "hours", "performance", "said"),
    [
        (0.05, lambda _: 20.0, 72, State.FINE, "will have 20 of 100 connections in 30 days"),
        # One more an hour is 720 more in 30 days.
        (0.2, lambda ago: 75 - ago / 3600, 72, State.WRONG, "WRONG: postgresql will have 79"),
        (0.05, lambda _: 20.0, 12, State.FINE, "no Prometheus has watched it for a day"),
    ],
)
async def test_performance_and_capacity_are_what_prometheus_remembers(
    desk: Desk, lag: float, connections: Hourly, hours: int, performance: State, said: str
) -> None:
    assert "unknown: the event loop's lag: no Prometheus knows it" in await desk.said("performance")
    job = 'job="monitoring-service",instance="x"'
    series: dict[str, Hourly] = {
        f"scrape_duration_seconds{{{job}}}": lambda _: 0.1,
        f"monitoring_event_loop_lag_seconds{{{job}}}": lambda _: lag,
        f'monitoring_probe_start_delay_seconds_bucket{{{job},le="0.01"}}': lambda ago: 1e6 - ago,
        f'monitoring_probe_start_delay_seconds_bucket{{{job},le="+Inf"}}': lambda ago: 1e6 - ago,
        f"process_resident_memory_bytes{{{job}}}": lambda _: 2.0**27,
        'pg_stat_activity_count{target="postgresql"}': connections,
        'pg_settings_max_connections{target="postgresql"}': lambda _: 100.0,
    }
    place = desk.directory / "prometheus"
    backfill(place / "data", series, hours)
    (desk.directory / "prometheus.yml").write_text(yaml.safe_dump({}))
    with Prometheus(place, desk.directory / "prometheus.yml", retention="60d") as prometheus:
        address = prometheus.url.removeprefix("http://")
        desk.configure(NOBODY, f'watched_by=Prometheus(prometheus=("{address}",)),')
        assert f"{performance}: the event loop's lag took" in await desk.said("performance")
        found = await desk.said("capacity")
    assert said in found
    assert ("128.0 MiB of memory in 30 days" in found) == (hours > 24)


# --- handing over -------------------------------------------------------------------------------


async def test_what_only_a_person_can_do_is_a_box_to_tick(desk: Desk) -> None:
    ended = await operate_here(("checklist", "handoff"), desk.variables)
    for box in ("Test VPN access", "Laptop is charged and ready", "Brief the next person"):
        assert f"  [ ]      {box}" in ended.said
    assert "When going off call:" in ended.said


async def test_open_alerts_without_a_note_are_named_before_going_off_call(desk: Desk) -> None:
    noted, silent = await add_episode(desk.store), await add_episode(desk.store, 2, name="Quiet")
    note = {"author": "me", "channel": "api", "text": "known", "created_at": NOW}
    async with desk.store.begin() as connection:
        await connection.execute(insert(alert_notes).values(alert_id=noted, **note))
    assert await desk.said("noted") == "WRONG\nWRONG: no note on Quiet of payment-service"
    async with desk.store.begin() as connection:
        await connection.execute(insert(alert_notes).values(alert_id=silent, **note))
    assert await desk.said("noted") == "ok\nok: each of the 2 open alerts has a note"


async def test_recent_incidents_and_overdue_post_mortems_are_told(desk: Desk) -> None:
    for number, days in enumerate((6, 8)):
        alert, at = await add_episode(desk.store, number), NOW - timedelta(days=days)
        made = await incidents.open_incident(desk.store, alert, Kind.PERFORMANCE, "P1", ME, at)
        await incidents.close_incident(desk.store, made.id, ME, at, "a", "b")
    dos = [one.do for one in await desk.outcomes("recent")]
    assert dos == ["`python -m exporter incident show 1`"]
    assert (await desk.said("incidents")).count("was due") == 2


async def test_contacts_are_those_of_the_hour(desk: Desk) -> None:
    assert "nobody can be reached at this hour" in await desk.said("contacts")
    person = 'contacts=(Contact(role="cto", title="CTO", phone="+1", when="{}"),),'
    for when, state in (("emergency", State.WRONG), ("always", State.FINE)):
        desk.configure("contacts=(),", person.format(when))
        said = await desk.said("contacts")
        assert said.startswith(state)
        assert "CTO: +1" in said


# --- how it is told -----------------------------------------------------------------------------


async def test_it_can_be_kept_as_markdown_and_as_html_and_no_text_steers_anything(
    tmp_path: Path,
) -> None:
    options = sqlite(tmp_path)
    desk = variables_of(tmp_path, options)
    async with opened(options) as store:
        await add_episode(store, name="<b>|\x1b[2J")
        await notification_log.note(store, "slack", NOW, through=True, direct=True)
        shown = await operate_here(("checklist", "handoff"), desk)
        printed = await operate_here(("checklist", "handoff", "--markdown"), desk)
        file = tmp_path / "handoff.html"
        words = ("checklist", "handoff", "--output", str(file))
        written = await operate_here(words, desk)
        elsewhere = (*words[:-1], str(tmp_path / "no/x.md"))
        refused = await operate_here(elsewhere, desk)
    assert shown.code == printed.code == written.code == refused.code == 1
    assert r"<b>|\x1b[2J, the oldest for" in shown.said
    assert printed.said.startswith("# Handoff checklist of tiny, ")
    assert r"\<b\>\|\\x1b" in printed.said
    assert "\x1b" not in shown.said + printed.said
    assert "## When going off call" in printed.said
    assert written.last.endswith(f", written to {file}")
    assert "&lt;b&gt;|" in file.read_text()
    assert "No such file" in refused.complaint


async def test_a_list_in_which_something_is_unknown_and_nothing_wrong_ends_with_2(
    beside: Desk,
) -> None:
    (beside.directory / ERRORS).unlink()
    ended = await operate(beside.directory, "checklist", "morning", **beside.variables)
    assert (ended.code, ended.last) == (2, "done: 6 items: 1 unknown, 5 ok"), ended
    assert (await operate_here(("checklist", "yearly"), beside.variables)).code == 2
