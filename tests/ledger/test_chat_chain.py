"""The whole way: a real Alertmanager with config.py's routes, to people, and back to the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from chatting import INGEST, JANE, ROUTING_KEY, Spoken, incident, legacy_click, spoken
from episodes import rows
from standins import until

from demo.sinks import Receipt, Sinks
from exporter.ledger.store import StoreOptions
from exporter.ledger.tables import alert_groups, alerts
from model import seconds
from model.load import load
from model.overlay import Addresses, relocate
from model.platform import Platform
from programs import Alertmanager
from rules import messages, routing
from rules.writer import write

ROOT = Path(__file__).resolve().parents[2]
# What only something that never comes exceeds, on a busy machine too.
WAIT = 60.0


@dataclass(frozen=True)
class Chain:
    """An Alertmanager, the people whom it tells, and the exporter to which they answer."""

    spoken: Spoken
    sinks: Sinks
    alertmanager: str

    async def fire(self, *services: str) -> None:
        body = [
            {
                "labels": {"alertname": "ServiceDown", "severity": "critical", "service": service},
                "annotations": {"summary": f"{service} is down <!channel>"},
            }
            for service in services
        ]
        async with (
            ClientSession() as session,
            session.post(f"{self.alertmanager}/api/v2/alerts", json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def message(self, service: str) -> Receipt:
        """What Slack shows of it."""
        return await self.sinks.wait_for(
            lambda one: one.channel == "slack" and service in one.summary, WAIT
        )

    async def kept(self, number: int) -> list[dict[str, Any]]:
        """The episodes in the ledger, once there are so many, and PagerDuty's groups of each."""
        async with asyncio.timeout(WAIT):
            while True:
                found = await rows(self.spoken.store, alerts)
                groups = await rows(self.spoken.store, alert_groups)
                if len(found) == len(groups) == number:
                    return found
                await asyncio.sleep(0.05)


@pytest.fixture
async def chain(options: StoreOptions, tmp_path: Path) -> AsyncIterator[Chain]:
    """All of it, on a store of each kind."""
    async with (
        Sinks() as sinks,
        spoken(tmp_path, options, pagerduty_url=sinks.pagerduty_url) as served,
    ):
        exporter = f"127.0.0.1:{served.client.port}"
        platform = hurried(relocate(load(ROOT / "config.py"), addresses(exporter, sinks, tmp_path)))
        write({**routing.build(platform), **messages.build(platform)}, tmp_path)
        alertmanager = Alertmanager(tmp_path / "data", tmp_path / routing.PATH)
        alertmanager.start()
        telling = asyncio.create_task(served.chat.run())
        try:
            await asyncio.to_thread(alertmanager.wait_ready)
            yield Chain(served, sinks, alertmanager.url)
        finally:
            telling.cancel()
            await asyncio.wait([telling])
            await asyncio.to_thread(alertmanager.stop)


def addresses(exporter: str, sinks: Sinks, directory: Path) -> Addresses:
    given = {"slack": sinks.slack_url, "pagerduty": ROUTING_KEY, "ingest": INGEST}
    for name, secret in given.items():
        (directory / name).write_text(secret)
    return Addresses(
        exporter=exporter,
        prometheus="127.0.0.1:1",
        alertmanager="127.0.0.1:1",
        smarthost=sinks.smtp_address,
        slack_webhook_url_file=str(directory / "slack"),
        pagerduty_url=sinks.pagerduty_url,
        pagerduty_routing_key_file=str(directory / "pagerduty"),
        ledger_credentials_file=str(directory / "ingest"),
    )


def hurried(platform: Platform) -> Platform:
    """The same people and routes, sooner than people would want it."""
    soon = {"group_wait": seconds(0.2), "group_interval": seconds(1)}
    severities = tuple(severity.model_copy(update=soon) for severity in platform.severities)
    return platform.model_copy(update={"severities": severities})


async def test_the_button_of_a_real_message_acknowledges_and_pagerduty_is_told(
    chain: Chain,
) -> None:
    await chain.fire("payment-service", "order-service")
    message = await chain.message("payment-service")
    await chain.kept(2)
    # Alertmanager tells each receiver by itself: PagerDuty may hear of it after Slack, and knows
    # nothing of what is acknowledged before.
    await until(lambda: len(chain.sinks.open_incidents) == 2, WAIT)
    (attachment,) = message.body["attachments"]
    (button,) = attachment["actions"]
    click = legacy_click(
        chain.spoken.slack,
        button["value"],
        callback_id=attachment["callback_id"],
        actions=[{name: button[name] for name in ("name", "type", "value")}],
        original_message={"attachments": [attachment]},
    )
    assert (await chain.spoken.click(click)).status == 200
    status = {one["service"]: one["status"] for one in await chain.kept(2)}
    assert status == {"payment-service": "acknowledged", "order-service": "active"}
    shown, added = chain.spoken.slack.shown[0]["attachments"]
    assert shown["title"] == attachment["title"]
    assert "actions" not in shown
    assert "ServiceDown payment-service" in added["text"]
    await until(lambda: any(one.acknowledged for one in chain.sinks.open_incidents.values()), WAIT)
    acknowledged = {
        one.summary.split()[2]: one.acknowledged for one in chain.sinks.open_incidents.values()
    }
    assert acknowledged == {"payment-service": True, "order-service": False}
    assert chain.sinks.refusals == ()


async def test_the_key_of_a_real_incident_leads_back_to_its_alert(chain: Chain) -> None:
    await chain.fire("payment-service", "order-service")
    await chain.kept(2)
    await until(lambda: len(chain.sinks.open_incidents) == 2, WAIT)
    keys = {one.summary.split()[2]: key for key, one in chain.sinks.open_incidents.items()}
    event = incident("acknowledged", agent=JANE)
    event["data"]["incident_key"] = keys["order-service"]
    answer = await chain.spoken.send_pagerduty(event)
    assert await answer.json() == {"repeated": False, "alerts": 1}
    found = {one["service"]: one["acknowledged_by"] for one in await chain.kept(2)}
    assert found == {"payment-service": None, "order-service": "jane@example.com"}
