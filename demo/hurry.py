"""A platform whose alerts wait seconds instead of minutes; expressions and thresholds stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import yaml

from model import Contact, Service, TcpService, minutes, seconds
from model.alerts import Alert
from model.declared import Declared
from model.durations import parse, prometheus
from model.escalation import EscalationRule
from model.people import Severity
from model.platform import Platform
from model.targets import Target
from rules.output import yaml_file

D = TypeVar("D", bound=Declared)

GATEWAY = "tls-gateway"
# Of the ladder and of the times to respond in: enough to be in time on a busy machine.
MINUTE = seconds(3)
# Who has a user in Slack.
SLACK_USER = "T0DEMO/U0DEMO"
# The one service whose limit of memory is known: the default config knows none.
LIMITED = "file-service"
MEMORY_LIMIT_BYTES = 128 << 20

# A probe keeps a second and more in which to be slow, and a retry still fits between two scrapes.
_PROBE = {"interval": seconds(3), "timeout": seconds(2), "retry_interval": seconds(1)}
_ALERT = {"for_": seconds(6), "keep_firing_for": seconds(4)}
_SEVERITY = {"group_wait": seconds(1), "group_interval": seconds(5)}
_RECONCILED = seconds(5)
# What fires reaches the ledger within seconds, and is in its metrics some seconds after that.
_LADDER_WAITS = seconds(20)
_WATCHED = {
    "scrape_interval": seconds(3),
    "evaluation_interval": seconds(2),
    "services_scrape_interval": seconds(5),
}


def hurried(platform: Platform, gateway: str, ca_file: Path) -> Platform:
    """The platform with each time at most as long as above, and what some alerts are about.

    That is a TLS port, `gateway` its URL and `ca_file` who has signed its certificate: nothing else
    in the demo has one that could expire. And a service gets a limit of its memory.
    """
    tls = TcpService(name=GATEWAY, url=gateway, ca_file=ca_file)
    kinds = ("postgres", "redis", "sql", "external")
    return platform.model_copy(
        update={
            **{kind: tuple(map(_probed, getattr(platform, kind))) for kind in kinds},
            "services": tuple(_probed(_limited(one)) for one in platform.services),
            "tcp": tuple(map(_probed, (*platform.tcp, tls))),
            "alerts": tuple(map(_alert, platform.alerts)),
            "severities": tuple(map(_severity, platform.severities)),
            "watched_by": _at_most(platform.watched_by, _WATCHED),
            # What the ledger has not heard of while it was held up it learns from this.
            "workers": platform.workers.model_copy(update={"alert_evaluation": _RECONCILED}),
        }
    )


def hurried_ladder(rules: str) -> str:
    """The file of the ladder's rules with each `for` at most as long as above."""
    document = yaml.safe_load(rules)
    for group in document["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = prometheus(min(parse(rule["for"]), _LADDER_WAITS))
    return yaml_file(document)


def waits(alert: Alert | EscalationRule) -> timedelta:
    """For how long the condition of an alert of a hurried platform has to hold."""
    return alert.for_ if isinstance(alert, Alert) else min(alert.for_, _LADDER_WAITS)


def impatient(platform: Platform) -> Platform:
    """The platform whose people, one more of them, have seconds for each minute to respond in."""
    jane = Contact(role="jane", title="Jane", email="jane@example.com", slack_user=SLACK_USER)
    return platform.model_copy(
        update={
            "severities": tuple(map(_impatient, platform.severities)),
            "contacts": (*platform.contacts, jane),
        }
    )


def _impatient(severity: Severity) -> Severity:
    steps = tuple(
        step.model_copy(update={"after": step.after / minutes(1) * MINUTE})
        for step in severity.escalation
    )
    respond = severity.response_time
    return severity.model_copy(
        update={
            "escalation": steps,
            "response_time": None if respond is None else respond / minutes(1) * MINUTE,
        }
    )


def _probed(target: Target) -> Target:
    return _at_most(target, _PROBE)


def _limited(service: Service) -> Service:
    if service.name != LIMITED:
        return service
    return service.model_copy(update={"memory_limit": MEMORY_LIMIT_BYTES})


def _alert(alert: Alert) -> Alert:
    return _at_most(alert, _ALERT)


def _severity(severity: Severity) -> Severity:
    return _at_most(severity, _SEVERITY)


def _at_most(declared: D, longest: dict[str, timedelta]) -> D:
    return declared.model_copy(
        update={name: min(getattr(declared, name), most) for name, most in longest.items()}
    )
