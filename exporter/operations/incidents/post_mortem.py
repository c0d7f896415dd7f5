"""The draft of a post-mortem: all that is known filled in, all that is not marked as such."""

from __future__ import annotations

from datetime import timedelta

from exporter.operations.incidents.account import Account, Other
from exporter.operations.incidents.record import facts, story
from exporter.operations.tables import Section
from exporter.operations.words import lasting, stamp

# So that whoever writes it finds what is left to do.
NOT_KNOWN = "NOT KNOWN"


def title_of(account: Account) -> str:
    """Its heading."""
    incident = account.incident
    return (
        f"Post-mortem of incident {incident.id}: {incident.alert_name} of {incident.service}, "
        f"{incident.began_at:%Y-%m-%d}"
    )


def post_mortem(account: Account) -> list[Section]:
    """Its sections. People write the last two, and whatever is marked NOT KNOWN."""
    return [
        Section("Summary", _summary(account), ("", ""), facts(account)),
        story(account),
        Section("Detection", "", items=tuple(_detection(account))),
        _response(account),
        _impact(account),
        Section("Cause", account.incident.cause or f"{NOT_KNOWN}: why did it happen?"),
        Section("Resolution", account.incident.resolution or f"{NOT_KNOWN}: what ended it?"),
        Section(
            "What went well, and what did not",
            f"{NOT_KNOWN}: to be written by those who were there.",
        ),
        Section(
            "What to improve",
            f"{NOT_KNOWN}: each with an owner and a date. Does the page of the alert need a "
            f"change ({_page(account)})?",
            ("what", "who", "by when"),
            (("", "", ""),),
        ),
    ]


def _summary(account: Account) -> str:
    annotations = account.alert.annotations if account.alert is not None else {}
    said = [annotations.get(name, "") for name in ("summary", "description")]
    return " ".join(filter(None, said)) or f"{NOT_KNOWN}: what happened?"


def _page(account: Account) -> str:
    if account.rule is None:
        return f"the config has no alert {account.incident.alert_name} now"
    return f"docs/alerts/{account.incident.alert_name}.md, made from config.py"


def _detection(account: Account) -> list[str]:
    incident, alert = account.incident, account.alert
    found = []
    if account.rule is not None:
        waits = account.rule.for_
        begin = f"{stamp(incident.began_at - waits)} at the latest"
        found.append(
            f"The alert fired at {stamp(incident.began_at)}. It waits {lasting(waits)} before it "
            f"does, so its condition was true from {begin}."
        )
    else:
        found.append(f"The alert fired at {stamp(incident.began_at)}.")
    if alert is not None:
        told = lasting(alert.created_at - alert.starts_at)
        how = {"webhook": "by Alertmanager's delivery"}.get(
            alert.source, f"by asking {alert.source}"
        )
        found.append(f"The ledger knew of it {told} later, {how}.")
    else:
        found.append(f"{NOT_KNOWN}: when the ledger was told: the alert is gone.")
    found.append(f"{NOT_KNOWN}: when it really began, and whether users noticed it before us.")
    return found


def _response(account: Account) -> Section:
    alert = account.alert
    if alert is None:
        return Section("Response", f"{NOT_KNOWN}: the alert is gone from the ledger.")
    since = alert.waiting_since or alert.starts_at
    within = account.severity.response_time if account.severity is not None else None
    if alert.acknowledged_at is not None:
        taken = alert.acknowledged_at - since
        who = alert.acknowledged_for or alert.acknowledged_by
        said = f"Acknowledged after {lasting(taken)} by {who}, by {alert.acknowledged_via}."
        return Section("Response", f"{said} {_judged(taken, within)}")
    if alert.ends_at is not None:
        lasted = alert.ends_at - since
        said = f"Nobody acknowledged it in the {lasting(lasted)} that it lasted."
        return Section("Response", f"{said} {_judged(lasted, within, answered=False)}")
    waits = account.now - since
    said = f"Nobody has acknowledged it in {lasting(waits)}."
    return Section("Response", f"{said} {_judged(waits, within, answered=False)}")


def _judged(taken: timedelta, within: timedelta | None, *, answered: bool = True) -> str:
    if within is None:
        return "Its severity has no response time."
    if taken > within:
        return f"Its response time of {lasting(within)} was missed by {lasting(taken - within)}."
    verb = "was kept" if answered else "was not over"
    return f"Its response time of {lasting(within)} {verb}."


def _impact(account: Account) -> Section:
    began, until = account.incident.began_at, account.until
    items = [f"From {stamp(began)} to {stamp(until)}: {lasting(until - began)}."]
    if account.probes is None or not account.probes.count:
        items.append(
            f"{NOT_KNOWN}: how available {account.incident.service} was: the ledger has no "
            "figures of a target of that name in this time."
        )
    else:
        count, good = account.probes.count, account.probes.successes
        items.append(
            f"{account.incident.service} was available in {good / count:.2%} of {count} probes "
            f"({count - good} failed) in the intervals that this time touches."
        )
    items.append(f"{NOT_KNOWN}: how many users were affected, and what it cost.")
    rows = tuple(
        (one.name, one.service, one.severity, stamp(one.starts_at), _end(one))
        for one in account.others
    )
    columns = ("other alerts then", "service", "severity", "began", "ended")
    return Section("Impact", "", columns, rows, tuple(items))


def _end(other: Other) -> str:
    return "open" if other.ends_at is None else stamp(other.ends_at)
