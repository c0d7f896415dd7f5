"""An incident as people need it while it lasts: what to do, whom to call, what has happened."""

from __future__ import annotations

from datetime import datetime

from exporter.contacts import emergency, reached
from exporter.ledger.incidents import Incident
from exporter.operations.incidents.account import Account
from exporter.operations.incidents.procedures import procedure_of
from exporter.operations.incidents.timeline import timeline
from exporter.operations.tables import Section
from exporter.operations.words import lasting, stamp


def title_of(account: Account) -> str:
    """What an incident is called."""
    incident = account.incident
    return f"Incident {incident.id} ({incident.priority}): {incident.alert_name} {incident.service}"


def record(account: Account) -> list[Section]:
    """Its sections."""
    sections = [_state(account)]
    if account.incident.closed_at is None:
        sections.append(_to_do(account))
    if account.incident.priority == "P0":
        sections.append(_emergency(account))
    return [*sections, story(account)]


def facts(account: Account) -> tuple[tuple[str, str], ...]:
    """What is known for sure, by name."""
    incident, alert = account.incident, account.alert
    acknowledged = "nobody has it"
    if alert is None:
        acknowledged = "not known: the alert is gone from the ledger"
    elif alert.acknowledged_at is not None:
        who = alert.acknowledged_for or alert.acknowledged_by
        acknowledged = f"{stamp(alert.acknowledged_at)} by {who}"
    closed = "open"
    if incident.closed_at is not None:
        closed = f"{stamp(incident.closed_at)} by {incident.closed_by}"
    return (
        ("kind", procedure_of(incident.kind).title),
        ("service", incident.service),
        ("alert", f"{incident.alert_name} ({incident.severity}), {incident.alert_id}"),
        ("began", stamp(incident.began_at)),
        ("alert ended", _ended(account)),
        ("acknowledged", acknowledged),
        ("opened", f"{stamp(incident.opened_at)} by {incident.opened_by}"),
        ("closed", closed),
        ("post-mortem", post_mortem_state(incident, account.now)),
    )


def post_mortem_state(incident: Incident, now: datetime) -> str:
    """Whether it is written, else by when it has to be."""
    if incident.post_mortem_at is not None:
        return f"written {stamp(incident.post_mortem_at)}: {incident.post_mortem_place}"
    due = f"due by {stamp(incident.post_mortem_due_at)}"
    return f"OVERDUE, {due}" if incident.overdue(now) else due


def story(account: Account) -> Section:
    """What happened, as a table."""
    began = account.incident.began_at
    rows = tuple(
        (stamp(moment.at), _after(began, moment.at), moment.what) for moment in timeline(account)
    )
    return Section("Timeline", "", ("UTC", "after", "what"), rows)


def _state(account: Account) -> Section:
    annotations = account.alert.annotations if account.alert is not None else {}
    said = [annotations.get(name, "") for name in ("summary", "description")]
    return Section("State", " ".join(filter(None, said)), ("", ""), facts(account))


def _ended(account: Account) -> str:
    if account.alert is None:
        return "not known"
    if account.alert.ends_at is None:
        return f"firing for {lasting(account.now - account.incident.began_at)}"
    length = lasting(account.alert.ends_at - account.incident.began_at)
    return f"{stamp(account.alert.ends_at)}, after {length}"


def _to_do(account: Account) -> Section:
    procedure = procedure_of(account.incident.kind)
    rows = tuple((when, "; ".join(steps)) for when, steps in procedure.steps)
    page = f"The alert's own page: docs/alerts/{account.incident.alert_name}.md."
    return Section(
        f"What to do: {procedure.title}", page if account.rule else "", ("when", "what"), rows
    )


def _emergency(account: Account) -> Section:
    people = emergency(account.contacts)
    if not people:
        text = 'The config names nobody: Contact(role="cto", …, when="emergency").'
        return Section("Emergency contacts", text)
    return Section("Emergency contacts", "Call them now:", items=tuple(map(reached, people)))


def _after(began: datetime, at: datetime) -> str:
    return f"+{lasting(at - began)}" if at > began else ""
