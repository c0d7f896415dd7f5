"""From the fault by way of Prometheus, Alertmanager and the ledger to people, and back from them.

Of the ladder and of the times to respond in, minutes are seconds (demo/hurry.py). Two services
crash at once: of one the alert is acknowledged by the runbook's curl, of the other by nobody until
it has come to the manager. The tests follow each other.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from asked import LATER, asked, filled
from chatting import signed_by_slack
from printed import USERS, read

from demo.api import unix
from demo.chaos.balancer import balancing
from demo.hurry import MINUTE, SLACK_USER
from demo.sinks import Receipt
from demo.stack import ROOT, LedgerStore, Stack, running
from programs import find

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]

# Each takes seconds; this is for a machine that does much else.
DEADLINE = 120.0
HOST = "monitoring.tickettoken.com"
# Neither depends on the other, nor on what the other depends on.
SEEN, UNSEEN, LATE = "compliance-service", "search-service", "scanning-service"
LEAD, MANAGER = "AlertUnacknowledgedTeamLead", "AlertUnacknowledgedManager"
MINUTE_SECONDS = MINUTE.total_seconds()
# As the runbook prints it.
ACKNOWLEDGE = read(USERS).line("1. Acknowledge Alert", "curl").text


@dataclass
class Slack:
    """Where response_url leads."""

    origin: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.posted.append(await request.json())
        return web.Response(text="ok")


@dataclass
class Scene:
    """The chain, and people at its end."""

    stack: Stack
    store: LedgerStore
    slack: Slack
    environment: dict[str, str]
    broken_at: float = 0.0
    ids: dict[str, str] = field(default_factory=dict)

    async def curl(self, command: str) -> Any:
        """What a command prints that somebody types at a shell."""
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", command),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaints = await process.communicate()
        assert process.returncode == 0, complaints
        return json.loads(printed)

    async def get(self, path: str) -> Any:
        """What the API answers to somebody with a token."""
        return await self.curl(
            f'curl --silent -H "Authorization: Bearer $TOKEN" "https://{HOST}/api/{path}"'
        )

    async def of(self, service: str, status: str = "active") -> list[dict[str, Any]]:
        """The alerts of this status that say that a service is down, as the API lists them."""
        listed = await self.get(f"alerts?status={status}&name=ServiceDown&service={service}")
        return cast("list[dict[str, Any]]", listed["active"])

    def paged(self, alert: str, service: str) -> list[Receipt]:
        """The pages of an escalation because a service is down."""
        return [
            receipt
            for receipt in self.stack.sinks.receipts
            if receipt.status == "firing"
            and alert in (text := json.dumps(receipt.body))
            and "ServiceDown" in text
            and service in text
        ]

    async def escalating(self, service: str) -> set[str]:
        """The escalations because a service is down that Prometheus has firing."""
        about = f'source_alertname="ServiceDown",service="{service}"'
        query = f'ALERTS{{alertstate="firing",escalation!="",{about}}}'
        return {one["metric"]["alertname"] for one in await self.stack.api.instant(query)}


async def until(holds: Callable[[], Awaitable[object]], seconds: float = DEADLINE) -> Any:
    """Wait until something is true; what it is then."""
    deadline = time.monotonic() + seconds
    while not (found := await holds()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.3)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test with both stores, but some with Postgres alone.

    That comes first in both lists, since pytest keeps together what has one place in them.
    """
    stores = ["postgresql"] if metafunc.function in WITH_POSTGRES else ["postgresql", "sqlite"]
    metafunc.parametrize("scene", stores, indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="scene")
async def running_scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    home, slack = tmp_path_factory.mktemp("home"), Slack()
    async with AsyncExitStack() as open_:
        application = web.Application()
        application.router.add_post("/{path:.*}", slack.take)
        server = await open_.enter_async_context(TestServer(application))
        slack.origin = str(server.make_url("/"))
        stack = await open_.enter_async_context(
            running(
                hurry=True,
                impatient=True,
                ledger=request.param,
                program=(str(Path(__file__).with_name("exporter_of_another_slack.py")), "serve"),
                settings={"SLACK_ORIGIN": slack.origin, "PYTHONPATH": str(ROOT)},
            )
        )
        port = int(stack.exporter_url.rpartition(":")[2])
        yield Scene(stack, request.param, slack, await shell(open_, home, port, stack.directory))


