"""The escalation rules: what the severities' ladders mean in PromQL.

They read the ledger's metrics, and ALERTS where there are none: when nobody can know whether an
alert is acknowledged, people are paged anyway. Several replicas collapse into one fact; a scrape
that is missed for less than three minutes changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from model.durations import minutes, prometheus
from model.jobs import JOB
from model.names import (
    ALERT_LEDGER_OPEN_ALERTS,
    ALERT_LEDGER_STORE_UP,
    ALERT_LEDGER_UNACKED_SINCE,
    ALERTS,
)
from model.people import Severity
from model.platform import Platform

UNACKED_AGE = "alertledger:unacked_age_seconds"
# The value of the label `escalation` of alerts about the ledger itself.
LEDGER_ESCALATION = "ledger"
# How long the ledger may be silent before what it last said no longer counts.
_MEMORY = minutes(3)
# What pages people even where nobody can know whether it is acknowledged.
_FAIL_OPEN = ("critical", "error")

_KNOWN = f"max({ALERT_LEDGER_STORE_UP.name}) == 1"


@dataclass(frozen=True)
class EscalationRule:
    """An alerting rule that the ladder yields, and what people are to know of it."""

    name: str
    expr: str
    labels: dict[str, str]
    summary: str
    description: str
    for_: timedelta = timedelta(0)
    # Of which severities are the alerts that it is about, and whether it has all of their labels.
    severities: tuple[str, ...] = ()
    copies_labels: bool = False
    # None: its notifications lead to the page of the alert that it is about.
    symptoms: str | None = None
    investigation: tuple[str, ...] = field(default=())
    actions: tuple[str, ...] = field(default=())


def unacked_age() -> str:
    """For how many seconds each unacknowledged alert has been waiting."""
    metric = ALERT_LEDGER_UNACKED_SINCE
    since = f"last_over_time({metric.name}[{prometheus(_MEMORY)}])"
    oldest = f"{metric.collapse.value} by ({', '.join(metric.labels)}) ({since})"
    return f"time() - ({oldest} > 0)"


def escalation_rules(platform: Platform) -> tuple[EscalationRule, ...]:
    """The alerting rules of the ladder, none if no severity has one."""
    if not any(severity.escalation for severity in platform.severities):
        return ()
    return (*_unacknowledged(platform), *_fail_open(platform), *_of_the_ledger(platform))


def ledger_severities(platform: Platform) -> tuple[Severity, ...]:
    """The severities that alerts about the ledger have, the worse one first."""
    if platform.ledger is None or not escalation_rules_exist(platform):
        return ()
    found = (_severity("critical", platform), _severity("error", platform))
    return tuple({severity.name: severity for severity in found}.values())


def escalation_rules_exist(platform: Platform) -> bool:
    """Whether any severity has a ladder."""
    return any(severity.escalation for severity in platform.severities)


def _unacknowledged(platform: Platform) -> Iterator[EscalationRule]:
    steps: dict[str, list[tuple[str, timedelta]]] = {}
    for severity in platform.severities:
        for step in severity.escalation:
            steps.setdefault(step.to, []).append((severity.name, step.after))
    for role, waits in steps.items():
        yield EscalationRule(
            name=f"AlertUnacknowledged{camel(role)}",
            expr=" or ".join(
                f'{UNACKED_AGE}{{severity="{name}"}} > {after // timedelta(seconds=1)}'
                for name, after in waits
            ),
            labels={"escalation": role},
            severities=tuple(name for name, _ in waits),
            summary=(
                "{{ $labels.source_alertname }} on {{ $labels.service }} has been waiting for "
                "{{ $value | humanizeDuration }}"
            ),
            description=(
                "Nobody has acknowledged {{ $labels.source_alertname }} ({{ $labels.severity }}) "
                "of {{ $labels.service }}, so it comes to you."
            ),
        )


def _fail_open(platform: Platform) -> Iterator[EscalationRule]:
    name, copied = ALERTS.name, '"source_alertname", "$1", "alertname", "(.+)"'
    for severity in platform.severities:
        if severity.name not in _FAIL_OPEN or not severity.escalation:
            continue
        first = severity.escalation[0]
        firing = f'{name}{{alertstate="firing", severity="{severity.name}", escalation=""}}'
        yield EscalationRule(
            name=f"EscalationFailOpen{camel(severity.name)}",
            expr=f"label_replace({firing}, {copied}) and on () absent({_KNOWN})",
            for_=first.after,
            labels={"escalation": first.to},
            severities=(severity.name,),
            copies_labels=True,
            summary=(
                "{{ $labels.source_alertname }} on {{ $labels.service }} has been firing for "
                f"{prometheus(first.after)}"
            ),
            description=(
                "Nobody can know whether {{ $labels.source_alertname }} of {{ $labels.service }} "
                "is acknowledged, because the ledger does not answer, so it comes to you."
            ),
        )


def _of_the_ledger(platform: Platform) -> Iterator[EscalationRule]:
    if platform.ledger is None:
        return
    service = platform.own_service or JOB
    firing = f'count({ALERTS.name}{{alertstate="firing", severity!="", escalation=""}})'
    known = f"max({ALERT_LEDGER_OPEN_ALERTS.name})"
    yield EscalationRule(
        name="AlertLedgerDown",
        expr=f"absent({_KNOWN})",
        for_=minutes(1),
        labels={
            "severity": _severity("critical", platform).name,
            "service": service,
            "escalation": LEDGER_ESCALATION,
        },
        summary="The ledger of alerts cannot be read or written",
        description=(
            "For a minute no replica has had a ledger with a working store: acknowledgements are "
            "unknown, so alerts escalate whether they are acknowledged or not."
        ),
        symptoms="No acknowledgement is taken, and what is acknowledged escalates.",
        investigation=(
            f"`{ALERT_LEDGER_STORE_UP.name}`: is it 0 (the store), or missing (the process)?",
            '`psql $DATABASE_URL -c "SELECT 1"`',
            "`tail -n 100 /app/logs/monitoring-error.log`",
        ),
        actions=("Bring the database back.", "Restart the monitoring service."),
    )
    yield EscalationRule(
        name="AlertLedgerDrift",
        expr=f"({firing} or vector(0)) - on () ({known} or vector(0)) != 0",
        for_=minutes(5),
        labels={
            "severity": _severity("error", platform).name,
            "service": service,
            "escalation": LEDGER_ESCALATION,
        },
        summary="Prometheus and the ledger disagree about {{ $value }} alerts",
        description=(
            "For 5 minutes Prometheus has had {{ $value }} firing alerts more than the ledger "
            "has open ones: a webhook was lost, or an end was."
        ),
        symptoms="The list of active alerts is not what Prometheus says is firing.",
        investigation=(
            "Does Alertmanager reach the ledger? `alertmanager_notifications_failed_total`",
            "Are all of its replicas up, and do all know the same alerts?",
        ),
        actions=("Mend the way from Alertmanager to the ledger; it then comes level by itself.",),
    )


def _severity(wanted: str, platform: Platform) -> Severity:
    """The severity of this name, or the worst that the config has."""
    named = {severity.name: severity for severity in platform.severities}
    return named.get(wanted, platform.severities[0])  # type: ignore[call-overload,no-any-return]


def camel(name: str) -> str:
    """A name of words joined by dashes, as alerts are named."""
    return "".join(part.capitalize() for part in name.split("-"))
