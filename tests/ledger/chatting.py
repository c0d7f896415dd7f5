"""An exporter that people speak to from Slack and PagerDuty, and stand-ins for both."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientResponse, web
from serving import Client, Fleet, serving

from exporter.chat.chat import Chat
from exporter.ledger.groups import dedup_key
from exporter.ledger.store import Store, StoreOptions
from exporter.service import Service

SIGNING_SECRET = "what-slack-signs-with"
WEBHOOK_SECRET = "what-pagerduty-signs-with"
ROUTING_KEY = "r" * 32
INGEST = "token-of-alertmanager-0123456789-0123456789"
SECRETS = {
    "JWT_SECRET": "secret-of-people-0123456789-0123456789",
    "INGEST_TOKEN": INGEST,
    "SLACK_SIGNING_SECRET": SIGNING_SECRET,
    "PAGERDUTY_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
}

# A group's key as Alertmanager makes it, and somebody as PagerDuty names them.
GROUP = '{}/{severity="critical"}:{alertname="ServiceDown", service="payment-service"}'
JANE = {"id": "PJANE", "type": "user_reference", "summary": "Jane"}

CONFIG = """
from model import *

CONFIG = Platform(
    name="tiny",
    services=(Service(name="own-service", url="http://127.0.0.1:1"),),
    severities=(
        Severity(name="critical", response_time=minutes(5), channels=("slack", "pagerduty")),
    ),
    channels=(
        Slack(webhook_url_file="/secrets/slack", channel="#alerts"),
        PagerDuty(routing_key_file="/secrets/pagerduty", url="PAGERDUTY_URL"),
    ),
    contacts=(
        Contact(
            role="jane",
            title="Jane",
            email="jane@example.com",
            slack_user="T0123/U0JANE",
            pagerduty_user="PJANE",
        ),
        Contact(role="joe", title="Joe", phone="1", slack_user="T0123/U0JOE"),
    ),
    alerts=(),
    own_service="own-service",
    base_url="http://127.0.0.1",
    dead_mans_switch="http://127.0.0.1/watchdog",
    ledger=Webhook(url="http://127.0.0.1/api/alertmanager/webhook"),
)
"""


@dataclass
class SlackSide:
    """Where response_url leads: keeps what is posted there."""

    origin: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    # What it answers, one for each post; 200 when there is none left.
    answers: list[int] = field(default_factory=list)

    @property
    def response_url(self) -> str:
        return f"{self.origin}actions/T0123/1/secret"

    async def take(self, request: web.Request) -> web.Response:
        assert request.path == "/actions/T0123/1/secret"
        self.posted.append(await request.json())
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"Location": "/elsewhere"}, text="ok")

    @property
    def shown(self) -> list[dict[str, Any]]:
        """Messages that all see."""
        return [one for one in self.posted if one.get("replace_original")]

    @property
    def whispered(self) -> list[str]:
        """Messages that only whoever has clicked sees."""
        return [one["text"] for one in self.posted if one.get("response_type") == "ephemeral"]


@dataclass(frozen=True)
class Spoken:
    """A served exporter."""

    client: Client
    service: Service
    store: Store
    slack: SlackSide

    @property
    def chat(self) -> Chat:
        assert self.service.chat is not None
        return self.service.chat

    async def settled(self) -> None:
        """Wait for what is done after requests were answered."""
        await self.chat.background.close(60)

    async def click(self, payload: dict[str, Any], **signed: Any) -> ClientResponse:
        """Send a click as Slack does, and wait for all that follows."""
        body = urlencode({"payload": json.dumps(payload)}).encode()
        answer = await self.send_slack(body, **signed)
        await self.settled()
        return answer

    async def send_slack(
        self,
        body: bytes,
        *,
        secret: str = SIGNING_SECRET,
        timestamp: str | None = None,
        signature: str | None = None,
    ) -> ClientResponse:
        """Post a body, signed as Slack does unless told otherwise."""
        at = str(int(time.time())) if timestamp is None else timestamp
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": signed_by_slack(secret, at, body)
            if signature is None
            else signature,
        }
        return await self.client.post(
            "/api/slack/interactive", data=io.BytesIO(body), headers=headers
        )

    async def send_pagerduty(
        self, event: dict[str, Any] | bytes, *, signatures: str | None = None
    ) -> ClientResponse:
        """Post an event, signed as PagerDuty does unless told otherwise."""
        body = event if isinstance(event, bytes) else json.dumps({"event": event}).encode()
        given = signed_by_pagerduty(WEBHOOK_SECRET, body) if signatures is None else signatures
        return await self.client.post(
            "/api/pagerduty/webhook",
            data=io.BytesIO(body),
            headers={"X-PagerDuty-Signature": given},
        )


def signed_by_slack(secret: str, timestamp: str, body: bytes) -> str:
    """As Slack's documents say."""
    text = f"v0:{timestamp}:".encode() + body
    return "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def signed_by_pagerduty(secret: str, body: bytes) -> str:
    """As PagerDuty's documents say."""
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def legacy_click(
    slack: SlackSide, value: str, user: str = "U0JANE", **changes: Any
) -> dict[str, Any]:
    """A click on the button of an attachment, as Slack sends it."""
    return {
        "type": "interactive_message",
        "actions": [{"name": "acknowledge", "type": "button", "value": value}],
        "callback_id": "monitoring.alerts",
        "team": {"id": "T0123", "domain": "tickets"},
        "channel": {"id": "C0123", "name": "monitoring-alerts"},
        "user": {"id": user, "name": "somebody"},
        "action_ts": "1764072000.123456",
        "message_ts": "1764071990.000100",
        "attachment_id": "1",
        "token": "deprecated",
        "is_app_unfurl": False,
        "original_message": {
            "type": "message",
            "subtype": "bot_message",
            "text": "",
            "ts": "1764071990.000100",
            "attachments": [
                {
                    "id": 1,
                    "color": "d00000",
                    "title": "[FIRING:1] ServiceDown payment-service (critical)",
                    "text": "*payment-service is down*",
                    "callback_id": "monitoring.alerts",
                    "actions": [
                        {"id": "1", "name": "acknowledge", "type": "button", "value": value}
                    ],
                }
            ],
        },
        "response_url": slack.response_url,
        "trigger_id": "1.2.3",
        **changes,
    }