async def shell(open_: AsyncExitStack, home: Path, port: int, secrets: Path) -> dict[str, str]:
    """The environment of a person's shell: the host is mapped, a token is minted."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    authority.cert_pem.write_to_path(home / "ca.pem")
    front = await open_.enter_async_context(balancing([port], 1, context))
    (home / ".curlrc").write_text(
        f'connect-to = "{HOST}:443:127.0.0.1:{front}"\ncacert = "{home / "ca.pem"}"\n'
    )
    minted = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [sys.executable, "-m", "exporter", "token", "--role=responder", "--sub=me@example.com"],
        env={"PATH": os.environ["PATH"], "JWT_SECRET_FILE": str(secrets / "jwt_secret")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    path = f"{find('curl').parent}:{os.environ['PATH']}"
    return {"PATH": path, "CURL_HOME": str(home), "TOKEN": minted.stdout.strip()}


async def test_what_fires_is_stored_and_listed(scene: Scene) -> None:
    # Hurried, a probe that a busy machine holds up may have been an alert.
    await until(partial(calm, scene))
    scene.broken_at = time.time()
    for service in (SEEN, UNSEEN):
        await scene.stack.simulated.services[service].crash()
    for service in (SEEN, UNSEEN):
        (alert,) = await until(partial(scene.of, service))
        assert (alert["severity"], alert["acknowledged"]) == ("critical", False)
        assert unix(alert["startsAt"]) > scene.broken_at
        scene.ids[service] = alert["id"]


async def calm(scene: Scene) -> bool:
    """Whether no service is down, nor was lately."""
    pending = await scene.stack.api.instant('last_over_time(ALERTS{alertname="ServiceDown"}[8s])')
    return not pending


async def test_the_runbooks_curl_acknowledges(scene: Scene) -> None:
    done = await scene.curl(ACKNOWLEDGE.replace("<alert-id>", scene.ids[SEEN]))
    assert (done["success"], done["alertId"]) == (True, scene.ids[SEEN])
    (alert,) = await scene.of(SEEN, "acknowledged")
    assert (alert["id"], alert["acknowledgedAt"]) == (scene.ids[SEEN], done["acknowledgedAt"])
    # Otherwise what follows says nothing.
    assert unix(done["acknowledgedAt"]) - unix(alert["startsAt"]) < 5 * MINUTE_SECONDS


async def test_what_nobody_acknowledges_comes_to_the_team_lead_and_then_to_the_manager(
    scene: Scene,
) -> None:
    (alert,) = await scene.of(UNSEEN)
    started = unix(alert["startsAt"])

    async def page(of: str) -> list[Receipt]:
        return scene.paged(of, UNSEEN)

    lead = cast("list[Receipt]", await until(lambda: page(LEAD)))[0]
    manager = cast("list[Receipt]", await until(lambda: page(MANAGER)))[0]
    assert started + 5 * MINUTE_SECONDS < lead.received_at < manager.received_at
    assert started + 10 * MINUTE_SECONDS < manager.received_at
    assert manager.channel == "pagerduty"


async def test_what_was_acknowledged_has_come_to_nobody_else(scene: Scene) -> None:
    assert await scene.escalating(SEEN) == set()
    assert [scene.paged(alert, SEEN) for alert in (LEAD, MANAGER)] == [[], []]


async def test_slacks_button_acknowledges_and_the_escalation_falls_silent(scene: Scene) -> None:
    message = next(
        receipt
        for receipt in scene.stack.sinks.receipts
        if (receipt.channel, receipt.status) == ("slack", "firing")
        and {"ServiceDown", UNSEEN} <= set(receipt.alerts)
        and receipt.received_at > scene.broken_at
    )
    answer = await click(scene, message)
    assert answer == 200
    (alert,) = await scene.of(UNSEEN, "acknowledged")
    assert (alert["acknowledgedBy"], alert["acknowledgedVia"]) == ("jane@example.com", "slack")

    async def rewritten() -> bool:
        return any(one.get("replace_original") for one in scene.slack.posted)

    await until(rewritten)
    (shown,) = [one for one in scene.slack.posted if one.get("replace_original")]
    assert all("actions" not in attachment for attachment in shown["attachments"])

    async def quiet() -> bool:
        return not await scene.escalating(UNSEEN)

    await until(quiet)
    told = len(scene.paged(LEAD, UNSEEN)) + len(scene.paged(MANAGER, UNSEEN))
    assert told == 2


async def click(scene: Scene, message: Receipt) -> int:
    """Click on the button that is in a message, as Slack tells of it; the status of the answer."""
    (attachment,) = message.body["attachments"]
    (button,) = attachment["actions"]
    team, user = SLACK_USER.split("/")
    payload = {
        "type": "interactive_message",
        "actions": [{name: button[name] for name in ("name", "type", "value")}],
        "callback_id": attachment["callback_id"],
        "team": {"id": team, "domain": "tickets"},
        "user": {"id": user, "name": "jane"},
        "message_ts": "1764071990.000100",
        "original_message": {"attachments": [attachment]},
        "response_url": f"{scene.slack.origin}actions/1",
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    secret = (scene.stack.directory / "slack_signing_secret").read_text()
    at = str(int(time.time()))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": signed_by_slack(secret, at, body),
    }
    url = f"{scene.stack.exporter_url}/api/slack/interactive"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as answer,
    ):
        return answer.status


async def test_the_end_is_in_the_history_and_in_the_statistics(scene: Scene) -> None:
    for service in (SEEN, UNSEEN):
        await scene.stack.simulated.services[service].repair()

    async def over() -> bool:
        services = (SEEN, UNSEEN)
        return not any([await scene.of(service, "acknowledged") for service in services])

    await until(over)

    async def counted_alike() -> Any:
        """The history and the statistics, as soon as both have the same alerts."""
        listed = (await scene.get("alerts/history?name=ServiceDown"))["alerts"]
        told = (await scene.get("alerts/statistics?window=24h"))["alerts"]
        (of_name,) = [one for one in told if one["name"] == "ServiceDown"]
        return (listed, of_name) if of_name["count"] == len(listed) else None

    history, counted = await until(counted_alike)
    # A probe that a busy machine holds up makes others besides, which nobody acknowledges.
    ours = [one for one in history if one["service"] in scene.ids]
    kept = [one for one in ours if unix(one["startsAt"]) > scene.broken_at]
    assert {one["service"]: one["id"] for one in kept} == scene.ids
    assert len(kept) == 2
    for one in kept:
        assert one["status"] == "resolved"
        assert one["startsAt"] < one["acknowledgedAt"] < one["endsAt"]
    assert counted["acknowledged"] == 2
    assert counted["mttaSeconds"] == pytest.approx(mean_until("acknowledgedAt", kept), abs=0.1)
    assert counted["mttrSeconds"] == pytest.approx(mean_until("endsAt", history), abs=0.1)
    # One in time, and one after the manager had been paged.
    assert (counted["breaches"], counted["acknowledgedInTimeShare"]) == (1, 0.5)
    assert scene.stack.sinks.refusals == ()


def mean_until(then: str, alerts: list[dict[str, Any]]) -> float:
    """How long it took on average from the start until then, in seconds."""
    return fmean(unix(one[then]) - unix(one["startsAt"]) for one in alerts)


async def test_what_was_false_is_marked_and_a_backup_is_made(scene: Scene, tmp_path: Path) -> None:
    marked = await scene.curl(
        'curl --silent -X POST -H "Authorization: Bearer $TOKEN" '
        f'"https://{HOST}/api/alerts/{scene.ids[SEEN]}/false-positive"'
    )
    assert marked["falsePositive"] is True
    path = f"{find('postgres').parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "backup", "--directory", str(tmp_path)),
        env={"PATH": path, "DATABASE_URL": scene.stack.postgres.dsn()},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert (process.returncode, b"done: " in said) == (0, True), said


async def test_without_its_store_the_exporter_goes_on_and_a_new_alert_reaches_the_team_lead(
    scene: Scene,
) -> None:
    scene.stack.postgres.stop()
    try:
        await until(lambda: refused(scene))
        stopped_at = time.time()
        async with aiohttp.ClientSession() as session:
            for path in ("/metrics", "/status"):
                async with session.get(f"{scene.stack.exporter_url}{path}") as answer:
                    assert answer.status == 200
        # It is 503 because this Postgres is one of the platform's own too; it tells what it did.
        health = await scene.stack.api.health()
        assert len(health["services"]) > len(scene.stack.simulated.services)
        error = await scene.get("alerts?status=active")
        assert set(error) == {"error", "code", "statusCode", "timestamp", "path"}
        assert (error["code"], error["statusCode"]) == ("SERVICE_UNAVAILABLE", 503)
        await scene.stack.simulated.services[LATE].crash()

        async def page() -> list[Receipt]:
            return scene.paged("EscalationFailOpenCritical", LATE)

        lead = cast("list[Receipt]", await until(page))[0]
        assert lead.received_at > stopped_at
        # Probing has gone on: the crash was found by a probe.
        assert await scene.stack.api.instant(f'probe_success{{target="{LATE}"}} == 0')
    finally:
        scene.stack.postgres.start()
        await asyncio.to_thread(scene.stack.postgres.wait_ready, DEADLINE)


async def refused(scene: Scene) -> bool:
    """Whether Alertmanager's webhook is told to come again."""
    token = (scene.stack.directory / "ingest_token").read_text()
    url = f"{scene.stack.exporter_url}/api/alertmanager/webhook"
    body = {
        "version": "4",
        "groupKey": "{}",
        "receiver": "ledger",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "Nobodys", "severity": "info"},
                "annotations": {},
                "startsAt": "2026-01-01T00:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
            }
        ],
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        return answer.status == 503


