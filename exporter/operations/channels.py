"""The variables of our own tests of email, Slack and PagerDuty: SMTP_*, SLACK_*, PAGERDUTY_*.

Alertmanager has its own, in its files. That both are there tells which of them is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from exporter.settings import read_variable
from model.targets import url_mistakes


def _web_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None and (
        mistakes := url_mistakes(value.get_secret_value(), ("https", "http"), secret=True)
    ):
        raise ValueError("; ".join(mistake.removeprefix("url: ") for mistake in mistakes))
    return value


class Channels(BaseModel):
    """What the environment says of the channels. `smtp_secure` is TLS from the first byte."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_secure: bool = False
    smtp_user: str | None = None
    smtp_pass: SecretStr | None = None
    alert_from_email: str | None = None
    alert_to_email: str | None = None
    slack_webhook_url: Annotated[SecretStr | None, AfterValidator(_web_url)] = None
    # Without a webhook: a bot's token, and the channel that it writes to.
    slack_token: SecretStr | None = None
    slack_channel: str | None = None
    pagerduty_routing_key: SecretStr | None = None


_SECRETS = frozenset({"smtp_pass", "slack_webhook_url", "slack_token", "pagerduty_routing_key"})


def read_channels(environment: Mapping[str, str]) -> tuple[Channels, list[str]]:
    """The channels, and every mistake found; with mistakes, channels are as if nothing were set."""
    problems: list[str] = []
    found: dict[str, Any] = {}
    for field in Channels.model_fields:
        value = read_variable(environment, field.upper(), problems, secret=field in _SECRETS)
        if value is not None:
            found[field] = value.lower() if field == "smtp_secure" else value
    try:
        channels = Channels.model_validate(found)
    except ValidationError as error:
        for details in error.errors(include_input=False, include_url=False):
            message = details["msg"].removeprefix("Value error, ")
            problems.append(f"{str(details['loc'][0]).upper()}: {message}")
    return (Channels() if problems else channels), problems
