"""Sends a test to a channel without Alertmanager, by SMTP_*, SLACK_* and PAGERDUTY_*."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import aiohttp
from pydantic import SecretStr
from pydantic_core import from_json

from exporter.chat.routing_keys import keyed, mistakes, read_keys
from exporter.operations.channels import Channels
from exporter.operations.console import OperationError
from exporter.operations.smtp import RefusedError, UnreachableError, logged_in
from model.people import PagerDuty
from model.platform import Platform

SUBJECT = "A test of the monitoring service: nothing is wrong"
_SECONDS = aiohttp.ClientTimeout(total=15)
_SLACK_API = "https://slack.com/api/chat.postMessage"
# Of an answer: what is read, and what of it a person is shown.
_READ, _SHOWN = 65_536, 200


class NotSetError(Exception):
    """A variable that a test needs is not set; says which."""


async def send(
    session: aiohttp.ClientSession, channels: Channels, platform: Platform, kind: str
) -> str:
    """Send by a kind of channel; answers what became of it.

    Raises NotSetError where nothing was tried, OperationError where it has failed.
    """
    if kind == "email":
        return await asyncio.to_thread(_email, channels)
    if kind == "slack":
        return await _slack(session, channels)
    return await _pagerduty(session, channels, platform)


def _email(channels: Channels) -> str:
    sender = _set("ALERT_FROM_EMAIL", channels.alert_from_email)
    to = _set("ALERT_TO_EMAIL", channels.alert_to_email)
    place = f"{_set('SMTP_HOST', channels.smtp_host)}:{channels.smtp_port}"
    message = EmailMessage()
    try:
        message["From"], message["To"], message["Subject"] = sender, to, SUBJECT
    except ValueError as error:
        raise OperationError(f"ALERT_FROM_EMAIL, ALERT_TO_EMAIL: {error}") from None
    message["Date"], message["Message-ID"] = formatdate(), make_msgid()
    message.set_content("Somebody has run `python -m exporter test-notifications`.\n")
    try:
        with logged_in(channels) as server:
            refused = server.send_message(message)
    except UnreachableError as error:
        raise OperationError(f"{place} cannot be reached: {error}") from None
    except (RefusedError, smtplib.SMTPException) as error:
        raise OperationError(f"{place} refuses: {error}") from None
    if refused:
        raise OperationError(f"{place} refuses {', '.join(refused)}")
    return f"{place} has taken a mail to {to}"


async def _slack(session: aiohttp.ClientSession, channels: Channels) -> str:
    if channels.slack_webhook_url is None and channels.slack_token is not None:
        return await _slack_bot(session, channels, channels.slack_token)
    url = _secret("SLACK_WEBHOOK_URL", channels.slack_webhook_url)
    status, text = await _post(session, "Slack", url, {"text": SUBJECT})
    if status != 200:
        raise OperationError(f"Slack refuses: {status} {text[:_SHOWN]}")
    return "Slack has taken a message"


async def _slack_bot(
    session: aiohttp.ClientSession, channels: Channels, bot_token: SecretStr
) -> str:
    """By a bot's token. Slack answers 200 to what it refuses, and says so within."""
    channel = _set("SLACK_CHANNEL", channels.slack_channel)
    authorization = f"Bearer {bot_token.get_secret_value()}"
    message = {"channel": channel, "text": SUBJECT}
    status, text = await _post(session, "Slack", _SLACK_API, message, authorization)
    said = _object(text)
    if status != 200 or said.get("ok") is not True:
        raise OperationError(f"Slack refuses: {status} {said.get('error') or text[:_SHOWN]}")
    return f"Slack has taken a message to {channel}"


def _object(text: str) -> Mapping[str, object]:
    """What an answer says; nothing where it is no JSON object."""
    try:
        said = from_json(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


async def _pagerduty(session: aiohttp.ClientSession, channels: Channels, platform: Platform) -> str:
    given = _secret("PAGERDUTY_ROUTING_KEY", channels.pagerduty_routing_key)
    if wrong := list(mistakes(given, platform)):
        raise OperationError("; ".join(wrong))
    found = list(keyed(read_keys(given), platform))
    if not found:
        raise NotSetError("the config has no PagerDuty")
    for channel, key in found:
        await _open_and_close(session, channel, key)
    return "PagerDuty has taken an incident, and its end"


async def _open_and_close(session: aiohttp.ClientSession, channel: PagerDuty, key: str) -> None:
    told = {"summary": SUBJECT, "source": "monitoring-service", "severity": "info"}
    event = {"routing_key": key, "dedup_key": make_msgid()[1:-1]}
    # One that is opened here is closed here.
    for step in ({"event_action": "trigger", "payload": told}, {"event_action": "resolve"}):
        status, text = await _post(session, "PagerDuty", channel.url, {**event, **step})
        if status != 202:
            raise OperationError(f"PagerDuty refuses, for {channel.name}: {status} {text[:_SHOWN]}")


async def _post(
    session: aiohttp.ClientSession,
    whom: str,
    url: str,
    body: Mapping[str, object],
    authorization: str | None = None,
) -> tuple[int, str]:
    """Status and words. Raises OperationError, which never has the URL in it: it is a secret."""
    headers = {} if authorization is None else {"Authorization": authorization}
    try:
        async with session.post(
            url, json=body, headers=headers, timeout=_SECONDS, allow_redirects=False
        ) as answer:
            return answer.status, (await answer.content.read(_READ)).decode(errors="replace")
    except TimeoutError:
        raise OperationError(f"{whom} does not answer") from None
    except (aiohttp.ClientError, OSError) as error:
        raise OperationError(f"{whom} cannot be reached: {type(error).__name__}") from None


def _set(name: str, value: str | None) -> str:
    if value is None:
        raise NotSetError(f"{name} is not set")
    return value


def _secret(name: str, value: SecretStr | None) -> str:
    return _set(name, value.get_secret_value() if value is not None else None)
