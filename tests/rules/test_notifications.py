"""What people are sent, by a real Alertmanager that runs with what is generated from config.py."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from aiohttp import ClientSession, web

from demo.sinks import Channel, Receipt, Sinks
from model import BusinessHours, Webhook, seconds
from model.load import load
from model.overlay import Addresses, relocate
from model.people import Weekday
from model.platform import Platform
from programs import Alertmanager
from rules import messages, routing
from rules.writer import write

ROOT = Path(__file__).resolve().parents[2]
WAIT = 20.0
# Long enough for what must not arrive: groups wait no longer than this here.
GRACE = 1.5


@dataclass
class Station:
    """An Alertmanager with everybody whom it tells."""

    url: str
    sinks: Sinks
    session: ClientSession
    switch: list[dict[str, Any]] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)

    async def post(self, *alerts: dict[str, Any]) -> None:
        async with self.session.post(f"{self.url}/api/v2/alerts", json=alerts) as answer:
            assert answer.status == 200, await answer.text()

    async def received(self, name: str, channels: Iterable[Channel]) -> dict[str, Receipt]:
        """The first notification of an alert on each of these channels."""
        return {
            channel: await self.sinks.wait_for(
                lambda one, channel=channel: (
                    one.channel == channel and name in json.dumps(one.body)
                ),  # type: ignore[misc]
                WAIT,
            )
            for channel in channels
        }

    def told(self, name: str) -> set[str]:
        """Who has been told of an alert so far."""
        told: set[str] = {
            one.channel for one in self.sinks.receipts if name in json.dumps(one.body)
        }
        return told | {"switch" for call in self.switch if name in json.dumps(call)}


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    calls: list[dict[str, Any]] = []

    async def called(request: web.Request) -> web.Response:
        calls.append(await request.json())
        return web.Response()

    recorded: dict[str, list[dict[str, Any]]] = {"/ledger": [], "/groups": []}

    async def record(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer ingest"
        recorded[request.path].append(await request.json())
        return web.Response()

    application = web.Application()
    for path in recorded:
        application.router.add_post(path, record)
    application.router.add_post("/api/alertmanager/watchdog", called)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    exporter = f"127.0.0.1:{runner.addresses[0][1]}"
    async with Sinks() as sinks, ClientSession() as session:
        platform = hurried(relocate(load(ROOT / "config.py"), addresses(exporter, sinks, tmp_path)))
        platform = platform.model_copy(update={"ledger": ledger(exporter, tmp_path)})
        write({**routing.build(platform), **messages.build(platform)}, tmp_path)
        hurry_the_fallback(tmp_path / routing.PATH)
        alertmanager = Alertmanager(tmp_path / "data", tmp_path / routing.PATH)
        alertmanager.start()
        try:
            await asyncio.to_thread(alertmanager.wait_ready)
            yield Station(alertmanager.url, sinks, session, calls, *recorded.values())
        finally:
            await asyncio.to_thread(alertmanager.stop)
            await runner.cleanup()


def addresses(exporter: str, sinks: Sinks, directory: Path) -> Addresses:
    slack, pagerduty = directory / "slack", directory / "pagerduty"
    slack.write_text(sinks.slack_url)
    pagerduty.write_text("r" * 32)
    return Addresses(
        exporter=exporter,
        prometheus="127.0.0.1:1",
        alertmanager="127.0.0.1:1",
        smarthost=sinks.smtp_address,
        slack_webhook_url_file=str(slack),
        pagerduty_url=sinks.pagerduty_url,
        pagerduty_routing_key_file=str(pagerduty),
    )


def ledger(exporter: str, directory: Path) -> Webhook:
    token = directory / "ingest_token"
    token.write_text("ingest")
    return Webhook(url=f"http://{exporter}/ledger", credentials_file=str(token))


def hurried(platform: Platform) -> Platform:
    """The same people and routes, at any hour, and sooner than people would want it."""
    soon = {"group_wait": seconds(0.2), "group_interval": seconds(1)}
    always = BusinessHours(start=0, end=24, weekdays=get_args(Weekday))
    severities = tuple(severity.model_copy(update=soon) for severity in platform.severities)
    return platform.model_copy(update={"severities": severities, "business_hours": always})


def hurry_the_fallback(config: Path) -> None:
    """What no route claims waits Alertmanager's default of 30 s."""
    document = yaml.safe_load(config.read_text())
    config.write_text(
        yaml.safe_dump({**document, "route": {**document["route"], "group_wait": "200ms"}})
    )


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not happened():  # noqa: ASYNC110 - it happens in another program
            await asyncio.sleep(0.05)


