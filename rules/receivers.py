"""Receivers of alertmanager.yml: one for each set of channels, contact and webhook that is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from model.alerts import Alert
from model.people import Channel, Contact, Email, PagerDuty, Slack, Webhook
from model.platform import Platform
from model.telling import DEAD_MANS_SWITCH, LEDGER, UNROUTED
from rules.scrape import basic_auth


def channels_receiver(names: Iterable[str], platform: Platform) -> str:
    """The name of the receiver of these channels, whichever order they are given in."""
    given = set(names)
    return "+".join(one.name for one in platform.channels if one.name in given)


def contact_receiver(role: str) -> str:
    """The name of the receiver that is one contact."""
    return f"contact-{role}"


def remediation_receiver(alert: Alert) -> str:
    """The name of the receiver that is an alert's remediation."""
    return f"remediation-{alert.name}-{alert.severity}"


def build_receivers(used: Iterable[str], platform: Platform) -> list[dict[str, Any]]:
    """The receivers that routes use, each once, in the order of their first use."""
    return [_build(name, platform) for name in dict.fromkeys(used)]


def fallback(platform: Platform) -> list[Channel]:
    """Where goes what no route claims: where people read, not where it pages."""
    emails = [channel for channel in platform.channels if isinstance(channel, Email)]
    return list(emails) or list(platform.channels[:1])


def groups_webhook(platform: Platform) -> Webhook | None:
    """Who is told the group keys of incidents: the ledger, beside where it hears of alerts.

    PagerDuty knows an incident by its group's key, so that nobody can acknowledge one without.
    """
    if platform.ledger is None or platform.ledger.url is None:
        return None
    return platform.ledger.model_copy(update={"url": urljoin(platform.ledger.url, "groups")})


def _build(name: str, platform: Platform) -> dict[str, Any]:
    if name == UNROUTED:
        return _of_channels(name, fallback(platform), platform)
    if name == DEAD_MANS_SWITCH:
        return {"name": name, "webhook_configs": [_watchdog(platform)]}
    if name == LEDGER:
        assert platform.ledger is not None
        return {"name": name, "webhook_configs": [_webhook(platform.ledger)]}
    kind, _, rest = name.partition("-")
    if kind == "contact":
        contact = next(one for one in platform.contacts if one.role == rest)
        return _of_contact(name, contact, platform)
    if kind == "remediation":
        alert = next(one for one in platform.alerts if remediation_receiver(one) == name)
        assert alert.remediation is not None
        # What has ended needs no remedy.
        return {"name": name, "webhook_configs": [_webhook(alert.remediation, resolved=False)]}
    told = [channel for channel in platform.channels if channel.name in name.split("+")]
    return _of_channels(name, told, platform)


def _of_channels(name: str, channels: Iterable[Channel], platform: Platform) -> dict[str, Any]:
    receiver: dict[str, Any] = {"name": name}
    for channel in channels:
        receiver.setdefault(f"{channel.kind}_configs", []).append(_integration(channel, platform))
    return _with_groups(receiver, platform)


def _of_contact(name: str, contact: Contact, platform: Platform) -> dict[str, Any]:
    receiver: dict[str, Any] = {"name": name}
    smarthost = next((one for one in platform.channels if isinstance(one, Email)), None)
    if contact.email is not None and smarthost is not None:
        receiver["email_configs"] = [_email(smarthost, (contact.email,))]
    if contact.pagerduty_routing_key_file is not None:
        ours = next((one for one in platform.channels if isinstance(one, PagerDuty)), None)
        update = {"routing_key_file": contact.pagerduty_routing_key_file}
        pages = ours.model_copy(update=update) if ours else PagerDuty(**update)
        receiver["pagerduty_configs"] = [_pagerduty(pages)]
    return _with_groups(receiver, platform)


def _with_groups(receiver: dict[str, Any], platform: Platform) -> dict[str, Any]:
    groups = groups_webhook(platform)
    if groups is None or "pagerduty_configs" not in receiver:
        return receiver
    return {**receiver, "webhook_configs": [_webhook(groups)]}


def _webhook(webhook: Webhook, *, resolved: bool = True) -> dict[str, Any]:
    where = {"url": webhook.url} if webhook.url is not None else {"url_file": webhook.url_file}
    config: dict[str, Any] = {**where, "send_resolved": resolved, "max_alerts": 0}
    if webhook.credentials_file is not None:
        config["http_config"] = {"authorization": {"credentials_file": webhook.credentials_file}}
    return config


def _watchdog(platform: Platform) -> dict[str, Any]:
    webhook: dict[str, Any] = {"url": platform.dead_mans_switch, "send_resolved": False}
    # The exporter's credentials are for the exporter alone.
    own = urlsplit(platform.dead_mans_switch).netloc in platform.watched_by.exporters
    if own and (authorised := basic_auth(platform)):
        webhook["http_config"] = authorised
    return webhook


def _integration(channel: Channel, platform: Platform) -> dict[str, Any]:
    if isinstance(channel, Email):
        return _email(channel, channel.to)
    if isinstance(channel, Slack):
        return _slack(channel, platform)
    return _pagerduty(channel)


def _email(channel: Email, to: tuple[str, ...]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "to": ", ".join(to),
        "from": channel.sender,
        "smarthost": channel.smarthost,
        "require_tls": channel.require_tls,
        "send_resolved": True,
        "headers": {"Subject": '{{ template "monitoring.title" . }}'},
        "text": '{{ template "monitoring.text" . }}',
        "html": '{{ template "monitoring.html" . }}',
    }
    if channel.username is not None:
        config["auth_username"] = channel.username
        config["auth_password_file"] = channel.password_file
    return config


def _slack(channel: Slack, platform: Platform) -> dict[str, Any]:
    config = {
        "api_url_file": channel.webhook_url_file,
        "channel": channel.channel,
        "send_resolved": True,
        "color": '{{ template "monitoring.slack.color" . }}',
        "title": '{{ template "monitoring.slack.title" . }}',
        "title_link": '{{ template "monitoring.link" . }}',
        "fallback": '{{ template "monitoring.slack.title" . }}',
        "text": '{{ template "monitoring.slack.text" . }}',
    }
    return config if platform.ledger is None else {**config, **_acknowledge()}


def _acknowledge() -> dict[str, Any]:
    """Slack's legacy attachment button; a `url` would make a mere link of it."""
    return {
        "callback_id": "monitoring.alerts",
        "actions": [
            {
                "type": "button",
                "name": "acknowledge",
                "text": '{{ if eq .Status "firing" }}Acknowledge{{ else }}Resolved{{ end }}',
                "style": '{{ if eq .Status "firing" }}primary{{ else }}default{{ end }}',
                "value": '{{ template "monitoring.slack.fingerprints" . }}',
            }
        ],
    }


def _pagerduty(channel: PagerDuty) -> dict[str, Any]:
    return {
        "routing_key_file": channel.routing_key_file,
        "url": channel.url,
        "send_resolved": True,
        "severity": '{{ template "monitoring.pagerduty.severity" . }}',
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.service }}",
        "description": '{{ template "monitoring.title" . }}',
        "client": "monitoring-service",
        "client_url": '{{ template "monitoring.link" . }}',
        "details": {
            "firing": '{{ template "monitoring.text" . }}',
            "resolved": "{{ .Alerts.Resolved | len }}",
            "num_firing": "{{ .Alerts.Firing | len }}",
            "num_resolved": "{{ .Alerts.Resolved | len }}",
        },
    }
