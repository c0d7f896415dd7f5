"""The exporter's part in conversations: what it sends to Slack and PagerDuty, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from exporter.chat.background import Background
from exporter.chat.pagerduty_out import PagerDutyAcknowledger
from exporter.chat.routing_keys import read_keys
from exporter.chat.slack_message import Message
from exporter.chat.slack_replies import SlackReplies
from exporter.instruments import Family
from exporter.ledger.store import Store
from exporter.settings import Settings
from model.platform import Platform

# As long as the process may take to end after it has been told to.
_LAST_SECONDS = 3.0


class Chat:
    """Answers to Slack, and acknowledgements to PagerDuty where its routing key is known."""

    def __init__(
        self, settings: Settings, errors: Family, store: Store, platform: Callable[[], Platform]
    ) -> None:
        self.background = Background()
        self.slack = SlackReplies(errors.labels("slack"))
        # A series that were born at 1 would hide its first error from a rate.
        failed = errors.labels("pagerduty")
        self.pagerduty = (
            PagerDutyAcknowledger(
                store,
                read_keys(settings.pagerduty_routing_key.get_secret_value()),
                platform,
                failed,
                self.background,
            )
            if settings.pagerduty_routing_key is not None and not settings.read_only
            else None
        )

    def answer(self, response_url: str, message: Message) -> None:
        """Answer a request of Slack's, after it has been answered by 200."""
        self.background.start(self.slack.post(response_url, message))

    async def run(self) -> None:
        """Tell PagerDuty what it has to know, until cancelled."""
        if self.pagerduty is None:
            await asyncio.Event().wait()
        else:
            await self.pagerduty.run()

    async def close(self) -> None:
        """Wait for what is under way. The store has to be there still."""
        await self.background.close(_LAST_SECONDS)