def alert(name: str, severity: str | None = "critical", **given: Any) -> dict[str, Any]:
    labels = {"alertname": name, "service": "payment-service", **given.pop("labels", {})}
    if severity is not None:
        labels["severity"] = severity
    annotations = {
        "value": "0.25",
        "threshold": "< 0.5",
        "dashboard_url": (
            "https://grafana.example.org/d/monitoring-overview?var-service=payment-service"
        ),
        "summary": f"{name} is the matter",
        "description": "It does not answer.",
        "runbook_url": f"https://monitoring.example.org/runbooks/{name}",
        **given.pop("annotations", {}),
    }
    return {"labels": labels, "annotations": annotations, **given}


# --- who is told --------------------------------------------------------------------------------

WHO = {
    "Alpha": ("critical", {"email", "slack", "pagerduty"}),
    "Bravo": ("error", {"email", "slack"}),
    "Charlie": ("warning", {"slack"}),
    "Delta": ("info", {"email"}),
    # What no route knows must reach somebody, and must not page.
    "Echo": ("disaster", {"email"}),
    "Foxtrot": (None, {"email"}),
    "Watchdog": (None, {"switch"}),
}


async def test_every_severity_tells_exactly_whom_the_config_names(station: Station) -> None:
    # Each of a service of its own: a critical alert silences the warnings of its service.
    await station.post(
        *(alert(name, severity, labels={"service": name}) for name, (severity, _) in WHO.items())
    )
    await until(lambda: all(who <= station.told(name) for name, (_, who) in WHO.items()))
    await asyncio.sleep(GRACE)
    assert {name: station.told(name) for name in WHO} == {n: who for n, (_, who) in WHO.items()}
    assert station.sinks.refusals == ()


async def test_a_critical_alert_silences_the_warnings_of_its_service_and_no_others(
    station: Station,
) -> None:
    await station.post(alert("Down"))
    await until(lambda: "slack" in station.told("Down"))
    await station.post(
        alert("Slow", "warning"),
        alert("Failing", "error"),
        alert("Lame", "warning", labels={"service": "order-service"}),
    )
    await until(lambda: bool(station.told("Lame")) and bool(station.told("Failing")))
    await asyncio.sleep(GRACE)
    assert station.told("Slow") == set()


async def test_a_dead_dependency_silences_its_symptoms_and_nothing_critical(
    station: Station,
) -> None:
    dependency = {"dependency_postgresql": "postgresql"}
    await station.post(alert("DatabaseDown", labels={"service": "postgresql", **dependency}))
    await until(lambda: "slack" in station.told("DatabaseDown"))
    await station.post(
        alert("Symptom", "warning", labels=dependency),
        alert("Grave", labels=dependency),
        alert("Unrelated", "warning", labels={"service": "order-service"}),
    )
    await until(lambda: bool(station.told("Unrelated")) and bool(station.told("Grave")))
    await asyncio.sleep(GRACE)
    assert station.told("Symptom") == set()