async def test_everything_is_caught_up_with_once_the_store_is_back(scene: Scene) -> None:
    (alert,) = await until(lambda: scene.of(LATE))
    assert alert["severity"] == "critical"
    drift = (
        'count(ALERTS{alertstate="firing",severity!="",escalation=""}) '
        "- on () max(alert_ledger_open_alerts) == 0"
    )
    await until(lambda: scene.stack.api.instant(drift))
    await scene.stack.simulated.services[LATE].repair()

    async def over() -> bool:
        return not await scene.of(LATE)

    await until(over)
    history = (await scene.get("alerts/history?name=ServiceDown"))["alerts"]
    assert [one["status"] for one in history if one["service"] == LATE] == ["resolved"]


async def test_the_dashboards_show_what_people_did_and_that_there_is_a_backup(
    scene: Scene,
) -> None:
    queries = [one for one in asked(scene.stack.platform) if one.title in LATER]
    assert {one.title for one in queries} == LATER

    async def shown() -> bool:
        # Somebody looks keys up, as nobody else does.
        command = (find("redis-cli"), "-u", scene.stack.redis.url, "-r", "200", "GET", "ticket")
        asks = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        assert await asks.wait() == 0
        return await filled(scene.stack.api, queries) == LATER

    await until(shown)


# With Postgres alone: a file cannot be stopped, and dashboards show the same of both.
WITH_POSTGRES = {
    test_what_was_false_is_marked_and_a_backup_is_made,
    test_the_dashboards_show_what_people_did_and_that_there_is_a_backup,
    test_without_its_store_the_exporter_goes_on_and_a_new_alert_reaches_the_team_lead,
    test_everything_is_caught_up_with_once_the_store_is_back,
}
