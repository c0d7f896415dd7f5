"""A test of Slack by a bot's token, against a server that stands for slack.com."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from exporter.operations.channels import read_channels
from exporter.operations.console import OperationError
from exporter.operations.directly import NotSetError, send
from model.load import load
from model.platform import Platform

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "xoxb-hidden-word"


@dataclass
class Slack:
    """Answers as chat.postMessage does, and keeps what it is given."""

    platform: Platform
    answer: str = '{"channel": "C1", "ok": true}'
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    session: aiohttp.ClientSession = field(init=False)

    async def post(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        self.asked.append((f"{request.url}", authorization, await request.json()))
        return web.Response(text=self.answer, content_type="application/json")

    async def test(self, **variables: str) -> str:
        channels, problems = read_channels(variables)
        assert problems == []
        return await send(self.session, channels, self.platform, "slack")


class Resolver(AbstractResolver):
    """Knows slack.com alone, and that it is here."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        assert (host, port) == ("slack.com", 443)
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self.port,
                family=socket.AF_INET,
                proto=0,
                flags=0,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
async def slack() -> AsyncIterator[Slack]:
    authority, trusting = trustme.CA(), ssl.create_default_context()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("slack.com").configure_cert(serving)
    authority.configure_trust(trusting)
    slack = Slack(load(ROOT / "config.py"))
    app = web.Application()
    app.router.add_post("/api/chat.postMessage", slack.post)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=serving)
    try:
        assert server.port is not None
        connector = aiohttp.TCPConnector(resolver=Resolver(server.port), ssl=trusting)
        async with aiohttp.ClientSession(connector=connector) as session:
            slack.session = session
            yield slack
    finally:
        await server.close()


async def test_what_slack_refuses_with_200_has_not_worked(slack: Slack) -> None:
    slack.answer = '{"ok": false, "error": "channel_not_found"}'
    with pytest.raises(OperationError) as raised:
        await slack.test(SLACK_TOKEN=TOKEN, SLACK_CHANNEL="#gone")
    assert str(raised.value) == "Slack refuses: 200 channel_not_found"


@pytest.mark.parametrize("answer", ["", "<html>", "[true]", '{"ok": "true"}'])
async def test_what_slack_would_not_answer_has_not_worked(slack: Slack, answer: str) -> None:
    slack.answer = answer
    with pytest.raises(OperationError, match="Slack refuses: 200"):
        await slack.test(SLACK_TOKEN=TOKEN, SLACK_CHANNEL="#alerts")


async def test_a_token_without_a_channel_is_not_tried(slack: Slack) -> None:
    with pytest.raises(NotSetError, match="SLACK_CHANNEL is not set"):
        await slack.test(SLACK_TOKEN=TOKEN)
    assert slack.asked == []


async def test_a_token_alone_writes_to_the_channel(slack: Slack) -> None:
    told = await slack.test(SLACK_TOKEN=TOKEN, SLACK_CHANNEL="#alerts")
    assert told == "Slack has taken a message to #alerts"
    ((url, authorization, message),) = slack.asked
    assert url.endswith("/api/chat.postMessage")
    assert authorization == f"Bearer {TOKEN}"
    assert message["channel"] == "#alerts"
    assert "nothing is wrong" in message["text"]


async def test_a_webhook_goes_before_a_token(slack: Slack) -> None:
    with pytest.raises(OperationError, match="Slack cannot be reached"):
        await slack.test(
            SLACK_TOKEN=TOKEN, SLACK_CHANNEL="#alerts", SLACK_WEBHOOK_URL="http://127.0.0.1:1/"
        )
    assert slack.asked == []
