"""The whole config: what the platform is, what is watched, and who is told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

from pydantic import Field

from model.alerts import Alert
from model.declared import Declared, Problem, suggestion
from model.durations import Duration, prometheus, seconds
from model.people import BusinessHours, Channel, Contact, Severity
from model.promql import Expr
from model.targets import Postgres, Redis, Service, Target

D = TypeVar("D", bound=Declared)

JOB = "monitoring-service"
SERVICES_JOB = "services"


class Prometheus(Declared):
    """How Prometheus watches: where the exporter's replicas are, how often, whom it alerts.

    `exporters`, `prometheus` and `alertmanagers` are lists of host:port.
    """

    exporters: tuple[str, ...] = ("monitoring-service:3017",)
    prometheus: tuple[str, ...] = ("prometheus:9090",)
    alertmanagers: tuple[str, ...] = ("alertmanager:9093",)
    scrape_interval: Duration = seconds(5)
    evaluation_interval: Duration = seconds(5)
    # The services' own metrics are many, and no page waits for them.
    services_scrape_interval: Duration = seconds(15)


class Platform(Declared):
    """Everything the config says. `config.py` ends with `CONFIG = Platform(…)`.

    `own_service` is the name of the service that stands for the exporter itself: it is probed by
    `/status` and left out of `/health`'s verdict. `base_url` is where people reach the exporter.
    `dead_mans_switch` is a URL that is called as long as alerting works; the exporter's own is
    only better than nothing, since it dies with the machine.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    services: tuple[Service, ...]
    postgres: tuple[Postgres, ...] = ()
    redis: tuple[Redis, ...] = ()
    severities: tuple[Severity, ...]
    channels: tuple[Channel, ...]
    contacts: tuple[Contact, ...]
    business_hours: BusinessHours = BusinessHours()
    alerts: tuple[Alert, ...]
    watched_by: Prometheus = Prometheus()
    own_service: str | None = None
    base_url: str
    dead_mans_switch: str

    @property
    def targets(self) -> tuple[Target, ...]:
        """Everything that is probed, in the order in which people are shown it."""
        return (*self.services, *self.postgres, *self.redis)

    def severity(self, name: str) -> Severity:
        """The severity of a name. Raises KeyError if there is none."""
        return {severity.name: severity for severity in self.severities}[name]  # type: ignore[index]

    @property
    def sha256(self) -> str:
        """The hash of what the config means; comments and layout do not change it."""
        text = json.dumps(_canonical(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def problems(self) -> list[Problem]:
        """What is wrong across declarations; what is wrong within one is known already."""
        return [problem for check in _CHECKS for problem in check(self)]


def _canonical(value: Any) -> Any:
    if isinstance(value, Declared):
        settings = {name: _canonical(getattr(value, name)) for name in type(value).model_fields}
        return {"": type(value).__name__, **settings}
    if isinstance(value, (tuple, list)):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, timedelta):
        return prometheus(value)
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (Expr, Decimal)):
        return str(value)
    return repr(value)


def _twice(kind: str, things: Iterable[tuple[str, Declared]]) -> Iterator[Problem]:
    named = list(things)
    counts = Counter(name for name, _ in named)
    seen: dict[str, Declared] = {}
    for name, thing in named:
        if counts[name] > 1 and name in seen:
            first = seen[name].place
            at = f"; the first one is at {first}" if first else ""
            yield Problem(f'{kind} "{name}" is declared twice{at}', thing.place)
        seen.setdefault(name, thing)


def _sound(things: Iterable[D]) -> list[D]:
    return [thing for thing in things if not thing.broken]


def _names_are_unique(platform: Platform) -> Iterator[Problem]:
    yield from _twice("Target", ((t.name, t) for t in _sound(platform.targets)))
    yield from _twice("Variable", ((t.variable, t) for t in _sound(platform.targets)))
    yield from _twice("Severity", ((s.name, s) for s in _sound(platform.severities)))
    yield from _twice("Channel", ((c.name, c) for c in _sound(platform.channels)))
    yield from _twice("Alert", ((a.name, a) for a in _sound(platform.alerts)))


def _severities_are_known(platform: Platform) -> Iterator[Problem]:
    known = [severity.name for severity in platform.severities if hasattr(severity, "name")]
    for alert in _sound(platform.alerts):
        if alert.severity is not None and alert.severity not in known:
            near = suggestion(alert.severity, list(known))
            yield Problem(
                f'Alert "{alert.name}": there is no severity "{alert.severity}"{near}', alert.place
            )


def _channels_are_known_and_used(platform: Platform) -> Iterator[Problem]:
    known = [channel.name for channel in platform.channels]
    used: set[str] = set()
    for severity in _sound(platform.severities):
        used.update(severity.channels)
        for name in severity.channels:
            if name not in known:
                near = suggestion(name, known)
                yield Problem(
                    f'Severity "{severity.name}": there is no channel "{name}"{near}',
                    severity.place,
                )
    for channel in _sound(platform.channels):
        if channel.name not in used:
            yield Problem(
                f'Channel "{channel.name}" is used by no severity: use it or remove it',
                channel.place,
            )


def _ladder_leads_to_contacts(platform: Platform) -> Iterator[Problem]:
    roles = [contact.role for contact in _sound(platform.contacts)]
    for severity in _sound(platform.severities):
        for step in _sound(severity.escalation):
            if step.to not in roles:
                near = suggestion(step.to, roles)
                yield Problem(
                    f'Severity "{severity.name}": escalates to "{step.to}", '
                    f"but no contact has that role{near}",
                    step.place,
                )


def _one_failed_probe_pages_nobody(platform: Platform) -> Iterator[Problem]:
    """A single failed probe is seen by at most one scrape, so by evaluations one interval apart."""
    scrape = platform.watched_by.scrape_interval
    for target in _sound(platform.targets):
        if target.retry_interval + target.timeout > scrape:
            yield Problem(
                f'{target.noun} "{target.name}": retry_interval + timeout is '
                f"{prometheus(target.retry_interval + target.timeout)}, longer than the "
                f"scrape interval, {prometheus(scrape)}: one failed probe could be scraped twice "
                "and page somebody; shorten the timeout or lengthen the scrape interval",
                target.place,
            )


def _own_service_exists(platform: Platform) -> Iterator[Problem]:
    names = [service.name for service in _sound(platform.services)]
    if platform.own_service is not None and platform.own_service not in names:
        near = suggestion(platform.own_service, names)
        yield Problem(
            f'own_service: there is no service "{platform.own_service}"{near}', platform.place
        )


def _something_is_watched(platform: Platform) -> Iterator[Problem]:
    if not platform.services:
        yield Problem("services: declare at least one", platform.place)
    if not platform.watched_by.exporters:
        yield Problem("watched_by.exporters: name at least one host:port", platform.place)


_CHECKS = (
    _names_are_unique,
    _severities_are_known,
    _channels_are_known_and_used,
    _ladder_leads_to_contacts,
    _one_failed_probe_pages_nobody,
    _own_service_exists,
    _something_is_watched,
)
