"""The same platform at other addresses: for the demo, for tests, for a staging copy.

Nothing but addresses changes, so that what is shown there is what the config says: timing,
severities, routes and rules stay.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from model.alerts import Alert
from model.declared import ConfigError, Problem, suggestion
from model.load import load
from model.people import Channel, Contact, Email, PagerDuty, Slack, Webhook
from model.platform import Platform
from model.redis import Redis
from model.targets import Target


class Addresses(BaseModel):
    """Where everything is instead. Each address is host:port; `targets` maps names to URLs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: dict[str, str] = {}
    exporter: str
    prometheus: str
    alertmanager: str
    smarthost: str
    slack_webhook_url_file: str
    pagerduty_url: str
    pagerduty_routing_key_file: str
    # None: where the config says.
    ledger_credentials_file: str | None = None


def overlaid(config: Path, addresses: Path) -> Platform:
    """A config file's platform at the addresses that a JSON file gives.

    Raises ConfigError with every problem of either.
    """
    platform = load(config)
    try:
        given = Addresses.model_validate(json.loads(addresses.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigError([Problem(f"{addresses}: {error}")]) from None
    return relocate(platform, given)


def relocate(platform: Platform, given: Addresses) -> Platform:
    """The platform at other addresses. Raises ConfigError if a target is not one of its."""
    known = [target.name for target in platform.targets]
    unknown = [name for name in given.targets if name not in known]
    if unknown:
        raise ConfigError(
            [Problem(f'there is no target "{name}"{suggestion(name, known)}') for name in unknown]
        )
    watched = platform.watched_by.model_copy(
        update={
            "exporters": (given.exporter,),
            "prometheus": (given.prometheus,),
            "alertmanagers": (given.alertmanager,),
        }
    )
    return platform.model_copy(
        update={
            "services": tuple(_moved(target, given) for target in platform.services),
            "tcp": tuple(_moved(target, given) for target in platform.tcp),
            "postgres": tuple(_moved(target, given) for target in platform.postgres),
            "redis": tuple(_alone(target, given) for target in platform.redis),
            "external": tuple(_moved(target, given) for target in platform.external),
            "channels": tuple(_rerouted(channel, given) for channel in platform.channels),
            "contacts": tuple(_called(contact, given) for contact in platform.contacts),
            "alerts": tuple(_harmless(alert) for alert in platform.alerts),
            "ledger": _own(platform.ledger, given),
            "watched_by": watched,
            "base_url": f"http://{given.exporter}",
            "dead_mans_switch": f"http://{given.exporter}/api/alertmanager/watchdog",
        }
    )


def _moved(target: Target, given: Addresses) -> Target:
    url = given.targets.get(target.name)
    return target if url is None else target.model_copy(update={"url": url})


def _alone(target: Target, given: Addresses) -> Target:
    """A Redis at another address is not the one that the config's Sentinels watch."""
    moved = _moved(target, given)
    if moved is target or not isinstance(target, Redis):
        return moved
    nobody = {"master_name": None, "sentinels": ()}
    credentials = {"sentinel_username": None, "sentinel_password_file": None}
    return moved.model_copy(update={**nobody, **credentials})


def _called(contact: Contact, given: Addresses) -> Contact:
    if contact.pagerduty_routing_key_file is None:
        return contact
    update = {"pagerduty_routing_key_file": given.pagerduty_routing_key_file}
    return contact.model_copy(update=update)


def _harmless(alert: Alert) -> Alert:
    """What a copy of the platform suffers must not set off a remedy of the real one."""
    return alert if alert.remediation is None else alert.model_copy(update={"remediation": None})


def _own(ledger: Webhook | None, given: Addresses) -> Webhook | None:
    if ledger is None:
        return None
    update: dict[str, str] = {}
    if ledger.url is not None:
        update["url"] = f"http://{given.exporter}{urlsplit(ledger.url).path}"
    if ledger.credentials_file is not None and given.ledger_credentials_file is not None:
        update["credentials_file"] = given.ledger_credentials_file
    return ledger.model_copy(update=update)


def _rerouted(channel: Channel, given: Addresses) -> Channel:
    if isinstance(channel, Email):
        # What stands in for a smarthost on this machine has neither TLS nor accounts.
        return channel.model_copy(
            update={
                "smarthost": given.smarthost,
                "require_tls": False,
                "username": None,
                "password_file": None,
            }
        )
    if isinstance(channel, Slack):
        return channel.model_copy(update={"webhook_url_file": given.slack_webhook_url_file})
    assert isinstance(channel, PagerDuty)
    return channel.model_copy(
        update={
            "url": given.pagerduty_url,
            "routing_key_file": given.pagerduty_routing_key_file,
        }
    )
