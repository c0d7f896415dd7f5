"""Who is told, how, and how soon: channels, severities, contacts and the escalation ladder."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from model.declared import Declared, refused
from model.durations import Duration, hours, prometheus, seconds
from model.targets import url_mistakes

# What Alertmanager remembers of what it has sent, unless --data.retention says otherwise.
LONGEST_REPEAT = hours(120)
# IDs as the two show them. In Slack, a user of an Enterprise Grid begins with W.
_SLACK_USER = r"T[0-9A-Z]{2,20}/[UW][0-9A-Z]{2,20}"
_PAGERDUTY_USER = r"P[0-9A-Z]{2,20}"
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def too_long(setting: str, interval: timedelta) -> str:
    """That Alertmanager would have forgotten what it sent before it is to be repeated."""
    return (
        f"{setting}: {prometheus(interval)} is over the {prometheus(LONGEST_REPEAT)} for which "
        "Alertmanager remembers what it has sent"
    )


class Email(Declared):
    """Notifications by email, through one smarthost. Passwords stand in a file, never here."""

    kind: ClassVar[str] = "email"
    name: str = "email"
    to: tuple[str, ...]
    sender: str
    smarthost: str
    username: str | None = None
    password_file: str | None = None
    require_tls: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [("to", address) for address in self.to] + [("sender", self.sender)]
        mistakes = [
            f'{setting}: "{address}" is not an email address'
            for setting, address in given
            if address.count("@") != 1 or not all(address.split("@")) or " " in address
        ]
        if not self.to:
            mistakes.append("to: name at least one recipient")
        host, _, port = self.smarthost.rpartition(":")
        if not host or not port.isdigit():
            mistakes.append(f'smarthost: "{self.smarthost}" must be host:port')
        if (self.username is None) != (self.password_file is None):
            mistakes.append("username and password_file go together: give both or neither")
        if mistakes:
            raise refused(mistakes)
        return self


class Slack(Declared):
    """Notifications in a Slack channel, through an app's incoming webhook.

    The webhook's URL is a secret and stands in a file. A bot token is not offered: before
    Alertmanager 0.26 Slack's `{"ok": false}` was lost silently.
    """

    kind: ClassVar[str] = "slack"
    name: str = "slack"
    webhook_url_file: str
    channel: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not re.fullmatch(r"[#@]\S+", self.channel):
            meant = re.sub(r"\s+", "-", self.channel.strip().lstrip("#@")) or "channel"
            raise refused([f'channel: "{self.channel}" is none; write "#{meant}" or "@{meant}"'])
        return self


class PagerDuty(Declared):
    """Incidents in PagerDuty by its Events API v2. The routing key stands in a file."""

    kind: ClassVar[str] = "pagerduty"
    name: str = "pagerduty"
    routing_key_file: str
    url: str = "https://events.pagerduty.com/v2/enqueue"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if mistakes := url_mistakes(self.url, ("http", "https")):
            raise refused(mistakes)
        return self


def _declared(value: Any) -> Any:
    if not isinstance(value, (Email, Slack, PagerDuty)):
        raise ValueError("write Email(…), Slack(…) or PagerDuty(…)")  # noqa: TRY004 - pydantic reports ValueError
    return value


# Without the validator each of the three would say why it is not that one.
Channel = Annotated[Email | Slack | PagerDuty, BeforeValidator(_declared)]


class Webhook(Declared):
    """Something that Alertmanager calls. Its bearer token stands in a file, never here.

    `url_file` takes the place of `url` where the address itself is secret (Alertmanager 0.26).
    """

    url: str | None = None
    url_file: str | None = None
    credentials_file: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise refused(["give its url, or the url_file that holds it: one of the two"])
        if self.url is not None and (mistakes := url_mistakes(self.url, ("http", "https"))):
            raise refused(mistakes)
        return self


class Contact(Declared):
    """Somebody who can be reached. `role` is what the escalation ladder names.

    `when` says at which hours: business hours, after hours, always, or P0 emergencies only.
    `after_hours` is the role of whoever is told instead when business hours are over.
    Alertmanager dials no phone: PagerDuty calls it, by the routing key of a service of this person.
    `slack_user` (team/user, as T0123/U0456) is who may press the button in Slack; `pagerduty_user`
    (as PABC123) tells who acknowledged there.
    """

    not_compiled: ClassVar[frozenset[str]] = frozenset({"slack_user", "pagerduty_user"})
    role: str
    title: str
    email: str | None = None
    phone: str | None = None
    pagerduty_routing_key_file: str | None = None
    when: Literal["business", "after-hours", "always", "emergency"] = "always"
    after_hours: str | None = None
    slack_user: str | None = None
    pagerduty_user: str | None = None

    @property
    def identity(self) -> str:
        """What the ledger calls this person: as in the API, an email address where there is one."""
        return self.email or self.role

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.role):
            mistakes.append(f'role: "{self.role}" is not lower-case letters, digits and "-"')
        if self.email is None and self.phone is None:
            mistakes.append("give an email address or a phone number")
        if self.after_hours is not None and self.when != "business":
            mistakes.append('after_hours: only who is reached when="business" needs somebody else')
        if self.slack_user is not None and not re.fullmatch(_SLACK_USER, self.slack_user):
            mistakes.append(
                f'slack_user: "{self.slack_user}" must be the IDs of team and user: "T0123/U0456"'
            )
        if self.pagerduty_user is not None and not re.fullmatch(
            _PAGERDUTY_USER, self.pagerduty_user
        ):
            mistakes.append(
                f'pagerduty_user: "{self.pagerduty_user}" must be the ID of a user: "PABC123"'
            )
        if mistakes:
            raise refused(mistakes)
        return self


class BusinessHours(Declared):
    """When people are at work, in local time. `end` is the first hour after work."""

    time_zone: str = "UTC"
    start: int = Field(default=9, ge=0, le=23)
    end: int = Field(default=18, ge=1, le=24)
    weekdays: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday")

    @model_validator(mode="after")
    def _check(self) -> Self:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        mistakes = []
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            mistakes.append(
                f'time_zone: "{self.time_zone}" is not known; write one like "Europe/Berlin"'
            )
        if self.end <= self.start:
            mistakes.append(f"end: {self.end} is not after start, {self.start}")
        if not self.weekdays:
            mistakes.append("weekdays: name at least one, or business hours never come")
        if mistakes:
            raise refused(mistakes)
        return self


class EscalationStep(Declared):
    """Whom to tell next when nobody has acknowledged an alert for so long."""

    after: Duration
    to: str


class Severity(Declared):
    """How bad an alert is: how soon people must respond, and by what they are told.

    `group_by`, `group_wait`, `group_interval` and `repeat_interval` are Alertmanager's. What a
    group has once sent holds up what joins it for `group_interval`, and Prometheus repeats what is
    resolved for 15 minutes, so where minutes count, every service is a group of its own.
    """

    name: Literal["critical", "error", "warning", "info"]
    response_time: Duration | None
    channels: tuple[str, ...]
    escalation: tuple[EscalationStep, ...] = ()
    group_by: tuple[str, ...] = ("alertname", "service")
    group_wait: Duration = seconds(10)
    group_interval: Duration = seconds(60)
    repeat_interval: Duration = hours(4)
    business_hours_only: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not self.channels:
            mistakes.append("channels: name at least one, or nobody is told")
        if self.repeat_interval < self.group_interval:
            mistakes.append(
                f"repeat_interval: {prometheus(self.repeat_interval)} is under the "
                f"group_interval, {prometheus(self.group_interval)}, which Alertmanager ignores"
            )
        times = [step.after for step in self.escalation if not step.broken]
        if times != sorted(set(times)):
            mistakes.append("escalation: each step must come later than the one before it")
        people = [step.to for step in self.escalation if not step.broken]
        if len(people) != len(set(people)):
            mistakes.append("escalation: tell each contact once; a repeated page says nothing new")
        if self.repeat_interval > LONGEST_REPEAT:
            mistakes.append(too_long("repeat_interval", self.repeat_interval))
        if mistakes:
            raise refused(mistakes)
        return self