def block_click(
    slack: SlackSide, value: str, user: str = "U0JANE", **changes: Any
) -> dict[str, Any]:
    """A click on a button of Block Kit, as Slack sends it."""
    button = {"type": "button", "action_id": "acknowledge", "block_id": "b1", "value": value}
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "somebody", "team_id": "T0123"},
        "team": {"id": "T0123", "domain": "tickets"},
        "container": {"type": "message", "message_ts": "1764071990.000100"},
        "message": {
            "type": "message",
            "text": "ServiceDown",
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": "ServiceDown"}},
                {"type": "actions", "block_id": "b1", "elements": [button]},
            ],
        },
        "actions": [{**button, "action_ts": "1764072000.123456"}],
        "response_url": slack.response_url,
        **changes,
    }


def incident(kind: str, key: str | None = GROUP, **changes: Any) -> dict[str, Any]:
    """An event about an incident, as PagerDuty sends it."""
    return {
        "id": uuid.uuid4().hex,
        "event_type": f"incident.{kind}",
        "resource_type": "incident",
        "occurred_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "agent": JANE,
        "client": None,
        "data": {
            "id": "Q1INCIDENT",
            "type": "incident",
            "number": 12,
            "status": kind,
            "incident_key": None if key is None else dedup_key(key),
            "title": "[FIRING:1] ServiceDown",
            "assignees": [JANE],
        },
        **changes,
    }


def environment(options: StoreOptions, **more: str) -> dict[str, str]:
    """The variables of an exporter that keeps its ledger there; an empty one is not set."""
    store = {"DATABASE_URL": options.url} if options.url else {"LEDGER_FILE": str(options.file)}
    return {name: value for name, value in {**SECRETS, **store, **more}.items() if value}


@asynccontextmanager
async def spoken(
    directory: Path,
    options: StoreOptions,
    *,
    text: str = CONFIG,
    pagerduty_url: str = "http://127.0.0.1:1/v2/enqueue",
    opened: bool = True,
    **variables: str,
) -> AsyncIterator[Spoken]:
    """Serve it. `opened` False: its store is not available."""
    slack = SlackSide()
    hooks = web.Application()
    hooks.router.add_post("/{path:.*}", slack.take)
    runner = web.AppRunner(hooks, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.origin = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    given = environment(options, **variables)
    config = text.replace("PAGERDUTY_URL", pagerduty_url)
    try:
        async with serving(directory, Fleet(), given, config) as served:
            ledger, chat = served.service.ledger, served.service.chat
            assert ledger is not None
            assert chat is not None
            chat.slack.origin = slack.origin
            if opened:
                await ledger.store.open()
            try:
                yield Spoken(served.client, served.service, ledger.store, slack)
            finally:
                await chat.close()
                await ledger.close()
    finally:
        await runner.cleanup()
