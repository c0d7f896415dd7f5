"""Who has which alert, on the overview's first screen: evaluated by promtool."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import dashboard, exprs, full, promtool_agrees, rich

# When everything has begun, in seconds; promtool's clock begins at 0.
SINCE = 60
MILLISECONDS = SINCE * 1000
ALERT = {"alertname": "ServiceDown", "service": "auth", "severity": "critical"}


def alert(state: str = "firing", **labels: str) -> list[dict[str, str]]:
    """What Prometheus writes of an alert."""
    named = {**ALERT, **labels}
    return [
        series("ALERTS", 1, **named, alertstate=state),
        series("ALERTS_FOR_STATE", SINCE, **named),
    ]


def ledger(since: int, person: str | None = None, **more: str) -> list[dict[str, str]]:
    """What a replica says of that alert's episode."""
    named = {
        "alert_id": "1",
        "source_alertname": "ServiceDown",
        "service": "auth",
        "severity": "critical",
        "instance": "exporter-1",
        **more,
    }
    found = [series("alert_ledger_unacked_since_timestamp_seconds", since, **named)]
    if person is not None:
        name = "alert_ledger_acknowledged_since_timestamp_seconds"
        found.append(series(name, SINCE, **named, acknowledged_by=person))
    return found


def series(name: str, value: int, **labels: str) -> dict[str, str]:
    inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": f"{value}x10"}


def rows(*people: str, **labels: str) -> dict[str, float]:
    """The rows of the table, one for each person."""
    named = {**ALERT, **labels}
    inside = ",".join(f'{label}="{text}"' for label, text in named.items())
    return {f'{{{inside},who="{person}"}}': MILLISECONDS for person in people}


def shows(given: list[dict[str, str]], expected: dict[str, float], directory: Path) -> None:
    [asked] = exprs(dashboard(rich()), "Firing alerts")
    promtool_agrees(given, {asked: expected}, directory)


def test_what_does_not_fire_has_no_row(tmp_path: Path) -> None:
    shows([*alert("pending"), *ledger(SINCE)], {}, tmp_path)


def test_an_alert_that_waits_is_nobodys_yet(tmp_path: Path) -> None:
    shows([*alert(), *ledger(SINCE)], rows("nobody yet"), tmp_path)


def test_an_acknowledged_alert_is_that_persons(tmp_path: Path) -> None:
    shows([*alert(), *ledger(0, "jane")], rows("jane"), tmp_path)


def test_of_three_replicas_whoever_knows_of_an_acknowledgement_wins(tmp_path: Path) -> None:
    behind = [*ledger(SINCE, instance="exporter-2"), *ledger(SINCE, instance="exporter-3")]
    shows([*alert(), *ledger(0, "jane"), *behind], rows("jane"), tmp_path)


def test_what_two_people_have_has_a_row_for_each(tmp_path: Path) -> None:
    two = [*alert(window="1h"), *alert(window="1d")]
    given = [*two, *ledger(0, "jane"), *ledger(0, "joe", alert_id="2")]
    shows(given, rows("jane", "joe"), tmp_path)


def test_what_is_partly_taken_waits_too(tmp_path: Path) -> None:
    two = [*alert(window="1h"), *alert(window="1d")]
    given = [*two, *ledger(0, "jane"), *ledger(SINCE, alert_id="2")]
    shows(given, rows("jane", "nobody yet"), tmp_path)


def test_what_is_kept_from_people_says_so(tmp_path: Path) -> None:
    shows([*alert(), *ledger(0)], rows("silenced"), tmp_path)


@pytest.mark.parametrize("ledgers", [[], ledger(SINCE, service="mint")])
def test_what_the_ledger_does_not_know_is_unknown(
    ledgers: list[dict[str, str]], tmp_path: Path
) -> None:
    shows([*alert(), *ledgers], rows("unknown"), tmp_path)


def test_a_platform_without_a_ledger_does_not_ask_it(tmp_path: Path) -> None:
    [asked] = exprs(dashboard(full()), "Firing alerts")
    assert "alert_ledger" not in asked
    inside = ",".join(f'{label}="{text}"' for label, text in ALERT.items())
    promtool_agrees(alert(), {asked: {f"{{{inside}}}": MILLISECONDS}}, tmp_path)


def test_a_ledger_that_tells_nothing_is_not_one_in_which_nothing_waits(tmp_path: Path) -> None:
    waiting, overdue, taken = exprs(dashboard(rich()), "Acknowledged or not")
    nothing: dict[str, dict[str, float]] = {waiting: {}, overdue: {}, taken: {}}
    promtool_agrees(alert(), nothing, tmp_path)


def test_waiting_and_taken_alerts_are_counted_once_for_all_replicas(tmp_path: Path) -> None:
    waiting, overdue, taken = exprs(dashboard(rich()), "Acknowledged or not")
    given = [
        one
        for instance in ("exporter-1", "exporter-2", "exporter-3")
        for one in (
            *ledger(SINCE, instance=instance),
            *ledger(0, "jane", alert_id="2", instance=instance),
            series("alert_ledger_store_up", 1, instance=instance),
        )
    ]
    expected: dict[str, dict[str, float]] = {
        waiting: {"{}": 1},
        overdue: {"{}": 0},
        taken: {"{}": 1},
    }
    promtool_agrees(given, expected, tmp_path)