async def test_each_service_is_an_incident_of_its_own(station: Station) -> None:
    down = [alert("ServiceDown", labels={"service": name}) for name in ("auth", "venue", "event")]
    await station.post(*down)
    await until(lambda: len(station.sinks.open_incidents) == len(down))
    summaries = sorted(one.summary for one in station.sinks.open_incidents.values())
    assert [re.findall(r"auth|venue|event", text)[0] for text in summaries] == [
        "auth",
        "event",
        "venue",
    ]


# --- what they read -----------------------------------------------------------------------------


def titles(receipts: dict[str, Receipt]) -> dict[str, str]:
    return {
        "email": receipts["email"].body["headers"]["Subject"],
        "slack": receipts["slack"].body["attachments"][0]["title"],
        "pagerduty": receipts["pagerduty"].body["payload"]["summary"],
    }


CHANNELS: tuple[Channel, ...] = ("email", "slack", "pagerduty")


async def test_a_message_says_first_whether_it_is_firing_or_resolved(station: Station) -> None:
    await station.post(alert("ServiceDown"))
    wanted = "[FIRING:1] ServiceDown payment-service (critical): ServiceDown is the matter"
    for title in titles(await station.received("FIRING", CHANNELS)).values():
        assert title == wanted
    ended = (datetime.now(UTC) - timedelta(milliseconds=1)).isoformat()
    await station.post(alert("ServiceDown", endsAt=ended))
    resolved = await station.received("RESOLVED", ("email", "slack"))
    assert resolved["email"].body["headers"]["Subject"].startswith("[RESOLVED] ServiceDown")
    assert resolved["slack"].body["attachments"][0]["title"].startswith("[RESOLVED] ServiceDown")
    await until(lambda: not station.sinks.open_incidents)


@pytest.mark.parametrize(
    ("count", "title"),
    [(2, "[FIRING:2] Slow a, b (warning)"), (6, "[FIRING:6] Slow a, b, c, d, e … (warning)")],
)
async def test_a_message_about_several_services_names_the_first_five(
    count: int, title: str, station: Station
) -> None:
    services = "abcdef"[:count]
    await station.post(*(alert("Slow", "warning", labels={"service": one}) for one in services))
    receipts = await station.received("Slow", ("slack",))
    assert receipts["slack"].body["attachments"][0]["title"] == title


async def test_a_message_says_what_why_since_when_and_what_to_do(station: Station) -> None:
    await station.post(alert("ServiceDown"))
    receipts = await station.received("ServiceDown", CHANNELS)
    email, slack = receipts["email"].body, receipts["slack"].body["attachments"][0]
    incident = receipts["pagerduty"].body
    runbook = "https://monitoring.example.org/runbooks/ServiceDown"
    dashboard = "https://grafana.example.org/d/monitoring-overview?var-service=payment-service"
    for text in (
        email["text"],
        email["html"],
        slack["text"],
        incident["payload"]["custom_details"]["firing"],
    ):
        assert "ServiceDown is the matter" in text
        assert "It does not answer." in text
        assert re.search(r"\d\d:\d\d:\d\d UTC", text)
        assert runbook in text
        assert dashboard in text
        assert "critical" in text
        assert "payment-service" in text
        assert "0.25" in text
        assert re.search(r"\(fires when (<|&lt;) 0\.5\)", text)
    assert slack["title_link"] == incident["client_url"] == runbook
    assert incident["payload"]["severity"] == "critical"
    assert incident["payload"]["component"] == "payment-service"
    assert slack["color"] == "danger"


HOSTILE = '<script>alert(1)</script> <!channel> <@U1> <http://evil.example|click> & "quoted"'


