"""`test-notifications`: through the real Alertmanager by the generated routes, and directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP, Envelope
from operating import Ended, operate
from serving import DATABASES, SERVICES, config_text
from stores import opened, sqlite

from exporter.operations.notification_log import last
from model.load import load
from programs import Alertmanager, free_port
from rules.routing import document

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).resolve().parents[2]
NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


@dataclass
class Sinks:
    """A mail server, Slack and PagerDuty; each refuses if told so."""

    smtp: int = 0
    url: str = ""
    mails: list[str] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    refuse: bool = False

    async def handle_MAIL(  # noqa: N802 - the name is aiosmtpd's
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: object
    ) -> str:
        envelope.mail_from = address
        return "550 no" if self.refuse else "250 ok"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: object, _session: object, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content.decode())
        return "250 ok"

    async def post(self, request: web.Request) -> web.Response:
        if self.refuse:
            return web.Response(status=403, text="no")
        self.posts.append(await request.json())
        return web.Response(status=202 if request.path == "/pagerduty" else 200, text="ok")


@dataclass(frozen=True)
class Scene:
    """An Alertmanager that has the generated routes, and whom it tells."""

    directory: Path
    sinks: Sinks
    alertmanager: Alertmanager
    variables: dict[str, str]

    async def test(self, channel: str, **variables: str) -> Ended:
        words = ("test-notifications", "--channel", channel)
        ended = await operate(self.directory, *words, **{**self.variables, **variables})
        assert "hidden-word" not in ended.said + ended.complaint
        return ended


@asynccontextmanager
async def listening(sinks: Sinks) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/slack", sinks.post)
    app.router.add_post("/pagerduty", sinks.post)
    mail = await asyncio.get_running_loop().create_server(lambda: SMTP(sinks), "127.0.0.1", 0)
    async with TestServer(app) as server, mail:
        sinks.smtp = mail.sockets[0].getsockname()[1]
        sinks.url = f"http://127.0.0.1:{server.port}"
        yield


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    sinks = Sinks()
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(NOBODY))
    (tmp_path / "slack").write_text("")
    (tmp_path / "key").write_text("k" * 32)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(listening(sinks))
        (tmp_path / "slack").write_text(f"{sinks.url}/slack")
        alertmanager = stack.enter_context(Alertmanager(tmp_path / "alertmanager", file))
        address = alertmanager.url.removeprefix("http://")
        watched = f'watched_by=Prometheus(alertmanagers=("{address}",)),'
        channels = f"""channels=(
        Email(to=("me@example.com",), sender="us@example.com", smarthost="127.0.0.1:{sinks.smtp}",
              require_tls=False),
        Slack(webhook_url_file="{tmp_path}/slack", channel="#alerts"),
        PagerDuty(routing_key_file="{tmp_path}/key", url="{sinks.url}/pagerduty"),
    ),"""
        text = config_text(*SERVICES, databases=DATABASES + watched)
        text = text.replace(
            'channels=(Slack(webhook_url_file="/secrets/slack", channel="#alerts"),),', channels
        ).replace(
            'channels=("slack",)',
            'channels=("email", "slack", "pagerduty"), '
            "group_wait=seconds(1), group_interval=seconds(5)",
        )
        (tmp_path / "config.py").write_text(text)
        routes = document(load(tmp_path / "config.py"), str(ROOT / "alertmanager/templates/*.tmpl"))
        file.write_text(yaml.safe_dump(routes))
        alertmanager.reload()
        variables = {
            "MONITORING_CONFIG": str(tmp_path / "config.py"),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(sinks.smtp),
            "ALERT_FROM_EMAIL": "us@example.com",
            "ALERT_TO_EMAIL": "me@example.com",
            "SLACK_WEBHOOK_URL": f"{sinks.url}/slack",
            "PAGERDUTY_ROUTING_KEY": "hidden-word",
        }
        yield Scene(tmp_path, sinks, alertmanager, variables)


async def test_variables_that_are_wrong_end_with_2(scene: Scene) -> None:
    ended = await scene.test("email", SMTP_PORT="no", SLACK_WEBHOOK_URL="hidden-word")
    assert ended.code == 2
    assert "SMTP_PORT" in ended.complaint
    assert "SLACK_WEBHOOK_URL" in ended.complaint


@pytest.mark.parametrize("channel", ["email", "slack", "pagerduty"])
async def test_a_channel_that_works_gets_both(scene: Scene, channel: str) -> None:
    ended = await scene.test(channel)
    assert (ended.code, ended.complaint) == (0, ""), ended
    assert ended.last == f"done: {channel} works; now look whether it has arrived"
    if channel == "email":
        assert len(scene.sinks.mails) >= 2
        assert "Subject: A test of the monitoring service" in scene.sinks.mails[0]
        assert any("NotificationTest" in mail for mail in scene.sinks.mails[1:])
    else:
        texts = [str(post) for post in scene.sinks.posts]
        assert any("A test of the monitoring service" in text for text in texts)
        assert any("NotificationTest" in text for text in texts)


async def test_a_variable_that_is_not_set_leaves_the_direct_half_out(scene: Scene) -> None:
    del scene.variables["SMTP_HOST"]
    ended = await scene.test("email")
    assert ended.code == 0
    assert "directly: not tried: SMTP_HOST is not set" in ended.said


async def test_what_is_broken_is_told_by_its_half(scene: Scene) -> None:
    ended = await scene.test("email", SMTP_PORT=str(free_port()))
    assert ended.code == 1
    assert "our own variables are what is broken" in ended.complaint
    scene.alertmanager.config.write_text(yaml.safe_dump(NOBODY))
    scene.alertmanager.reload()
    ended = await scene.test("email")
    assert ended.code == 1
    assert "to nobody, not to email" in ended.said
    assert "Alertmanager, or its settings, are what is broken" in ended.complaint
    scene.alertmanager.stop()
    scene.sinks.refuse = True
    ended = await scene.test("email")
    assert ended.code == 1
    assert "550 no" in ended.said
    assert "neither can we" in ended.complaint


async def test_a_server_that_refuses_is_seen_in_what_alertmanager_counts(scene: Scene) -> None:
    scene.sinks.refuse = True
    ended = await scene.test("slack")
    assert ended.code == 1
    assert "Slack refuses: 403 no" in ended.said
    assert "through Alertmanager: BROKEN: Alertmanager has tried to send by slack" in ended.said


async def test_each_test_is_kept_in_the_audit_trail_of_a_ledger(scene: Scene) -> None:
    config = scene.directory / "config.py"
    ledger = 'ledger=Webhook(url="http://127.0.0.1/api/alertmanager/webhook"),'
    config.write_text(config.read_text().replace("    alerts=(),", f"    alerts=(), {ledger}"))
    options = sqlite(scene.directory)
    scene.variables["LEDGER_FILE"] = str(options.file)
    ended = await scene.test("slack")
    assert (ended.code, "not noted in the audit trail: " in ended.said) == (0, True)
    async with opened(options) as store:
        assert "not noted" not in (await scene.test("slack")).said
        await scene.test("email", SMTP_PORT=str(free_port()))
        refused = await scene.test("pagerduty", READ_ONLY="1")
        assert "not noted in the audit trail: READ_ONLY is set" in refused.said
        async with store.read() as connection:
            tests = await last(connection, datetime.now(UTC))
    assert {kind: (one.through, one.direct) for kind, one in tests.items()} == {
        "slack": (True, True),
        "email": (True, False),
    }
