"""`incident`: from an alert to a written post-mortem, on both stores."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from episodes import add_ended_episode, add_episode
from operating import ROOT, Ended, environment, operate, operate_here, path
from serving import SERVICE_DOWN, config_text
from sqlalchemy import insert, select, update
from stores import opened, sqlite

from exporter.ledger import audit
from exporter.ledger.actor import Actor
from exporter.ledger.incidents import alert_of
from exporter.ledger.store import Store, StoreOptions
from exporter.ledger.tables import alert_audit, alerts, incidents, metrics
from exporter.workers.cleanup import clean_up
from model.workers import Workers

NOW = datetime.now(UTC).replace(microsecond=0)
BEGAN = NOW - timedelta(hours=3)
SERVICE = "payment-service"
ALERTS = f"""alerts=({SERVICE_DOWN}
        Alert(
            name="DataLossRisk",
            group="data-loss",
            expr=observed(metrics.PG_ARCHIVER_FAILING) > "0.5",
            for_=seconds(10),
            severity="critical",
            summary="{{{{ $labels.target }}}} cannot archive",
            description="Its WAL is not kept.",
        ),
    ),"""
PEOPLE = """contacts=(
        Contact(role="lead", title="Team lead", email="lead@example.com", when="business",
                after_hours="backup"),
        Contact(role="backup", title="Backup", phone="+1-555-0002", when="after-hours",
                pagerduty_routing_key_file="/secrets/backup"),
        Contact(role="cto", title="CTO", phone="+1-555-0200", when="emergency"),
    ),"""
LADDER = 'channels=("slack", "email"), escalation=(EscalationStep(after=minutes(5), to="lead"),)'
CHANNELS = """channels=(
        Slack(webhook_url_file="/secrets/slack", channel="#alerts"),
        Email(to=("a@example.com",), sender="b@example.com", smarthost="mail.example.com:587"),
    ),"""


class Desk:
    """Where somebody runs `incident`, with a config and a store."""

    def __init__(self, directory: Path, options: StoreOptions) -> None:
        self.directory = directory
        text = (
            config_text(SERVICE, "own-service")
            .replace("alerts=(),", ALERTS)
            .replace("contacts=(),", PEOPLE)
            .replace('channels=("slack",)', LADDER)
            .replace(
                'channels=(Slack(webhook_url_file="/secrets/slack", channel="#alerts"),),', CHANNELS
            )
        )
        (directory / "config.py").write_text(text)
        self.variables = {
            "MONITORING_CONFIG": str(directory / "config.py"),
            **environment(options),
        }
        self.closing = ("--cause", "a", "--resolution", "b", "--directory", str(directory))

    async def run(self, *words: str, **variables: str) -> Ended:
        """Run `incident …`."""
        return await operate_here(("incident", *words), self.variables | variables)

    async def done(self, *words: str) -> str:
        """What it prints, where it has to succeed."""
        ended = await self.run(*words)
        assert (ended.code, ended.complaint) == (0, ""), ended
        return ended.said


@pytest.fixture
async def desk(tmp_path: Path, options: StoreOptions) -> Desk:
    return Desk(tmp_path, options)


async def fired(store: Store, number: int = 1, **settings: object) -> str:
    """An alert that began three hours ago, and is open."""
    return await add_episode(
        store,
        number,
        **{
            "starts_at": BEGAN,
            "created_at": BEGAN + timedelta(seconds=4),
            "response_due_at": BEGAN + timedelta(minutes=5),
            "annotations": {"summary": "payment-service is down"},
            **settings,
        },
    )


async def kept(store: Store) -> list[tuple[str, str, bool, bool]]:
    c = incidents.c
    query = select(c.priority, c.kind, c.closed_at, c.post_mortem_at).order_by(c.id)
    async with store.read() as connection:
        return [
            (row.priority, row.kind, row.closed_at is not None, row.post_mortem_at is not None)
            for row in await connection.execute(query)
        ]


# --- what is refused ----------------------------------------------------------------------------


async def test_what_cannot_be_understood_ends_with_2_and_changes_nothing(
    desk: Desk, options: StoreOptions
) -> None:
    async with opened(options) as store:
        alert = await fired(store)
        assert (await desk.run("new", alert, "--kind", "flood")).code == 2
        assert (await desk.run("new", alert, "--priority", "P7")).code == 2
        assert (await desk.run("list", "--since", "soon")).code == 2
        await desk.done("new", alert)
        ended = await desk.run("close", "1", "--cause", " ")
        assert ended.code == 2
        assert "--cause: the note is empty" in ended.complaint
        assert "--resolution: say it" in ended.complaint
        assert await kept(store) == [("P0", "service-down", False, False)]


async def test_what_cannot_be_done_ends_with_1_and_says_why(
    desk: Desk, options: StoreOptions
) -> None:
    async with opened(options) as store:
        alert = await fired(store)
        assert 'there is no alert "nonsense"' in (await desk.run("new", "nonsense")).complaint
        await desk.done("new", alert)
        second = await desk.run("new", alert)
        assert (second.code, "has an open incident already" in second.complaint) == (1, True)
        assert "there is no incident 9" in (await desk.run("close", "9", *desk.closing)).complaint
        await desk.done("close", "1", *desk.closing)
        again = await desk.run("close", "1", *desk.closing)
        assert (again.code, "incident 1 is closed already" in again.complaint) == (1, True)
        # The alert may have an incident again.
        await desk.done("new", alert)
        assert len(await kept(store)) == 2


async def test_nothing_is_written_while_read_only_and_all_can_be_read(
    desk: Desk, options: StoreOptions
) -> None:
    async with opened(options) as store:
        alert = await fired(store)
        refused = await desk.run("new", alert, READ_ONLY="1")
        assert (refused.code, "READ_ONLY is set" in refused.complaint) == (1, True)
        assert (await desk.run("list", READ_ONLY="1")).last == "done: there is none"


async def test_a_store_without_the_table_says_to_migrate(desk: Desk) -> None:
    ended = await desk.run("list")
    assert ended.code == 1
    assert "migrate" in ended.complaint or "there is no such file" in ended.complaint


async def test_a_draft_that_somebody_may_have_written_in_is_not_overwritten(
    desk: Desk, options: StoreOptions
) -> None:
    (desk.directory / "post-mortem-1.md").write_text("mine")
    async with opened(options) as store:
        await desk.done("new", await fired(store))
        ended = await desk.run("close", "1", *desk.closing)
        assert ended.code == 1
        assert "may have been written in" in ended.complaint
        assert (desk.directory / "post-mortem-1.md").read_text() == "mine"
        # It is closed all the same, and says so.
        assert "incident 1 is closed" in ended.said
        assert await kept(store) == [("P0", "service-down", True, False)]


# --- its life -----------------------------------------------------------------------------------


async def test_a_p0_says_what_to_do_and_whom_to_call(desk: Desk, options: StoreOptions) -> None:
    async with opened(options) as store:
        said = await desk.done("new", await fired(store), "--by", "me@example.com")
    assert "# Incident 1 (P0): ServiceDown payment-service" in said
    assert "Within 5 minutes | acknowledge the alert" in said
    assert "- CTO: +1-555-0200" in said
    assert "nobody has it" in said
    assert "by me@example.com" in said
    assert "write its post-mortem within 48 hours" in said


@pytest.mark.parametrize(
    ("name", "severity", "expected"),
    [
        ("ServiceDown", "critical", ("P0", "service-down")),
        ("DataLossRisk", "critical", ("P0", "data-loss-risk")),
        ("DatabaseSlow", "warning", ("P1", "performance")),
        ("OfAnotherConfig", "critical", ("P0", "service-down")),
    ],
)
async def test_kind_and_priority_follow_the_alert(
    tmp_path: Path, name: str, severity: str, expected: tuple[str, str]
) -> None:
    options = sqlite(tmp_path)
    async with opened(options) as store:
        said = await Desk(tmp_path, options).done(
            "new", await fired(store, name=name, severity=severity)
        )
        assert [row[:2] for row in await kept(store)] == [expected]
    assert ("Emergency contacts" in said) == (expected[0] == "P0")


async def test_kind_and_priority_can_be_said(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    async with opened(options) as store:
        words = ("--kind", "performance", "--priority", "P0")
        await Desk(tmp_path, options).done("new", await fired(store), *words)
        assert [row[:2] for row in await kept(store)] == [("P0", "performance")]


async def test_the_whole_life_is_in_the_audit_trail_with_the_machines_user(
    desk: Desk, options: StoreOptions
) -> None:
    async with opened(options) as store:
        alert = await fired(store)
        await desk.done("new", alert, "--by", "me@example.com")
        await desk.done("close", "1", *desk.closing)
        assert "post-mortem" in await desk.done("list")
        await desk.done("post-mortem", "1", "--written", "https://wiki.example.com/1")
        assert (await desk.done("list")).strip() == "done: there is none"
        assert "| 1 | P0 | ServiceDown |" in await desk.done("list", "--since", "1d")
        async with store.read() as connection:
            lines = (await connection.execute(select(alert_audit).order_by("id"))).all()
    assert [(line.action, line.alert_id, line.channel) for line in lines] == [
        (action, alert, "command") for action in ("incident_open", "incident_close", "post_mortem")
    ]
    assert {line.actor for line in lines} == {getpass.getuser()}
    assert lines[0].actor_for == "me@example.com"
    assert lines[1].after == {"incident": 1, "cause": "a", "resolution": "b"}


async def test_close_asks_for_cause_and_resolution_on_a_terminal(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    desk = Desk(tmp_path, options)
    async with opened(options) as store:
        await desk.done("new", await fired(store))
        ours, theirs = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "exporter", "incident", "close", "1"),
            env={"PATH": path(), "PYTHONPATH": str(ROOT), **desk.variables},
            cwd=tmp_path,
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
        )
        os.close(theirs)
        os.write(ours, b"a disk\nanother one\n")
        said, _ = await process.communicate()
        os.close(ours)
        async with store.read() as connection:
            (row,) = await connection.execute(select(incidents))
    assert process.returncode == 0, said
    assert (row.cause, row.resolution) == ("a disk", "another one")


async def test_a_kind_that_only_a_newer_version_knows_is_shown_as_it_is(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    desk = Desk(tmp_path, options)
    async with opened(options) as store:
        await desk.done("new", await fired(store))
        async with store.begin() as connection:
            await connection.execute(update(incidents).values(kind="flood"))
        assert "| kind | flood |" in await desk.done("show", "1")
        assert "| 1 | P0 |" in await desk.done("list")


async def test_a_post_mortem_is_overdue_after_48_hours(desk: Desk, options: StoreOptions) -> None:
    async with opened(options) as store:
        await desk.done("new", await fired(store))
        for due, word in ((60, False), (-60, True)):
            async with store.begin() as connection:
                await connection.execute(
                    update(incidents).values(
                        post_mortem_due_at=datetime.now(UTC) + timedelta(seconds=due)
                    )
                )
            assert ("OVERDUE" in await desk.done("list")) == word


# --- the draft ----------------------------------------------------------------------------------


async def measured(store: Store, minutes_after: int, successes: int) -> None:
    async with store.begin() as connection:
        await connection.execute(
            insert(metrics).values(
                timestamp=BEGAN + timedelta(minutes=minutes_after),
                target=SERVICE,
                replica="*",
                kind="http",
                seconds=300,
                probes=60,
                successes=successes,
                degraded=0,
                duration_sum=0.1,
                buckets={},
            )
        )


async def test_the_draft_has_all_that_is_known_and_marks_what_is_not(
    desk: Desk, options: StoreOptions
) -> None:
    async with opened(options) as store:
        alert = await fired(
            store,
            status="resolved",
            firing=False,
            resolution="alertmanager",
            ends_at=BEGAN + timedelta(minutes=20),
            acknowledged_at=BEGAN + timedelta(minutes=7),
            acknowledged_by="me@example.com",
            acknowledged_via="slack",
        )
        await add_ended_episode(
            store, 2, name="QueueDepthHigh", starts_at=BEGAN, ends_at=BEGAN + timedelta(minutes=1)
        )
        await add_ended_episode(store, 3, name="LongBefore")
        for minutes_after, successes in ((-10, 0), (-3, 30), (7, 0), (25, 0)):
            await measured(store, minutes_after, successes)
        async with store.begin() as connection:
            await audit.record(
                connection,
                "note",
                Actor("me@example.com", "slack"),
                BEGAN + timedelta(minutes=8),
                alert_id=alert,
                after={"note": 1, "text": "the *disk* is full \x1b[2J"},
            )
        await desk.done("new", alert)
        said = await desk.done(
            "close",
            "1",
            "--cause",
            "a full disk",
            "--resolution",
            "logs gone",
            "--directory",
            str(desk.directory),
        )
        assert "write what is NOT KNOWN by" in said
    text = (desk.directory / "post-mortem-1.md").read_text()
    assert "# Post-mortem of incident 1: ServiceDown of payment-service" in text
    assert "It waits 0:00:10 before it does" in text
    assert "The ledger knew of it 0:00:04 later, by Alertmanager's delivery." in text
    assert "Acknowledged after 0:07:00 by me@example.com, by slack." in text
    assert "Its response time of 0:05:00 was missed by 0:02:00." in text
    # Two intervals touch the 20 minutes: 30 of 60, and 0 of 60.
    assert "payment-service was available in 25.00% of 120 probes (90 failed)" in text
    assert "| QueueDepthHigh |" in text
    assert "LongBefore" not in text
    assert r"+0:08:00 | me@example.com noted: the \*disk\* is full \\x1b\[2J (by slack)" in text
    assert "nobody had it: " in text
    assert "## Cause\n\na full disk" in text
    assert "## Resolution\n\nlogs gone" in text
    assert text.count("NOT KNOWN") == 4


async def test_what_the_ledger_has_lost_is_marked_as_not_known(
    desk: Desk, options: StoreOptions
) -> None:
    async with opened(options) as store:
        alert = await fired(store)
        await desk.done("new", alert)
        async with store.begin() as connection:
            await connection.execute(alerts.delete())
        text = await desk.done("post-mortem", "1")
    for lost in (
        "NOT KNOWN: what happened?",
        "NOT KNOWN: when the ledger was told",
        "NOT KNOWN: the alert is gone from the ledger",
        "NOT KNOWN: how available payment-service was",
        "NOT KNOWN: why did it happen?",
    ):
        assert lost in text


async def test_an_alert_that_nobody_acknowledged_is_said_to_be_so(tmp_path: Path) -> None:
    options = sqlite(tmp_path)
    desk = Desk(tmp_path, options)
    async with opened(options) as store:
        short = BEGAN + timedelta(minutes=2)
        ended = {"status": "resolved", "firing": False, "ends_at": short}
        await desk.done("new", await fired(store, 1, **ended))
        await desk.done("new", await fired(store, 2))
        first = await desk.done("post-mortem", "1")
        second = await desk.done("post-mortem", "2")
    assert "Nobody acknowledged it in the 0:02:00 that it lasted." in first
    assert "Its response time of 0:05:00 was not over." in first
    assert "Nobody has acknowledged it in " in second
    assert "Its response time of 0:05:00 was missed by " in second


async def test_an_end_by_hand_is_told_once_and_a_missed_response_time_is_told(
    tmp_path: Path,
) -> None:
    options = sqlite(tmp_path)
    desk = Desk(tmp_path, options)
    async with opened(options) as store:
        by_hand = {"status": "resolved", "firing": False, "resolution": "person"}
        alert = await fired(store, 1, ends_at=BEGAN + timedelta(minutes=9), **by_hand)
        async with store.begin() as connection:
            me = Actor("me@example.com", "api")
            await audit.record(
                connection, "resolve", me, BEGAN + timedelta(minutes=9), alert_id=alert
            )
        await desk.done("new", alert)
        text = await desk.done("post-mortem", "1")
    assert "+0:05:00 | nobody had responded in time" in text
    assert "+0:09:00 | me@example.com ended the alert by hand (by api)" in text
    assert "ServiceDown ended" not in text


# --- what is old, and what is restored ----------------------------------------------------------


async def test_incidents_outlive_the_archiving_of_their_alert(
    desk: Desk, options: StoreOptions
) -> None:
    old = NOW - timedelta(days=40)
    async with opened(options) as store:
        alert = await add_ended_episode(
            store, starts_at=old, created_at=old, ends_at=old + timedelta(minutes=20)
        )
        await desk.done("new", alert)
        async with store.session() as session:
            await clean_up(session, Workers(), NOW)
        async with store.read() as connection:
            assert (await connection.execute(select(alerts))).all() == []
            assert await alert_of(connection, alert) is not None
        said = await desk.done("show", "1")
    assert "after 0:20:00" in said


async def test_incidents_are_backed_up_and_count_as_history_when_restoring(
    desk: Desk, options: StoreOptions
) -> None:
    variables = desk.variables | {"PATH": path()}
    async with opened(options) as store:
        # As a process, for once: `python -m exporter incident`.
        new = ("incident", "new", await fired(store))
        assert (await operate(desk.directory, *new, **desk.variables)).code == 0
        words = ("backup", "--directory", str(desk.directory))
        made = await operate_here(words, variables)
        assert made.code == 0, made
        async with store.begin() as connection:
            await connection.execute(alerts.delete())
            await connection.execute(update(incidents).values(opened_by="somebody else"))
    file = next(desk.directory.glob("monitoring_backup_*.gz"))
    refused = await operate_here(("restore", str(file)), variables)
    assert (refused.code, "incidents 1" in refused.complaint) == (1, True)
    done = await operate_here(("restore", "--replace", str(file)), variables)
    assert done.code == 0, done
    assert getpass.getuser() in await desk.done("list")
