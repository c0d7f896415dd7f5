"""The whole config: what the platform is, what is watched, and who is told."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any, Self, TypeVar

from pydantic import Field, model_validator

from model import rule_checks
from model.alerts import Alert
from model.declared import Declared, Problem, nearest, refused, suggestion
from model.durations import Duration, days, prometheus, seconds
from model.json_target import JsonTarget
from model.maintenance import Maintenance, WeeklyMaintenance
from model.metric import Metric, Scope
from model.names import catalogue
from model.people import BusinessHours, Channel, Contact, PagerDuty, Severity, Webhook
from model.promql import Expr, Recording, Selector, in_order
from model.redis import Redis, Sentinel
from model.sql import SqlMetrics
from model.targets import Postgres, Service, Target, TcpService, url_mistakes
from model.telling import TELLING_CHECKS
from model.versions import version_mistakes
from model.workers import Workers

D = TypeVar("D", bound=Declared)
T = TypeVar("T")

# A probe under way is a socket and 25 kB. When everything hangs for a timeout of 3 s, so many are
# enough for 3,300 targets at an interval of 5 s.
DEFAULT_PROBES_AT_ONCE = 2000
DEFAULT_PROBES_AT_ONCE_PER_HOST = 200


class BasicAuth(Declared):
    """Credentials of HTTP basic authentication; the password stands in a file, never here."""

    username: str = Field(min_length=1, pattern=r"^[^:]*$")
    password_file: str


class Prometheus(Declared):
    """How Prometheus watches: where the exporter's replicas are, how often, whom it alerts.

    `exporters`, `prometheus` and `alertmanagers` are lists of host:port. `exporter_auth` is what
    Prometheus and Alertmanager show the exporter where its METRICS_BASIC_AUTH is set. `probe_jobs`
    has each target probed once more, through /probe, under the names and labels that the dashboards
    and rules of other exporters' users query.
    """

    exporters: tuple[str, ...] = ("monitoring-service:3017",)
    prometheus: tuple[str, ...] = ("prometheus:9090",)
    alertmanagers: tuple[str, ...] = ("alertmanager:9093",)
    exporter_auth: BasicAuth | None = None
    scrape_interval: Duration = seconds(5)
    evaluation_interval: Duration = seconds(5)
    # The services' own metrics are many, and no page waits for them.
    services_scrape_interval: Duration = seconds(15)
    probe_jobs: bool = False
    # The oldest versions that what is generated has to load in.
    oldest_prometheus: str = "2.42"
    oldest_alertmanager: str = "0.25"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if mistakes := version_mistakes(self.oldest_prometheus, self.oldest_alertmanager):
            raise refused(mistakes)
        return self


class Platform(Declared):
    """Everything the config says. `config.py` ends with `CONFIG = Platform(…)`.

    `own_service` is the name of the service that stands for the exporter itself: it is probed by
    `/status` and left out of `/health`'s verdict. `base_url` is where people reach the exporter.
    `dead_mans_switch` is a URL that is called as long as alerting works; the exporter's own is
    only better than nothing, since it dies with the machine. `external` is what the platform
    depends on and does not run itself, such as the payment provider's status page.
    `connectivity` are addresses (ip:port) that answer as long as the exporter's own network works;
    without any, its default gateway and name servers are asked.
    """

    name: str
    services: tuple[Service, ...]
    tcp: tuple[TcpService, ...] = ()
    postgres: tuple[Postgres, ...] = ()
    redis: tuple[Redis | Sentinel, ...] = ()
    sql: tuple[SqlMetrics, ...] = ()
    external: tuple[JsonTarget, ...] = ()
    maintenance: tuple[Maintenance | WeeklyMaintenance, ...] = ()
    severities: tuple[Severity, ...]
    channels: tuple[Channel, ...]
    contacts: tuple[Contact, ...]
    business_hours: BusinessHours = BusinessHours()
    alerts: tuple[Alert, ...]
    # Recording rules that no alert reads; those that one reads are found by themselves.
    recordings: tuple[Recording, ...] = ()
    watched_by: Prometheus = Prometheus()
    own_service: str | None = None
    connectivity: tuple[str, ...] = ()
    # The most probes under way, in all and of one host; what has to wait for others starts late.
    probes_at_once: int = DEFAULT_PROBES_AT_ONCE
    probes_at_once_per_host: int = DEFAULT_PROBES_AT_ONCE_PER_HOST
    base_url: str
    dead_mans_switch: str
    # Where Grafana is, for the link in each message; None leaves it out.
    grafana_url: str | None = None
    # What records each alert's life and takes acknowledgements; None if nothing does.
    ledger: Webhook | None = None
    workers: Workers = Workers()

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            mistakes.append(f'name: "{self.name}" is not lower-case letters, digits and "-"')
        mistakes += [
            f"{setting}: {getattr(self, setting)} is under 1, so that nothing would be probed"
            for setting in ("probes_at_once", "probes_at_once_per_host")
            if getattr(self, setting) < 1
        ]
        links = ("base_url", "grafana_url")
        for setting in ("base_url", "dead_mans_switch", "grafana_url"):
            if getattr(self, setting) is None:
                continue
            found = url_mistakes(getattr(self, setting), ("http", "https"))
            mistakes.extend(f"{setting}: {text.removeprefix('url: ')}" for text in found)
        mistakes += [
            f'connectivity: "{address}" is not ip:port, such as "192.0.2.1:443": '
            "a name could not be resolved when it matters"
            for address in self.connectivity
            if not _is_ip_and_port(address)
        ]
        mistakes += [
            f"{setting}: leave out the / at its end"
            for setting in links
            if (getattr(self, setting) or "").endswith("/")
        ]
        if mistakes:
            raise refused(mistakes)
        return self

    def __copy__(self) -> Self:
        copied = super().__copy__()
        for name in _CALCULATED:
            copied.__dict__.pop(name, None)  # model_copy is about to change what it came from
        return copied

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Everything that is probed, in the order in which people are shown it."""
        return (
            *self.services,
            *self.tcp,
            *self.postgres,
            *self.redis,
            *self.sql,
            *self.external,
        )

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each target, by its name."""
        return {target.name: target.kind for target in self.targets}

    @property
    def sql_metrics(self) -> tuple[Metric, ...]:
        """The metrics that its SQL adds to the catalogue."""
        return tuple(metric for target in self.sql for metric in target.metrics)

    @cached_property
    def recording_rules(self) -> list[Recording]:
        """Every recording rule that is needed, each after those that it reads."""
        return in_order((alert.expr for alert in self.alerts if alert.has("expr")), self.recordings)

    def once(self, calculate: Callable[..., T], *of: object) -> T:
        """What a function makes of parts of this config, calculated once for the same parts.

        It is called with the parts and then the config itself.
        """
        key = (calculate, *map(id, of))
        if key not in self._calculated:
            # What is kept keeps its id.
            self._calculated[key] = (calculate(*of, self), of)
        found: T = self._calculated[key][0]
        return found

    @cached_property
    def _calculated(self) -> dict[tuple[object, ...], tuple[Any, tuple[object, ...]]]:
        return {}

    def severity(self, name: str) -> Severity:
        """The severity of a name. Raises KeyError if there is none."""
        return {severity.name: severity for severity in self.severities}[name]  # type: ignore[index]

    @cached_property
    def sha256(self) -> str:
        """The hash of what the config means; comments and layout do not change it.

        What the exporter alone reads is left out, such as maintenance windows and the workers'
        intervals: no rule depends on it, and what is changed in the exporter alone must not make
        ConfigDrift fire.
        """
        compiled = _canonical(self.model_copy(update={"maintenance": ()}))
        del compiled["workers"]
        meant = [compiled, _canonical(self.recording_rules)]
        text = json.dumps(meant, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def problems(self) -> list[Problem]:
        """What is wrong across declarations; what is wrong within one is known already."""
        if not self.has(*type(self).model_fields.keys() - _NOT_COMPARED):
            return []
        return [problem for check in _CHECKS for problem in check(self)]

    def warnings(self, now: float) -> list[Problem]:
        """What is no mistake, but worth tidying up, at a time in unix seconds."""
        return list(_maintenance_is_to_come(self, now))


def _is_ip_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        ip = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        return False
    return bracketed == (ip.version == 6) and re.fullmatch(r"[1-9]\d{0,4}", port) is not None


# What is calculated once from the settings.
_CALCULATED = ("targets", "kinds", "recording_rules", "sha256", "_calculated")

# What no check across declarations reads.
_NOT_COMPARED = {
    "connectivity",
    "name",
    "business_hours",
    "base_url",
    "dead_mans_switch",
    "grafana_url",
    "probes_at_once",
    "probes_at_once_per_host",
    "workers",
}


def _canonical(value: Any) -> Any:
    if isinstance(value, Declared):
        settings = {
            name: _canonical(getattr(value, name))
            for name in type(value).model_fields
            if name not in value.not_compiled
        }
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
    if isinstance(value, Metric):
        return value.name
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


def _with(things: Iterable[D], *settings: str) -> list[D]:
    """Those that can be checked for these settings: what else is wrong with them is no matter."""
    return [thing for thing in things if thing.has(*settings)]


def _names_are_unique(platform: Platform) -> Iterator[Problem]:
    targets = platform.targets
    yield from _twice("Target", ((t.name, t) for t in _with(targets, "name")))
    yield from _twice("Variable", ((t.variable, t) for t in _sound(targets) if t.variable))
    yield from _twice("Severity", ((s.name, s) for s in _with(platform.severities, "name")))
    yield from _twice("Channel", ((c.name, c) for c in _with(platform.channels, "name")))
    yield from _twice("Contact", ((c.role, c) for c in _with(platform.contacts, "role")))
    for kind, setting in (("Slack user", "slack_user"), ("PagerDuty user", "pagerduty_user")):
        people = _with(platform.contacts, setting)
        users = ((getattr(person, setting), person) for person in people)
        yield from _twice(kind, ((user, person) for user, person in users if user is not None))
    by_key: dict[tuple[str, ...], list[Alert]] = {}
    for alert in _with(platform.alerts, "name", "severity"):
        by_key.setdefault(alert.key, []).append(alert)
    for alike in by_key.values():
        yield from _twice("Alert", ((_shown(alert), alert) for alert in alike))


def _shown(alert: Alert) -> str:
    name, *labels = alert.key
    return f"{name}{{{', '.join(labels)}}}" if alert.has("labels") and alert.labels else name


def _severities_are_known(platform: Platform) -> Iterator[Problem]:
    known: list[str] = [severity.name for severity in _with(platform.severities, "name")]
    for alert in _with(platform.alerts, "name", "severity"):
        if alert.severity is not None and alert.severity not in known:
            near = suggestion(alert.severity, known)
            yield Problem(
                f'Alert "{alert.name}": there is no severity "{alert.severity}"{near}', alert.place
            )


def _channels_are_known_and_used(platform: Platform) -> Iterator[Problem]:
    known = [channel.name for channel in _with(platform.channels, "name")]
    readable = _with(platform.severities, "name", "channels")
    used: set[str | None] = set()
    for severity in readable:
        for name in severity.channels:
            # A misspelt channel is used too: one mistake, one message.
            used.add(name if name in known else nearest(name, known))
            if name not in known:
                near = suggestion(name, known)
                yield Problem(
                    f'Severity "{severity.name}": there is no channel "{name}"{near}',
                    severity.place,
                )
    if len(readable) < len(platform.severities):
        return  # one that cannot be read may be what uses a channel
    for alert in platform.alerts:
        used.update(getattr(alert, "channels", None) or () if alert.has("channels") else known)
    for channel in _with(platform.channels, "name"):
        if channel.name not in used:
            yield Problem(
                f'Channel "{channel.name}" is used by no severity and no alert: use or remove it',
                channel.place,
            )


def _incidents_cover_one_service(platform: Platform) -> Iterator[Problem]:
    """Whoever acknowledges an incident must have seen all that it covers."""
    incidents = {channel.name for channel in platform.channels if isinstance(channel, PagerDuty)}
    for severity in _with(platform.severities, "name", "channels", "group_by"):
        if incidents & set(severity.channels) and not {"alertname", "service"} <= set(
            severity.group_by
        ):
            yield Problem(
                f'Severity "{severity.name}": group_by must hold "alertname" and "service", '
                "because it opens incidents in PagerDuty: acknowledging one would cover others",
                severity.place,
            )


def _ladder_leads_to_contacts(platform: Platform) -> Iterator[Problem]:
    roles = [contact.role for contact in _with(platform.contacts, "role")]
    for severity in _with(platform.severities, "name", "escalation"):
        for step in _with(severity.escalation, "to"):
            if step.to not in roles:
                near = suggestion(step.to, roles)
                yield Problem(
                    f'Severity "{severity.name}": escalates to "{step.to}", '
                    f"but no contact has that role{near}",
                    step.place,
                )


def _one_failed_probe_pages_nobody(platform: Platform) -> Iterator[Problem]:
    """A single failed probe is seen by at most one scrape, so by evaluations one interval apart."""
    if platform.watched_by.broken:
        return
    scrape = platform.watched_by.scrape_interval
    for target in _sound(platform.targets):
        if isinstance(target, SqlMetrics):
            continue  # its figures are what alerts are about; that it fails pages nobody at once
        if target.retry_interval + target.timeout > scrape:
            yield Problem(
                f'{target.noun} "{target.name}": retry_interval + timeout is '
                f"{prometheus(target.retry_interval + target.timeout)}, longer than the "
                f"scrape interval, {prometheus(scrape)}: one failed probe could be scraped twice "
                "and page somebody; shorten the timeout or lengthen the scrape interval",
                target.place,
            )


def _expressions_are_sound(platform: Platform) -> Iterator[Problem]:
    alerts, watched = _sound(platform.alerts), platform.watched_by
    if watched.has("scrape_interval", "services_scrape_interval", "evaluation_interval"):
        yield from rule_checks.problems(
            alerts,
            _sound(platform.recordings),
            rule_checks.Intervals(
                watched.scrape_interval,
                watched.services_scrape_interval,
                watched.evaluation_interval,
            ),
        )


def _what_is_told_on_demand_is_asked_for(platform: Platform) -> Iterator[Problem]:
    """Families that only /probe tells never come to Prometheus without a job that uses it."""
    if platform.watched_by.broken or platform.watched_by.probe_jobs:
        return
    for alert in _sound(platform.alerts):
        for part in alert.expr.walk():
            if isinstance(part, Selector) and part.metric.scope is Scope.ON_DEMAND:
                yield Problem(
                    f'Alert "{alert.name}": {part.metric.name} is told by /probe only; '
                    "set watched_by=Prometheus(probe_jobs=True)",
                    alert.place,
                )


def _own_service_exists(platform: Platform) -> Iterator[Problem]:
    names = [service.name for service in _with(platform.services, "name")]
    if platform.own_service is not None and platform.own_service not in names:
        near = suggestion(platform.own_service, names)
        yield Problem(
            f'own_service: there is no service "{platform.own_service}"{near}', platform.place
        )


def _sql_metrics_have_names_and_servers(platform: Platform) -> Iterator[Problem]:
    servers = [server.name for server in _with(platform.postgres, "name")]
    seen = {metric.name: "the exporter's own" for metric in catalogue().values()}
    for target in _with(platform.sql, "postgres"):
        if target.postgres not in servers:
            near = suggestion(target.postgres, servers)
            yield Problem(
                f'SQL metrics "{target.name}": there is no Postgres "{target.postgres}"{near}',
                target.place,
            )
    for target in platform.sql:
        for metric in target.metrics:
            if metric.name in seen:
                yield Problem(
                    f'SQL metrics "{target.name}": there is a metric {metric.name} already, '
                    f"{seen[metric.name]}",
                    target.place,
                )
            seen.setdefault(metric.name, f'of SQL metrics "{target.name}"')


def _maintenance_is_of_targets(platform: Platform) -> Iterator[Problem]:
    known = [target.name for target in _with(platform.targets, "name")]
    for window in _with(platform.maintenance, "targets"):
        for name in dict.fromkeys(window.targets):
            if name not in known:
                near = suggestion(name, known)
                yield Problem(f'Maintenance: there is no target "{name}"{near}', window.place)


def _maintenance_is_to_come(platform: Platform, now: float) -> Iterator[Problem]:
    """Windows that were over a week ago. No error: a config must not go bad by itself."""
    for window in platform.maintenance:
        if window.span(now - days(7).total_seconds()) is None:
            yield Problem(
                f'Maintenance "{window.reason}" was over more than a week ago: remove it',
                window.place,
            )


def _something_is_watched(platform: Platform) -> Iterator[Problem]:
    if not platform.services:
        yield Problem("services: declare at least one", platform.place)
    if platform.watched_by.has("exporters") and not platform.watched_by.exporters:
        yield Problem("watched_by.exporters: name at least one host:port", platform.place)


_CHECKS = (
    _names_are_unique,
    _severities_are_known,
    _channels_are_known_and_used,
    _incidents_cover_one_service,
    _ladder_leads_to_contacts,
    _one_failed_probe_pages_nobody,
    _expressions_are_sound,
    _what_is_told_on_demand_is_asked_for,
    _own_service_exists,
    _sql_metrics_have_names_and_servers,
    _maintenance_is_of_targets,
    _something_is_watched,
    *TELLING_CHECKS,
)