async def test_what_a_label_or_annotation_says_is_text_everywhere(station: Station) -> None:
    await station.post(
        alert(
            "ServiceDown",
            labels={"service": HOSTILE},
            annotations={"summary": HOSTILE, "description": HOSTILE},
        )
    )
    receipts = await station.received("ServiceDown", CHANNELS)
    html = receipts["email"].body["html"]
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    attachment = receipts["slack"].body["attachments"][0]
    for key in ("title", "fallback", "text"):
        markup = re.findall(r"<[^>]*>", attachment[key])
        ours = ("/runbooks/ServiceDown|runbook>", "var-service=payment-service|dashboard>")
        assert [one for one in markup if not one.endswith(ours)] == []
        assert "&lt;!channel&gt;" in attachment[key]
        assert "&amp; " in attachment[key]
    assert HOSTILE in receipts["email"].body["text"]
    assert HOSTILE in receipts["email"].body["headers"]["Subject"]
    assert HOSTILE in receipts["pagerduty"].body["payload"]["summary"]
    assert station.sinks.refusals == ()


async def test_a_line_break_in_a_label_adds_no_header_to_an_email(station: Station) -> None:
    await station.post(alert("ServiceDown", labels={"service": "x\r\nBcc: evil@example.org"}))
    receipts = await station.received("ServiceDown", ("email",))
    assert "Bcc" not in receipts["email"].body["headers"]
    assert receipts["email"].body["rcpt_tos"] == ["oncall@tickettoken.com"]


async def test_an_alert_without_annotations_is_told_nevertheless(station: Station) -> None:
    await station.post({"labels": {"alertname": "Bare", "severity": "critical", "service": "x"}})
    receipts = await station.received("Bare", CHANNELS)
    assert titles(receipts) == dict.fromkeys(CHANNELS, "[FIRING:1] Bare x (critical)")
    text = receipts["slack"].body["attachments"][0]["text"]
    assert "<|" not in text
    assert "<no value>" not in json.dumps([dict(one.body) for one in receipts.values()])


# --- the ledger ---------------------------------------------------------------------------------


def known(station: Station, name: str) -> list[dict[str, Any]]:
    """What the ledger has been told of an alert."""
    return [
        alert
        for call in station.ledger
        for alert in call["alerts"]
        if alert["labels"]["alertname"] == name
    ]


async def test_the_ledger_hears_of_each_alert_by_itself_and_not_of_escalations(
    station: Station,
) -> None:
    escalation = {"escalation": "manager", "source_alertname": "Alpha"}
    await station.post(
        alert("Alpha"),
        alert("Bravo", "info"),
        alert("AlertUnacknowledgedManager", labels=escalation),
        alert("Watchdog", None),
    )
    await until(lambda: bool(known(station, "Alpha") and known(station, "Bravo")))
    await until(lambda: "pagerduty" in station.told("AlertUnacknowledgedManager"))
    assert all(len(call["alerts"]) == 1 for call in station.ledger)
    heard = {one["labels"]["alertname"] for call in station.ledger for one in call["alerts"]}
    assert heard == {"Alpha", "Bravo"}


async def test_the_button_in_slack_names_the_alerts_that_it_acknowledges(station: Station) -> None:
    await station.post(*(alert("Slow", "warning", labels={"service": one}) for one in "ab"))
    receipts = await station.received("Slow", ("slack",))
    attachment = receipts["slack"].body["attachments"][0]
    (button,) = attachment["actions"]
    await until(lambda: len(known(station, "Slow")) == 2)
    fingerprints = {one["fingerprint"] for one in known(station, "Slow")}
    assert attachment["callback_id"] == "monitoring.alerts"
    assert (button["type"], button["name"], button["text"]) == (
        "button",
        "acknowledge",
        "Acknowledge",
    )
    assert set(button["value"].split(",")) == fingerprints
    assert "url" not in button


async def test_the_ledger_learns_the_key_of_an_incident(station: Station) -> None:
    await station.post(alert("ServiceDown"))
    await until(lambda: bool(station.sinks.open_incidents))
    await until(lambda: bool(station.groups))
    (call,) = station.groups
    assert "pagerduty" in call["receiver"]
    keys = {hashlib.sha256(call["groupKey"].encode()).hexdigest()}
    assert station.sinks.open_incidents.keys() == keys
