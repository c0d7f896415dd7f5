"""Who is told, at which hour and how often: from the config to what Alertmanager would do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from routed import changed

from model.load import load
from model.platform import Platform
from programs import find
from rules import routing
from rules.label_sets import label_sets
from rules.memory import Memory
from rules.prove_routes import agrees_with_amtool, everybody_is_told
from rules.tree import Tree, UnreadableError, conditions, read

ROOT = Path(__file__).resolve().parents[2]
BERLIN = ZoneInfo("Europe/Berlin")
WORK = datetime(2024, 1, 9, 11, tzinfo=BERLIN)
NIGHT = datetime(2024, 1, 14, 3, tzinfo=BERLIN)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return changed(tmp_path_factory.mktemp("routed"))


@pytest.fixture(scope="module")
def tree(platform: Platform) -> Tree:
    return read(routing.build(platform)[routing.PATH])


def told(tree: Tree, at: datetime, **labels: str) -> list[str]:
    routes = tree.root.matching(labels)
    return [route.receiver for route in routes if not tree.is_silent(route, at)]


# --- alerts -------------------------------------------------------------------------------------

ALL = "email+slack+pagerduty"


@pytest.mark.parametrize(
    ("name", "severity", "work", "night"),
    [
        ("DatabaseDown", "critical", [ALL], [ALL]),
        ("ServiceFailing", "error", ["email+slack"], ["email+slack"]),
        ("PaymentsFailing", "error", [ALL], [ALL]),
        ("ServiceDegraded", "warning", ["slack"], ["slack"]),
        ("RefundsHigh", "warning", ["email+slack"], ["email+slack"]),
        ("TrafficSpike", "info", ["slack"], []),
        # Alerts that the config does not know, of a severity that it knows.
        ("Foreign", "critical", [ALL], [ALL]),
        ("Foreign", "info", ["email"], []),
        ("Foreign", "dire", ["unrouted"], ["unrouted"]),
    ],
)
def test_an_alert_reaches_its_own_channels_or_its_severitys(
    name: str, severity: str, work: list[str], night: list[str], tree: Tree
) -> None:
    for at, people in ((WORK, work), (NIGHT, night)):
        assert told(tree, at, alertname=name, severity=severity) == ["ledger", *people]


def test_an_alert_is_repeated_after_its_own_interval_or_its_severitys(tree: Tree) -> None:
    intervals = {
        name: tree.root.matching({"alertname": name, "severity": severity})[-1].options
        for name, severity in (
            ("RefundsHigh", "warning"),
            ("PaymentsFailing", "error"),
            ("ServiceFailing", "error"),
        )
    }
    assert {name: options["repeat_interval"] for name, options in intervals.items()} == {
        "RefundsHigh": "1h",
        "PaymentsFailing": "30m",
        "ServiceFailing": "4h",
    }


def test_the_remedy_is_called_for_the_alert_that_names_it_and_before_nobody_else(
    tree: Tree,
) -> None:
    reached = told(tree, NIGHT, alertname="ServiceDown", severity="critical")
    assert reached == ["ledger", "remediation-ServiceDown-critical", ALL]


def test_a_remedy_is_called_with_its_credentials_and_not_when_all_is_over(
    platform: Platform,
) -> None:
    document = yaml.safe_load(routing.build(platform)[routing.PATH])
    (remedy,) = [one for one in document["receivers"] if one["name"].startswith("remediation-")]
    (webhook,) = remedy["webhook_configs"]
    assert webhook["send_resolved"] is False
    assert webhook["http_config"] == {"authorization": {"credentials_file": "/run/medic"}}


def test_nothing_is_called_to_the_rescue_unless_an_alert_asks_for_it() -> None:
    text = routing.build(load(ROOT / "config.py"))[routing.PATH]
    assert "remediation" not in text


@pytest.mark.parametrize(
    ("at", "told_at_all"),
    [
        ((2024, 1, 9, 9, 0), True),
        ((2024, 1, 9, 8, 59), False),
        ((2024, 1, 9, 17, 59), True),
        ((2024, 1, 9, 18, 0), False),
        ((2024, 1, 12, 17, 59), True),
        ((2024, 1, 13, 12, 0), False),
        # In summer Berlin is two hours ahead of UTC.
        ((2024, 7, 9, 9, 0), True),
        ((2024, 7, 9, 8, 59), False),
    ],
)
def test_business_hours_are_those_of_the_configs_time_zone(
    at: tuple[int, int, int, int, int], told_at_all: bool, tree: Tree
) -> None:
    moment = datetime(*at, tzinfo=BERLIN).astimezone(ZoneInfo("UTC"))
    reached = told(tree, moment, alertname="TrafficSpike", severity="info")
    assert ("slack" in reached) == told_at_all


# --- escalations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("escalation", "work", "night"),
    [
        ("lead", ["contact-lead"], ["contact-night"]),
        ("manager", ["contact-manager"], ["contact-manager"]),
        ("ledger", [ALL], [ALL]),
    ],
)
def test_an_escalation_reaches_whoever_is_on_at_that_hour_and_never_the_ledger(
    escalation: str, work: list[str], night: list[str], tree: Tree
) -> None:
    labels = {"alertname": "X", "severity": "critical", "escalation": escalation}
    assert told(tree, WORK, **labels) == work
    assert told(tree, NIGHT, **labels) == night


def test_the_dead_mans_switch_is_called_at_every_hour_and_the_ledger_is_not(tree: Tree) -> None:
    for at in (WORK, NIGHT):
        assert told(tree, at, alertname="Watchdog") == ["dead-mans-switch"]


def test_the_ledger_gets_every_alert_by_itself_and_at_once(platform: Platform) -> None:
    document = yaml.safe_load(routing.build(platform)[routing.PATH])
    (route,) = [one for one in document["route"]["routes"] if one["receiver"] == "ledger"]
    assert route["group_by"] == ["..."]
    assert route["group_wait"] == "0s"
    (receiver,) = [one for one in document["receivers"] if one["name"] == "ledger"]
    (webhook,) = receiver["webhook_configs"]
    assert (webhook["send_resolved"], webhook["max_alerts"]) == (True, 0)


def test_the_ledger_learns_the_group_key_of_every_incident_and_of_nothing_else(
    platform: Platform,
) -> None:
    document = yaml.safe_load(routing.build(platform)[routing.PATH])
    told = {
        receiver["name"]: receiver["webhook_configs"]
        for receiver in document["receivers"]
        if "http://ledger:80/groups" in str(receiver)
    }
    webhook = {
        "url": "http://ledger:80/groups",
        "send_resolved": True,
        "max_alerts": 0,
        "http_config": {"authorization": {"credentials_file": "/run/ingest"}},
    }
    assert told == {"contact-night": [webhook], ALL: [webhook]}
    pages = {one["name"] for one in document["receivers"] if "pagerduty_configs" in one}
    assert pages == told.keys()


def test_no_group_key_is_told_where_there_is_no_ledger(platform: Platform) -> None:
    alone = platform.model_copy(update={"ledger": None})
    assert "/groups" not in routing.build(alone)[routing.PATH]


def test_the_receivers_are_those_that_are_used_and_no_two_are_alike(platform: Platform) -> None:
    document = yaml.safe_load(routing.build(platform)[routing.PATH])
    assert [receiver["name"] for receiver in document["receivers"]] == [
        "unrouted",
        "dead-mans-switch",
        "contact-lead",
        "contact-night",
        "contact-manager",
        ALL,
        "email+slack",
        "ledger",
        "remediation-ServiceDown-critical",
        "slack",
        "email",
    ]


# --- the proof ----------------------------------------------------------------------------------


def spoilt(platform: Platform, who: str, **settings: Any) -> str:
    """The file with settings of a receiver's routes changed, wherever in the tree they are."""

    def spoil(route: dict[str, Any]) -> None:
        if route["receiver"] == who:
            route.update(settings)
        for child in route.get("routes", ()):
            spoil(child)

    document = yaml.safe_load(routing.build(platform)[routing.PATH])
    spoil(document["route"])
    return yaml.safe_dump(document)


@pytest.mark.parametrize(
    ("who", "settings", "objection"),
    [
        ("slack", {"active_time_intervals": []}, "TrafficSpike, Sunday 03:00"),
        ("slack", {"active_time_intervals": ["business-hours"]}, "ServiceDegraded, Sunday 03:00"),
        ("contact-night", {"mute_time_intervals": []}, "AlertUnacknowledgedLead, Tuesday 11:00"),
        ("contact-lead", {"continue": False}, "AlertUnacknowledgedLead, Sunday 03:00"),
        ("ledger", {"continue": False}, "DatabaseDown, Tuesday 11:00"),
        ("slack", {"repeat_interval": "1h"}, "ServiceDegraded: is repeated after 1h"),
        (ALL, {"group_by": ["alertname"]}, "pages for several alerts or services at once"),
    ],
)
def test_the_proof_fails_where_somebody_would_not_be_told_or_somebody_else_would(
    who: str, settings: dict[str, Any], objection: str, platform: Platform
) -> None:
    text = spoilt(platform, who, **settings)
    assert objection in "\n".join(everybody_is_told(platform, text).objections)


@pytest.mark.parametrize("name", ["config.py", "routed"])
def test_amtool_agrees_about_every_label_set(name: str, platform: Platform, tmp_path: Path) -> None:
    chosen = platform if name == "routed" else load(ROOT / name)
    text = routing.build(chosen)[routing.PATH]
    config = tmp_path / "alertmanager.yml"
    config.write_text(text)
    amtool = str(find("amtool"))
    proof = agrees_with_amtool(chosen, text, amtool, config, Memory(None), thorough=True)
    assert proof.objections == []
    assert str(len(label_sets(chosen, read(text).labels()))) in proof.claim


def test_a_disagreement_with_amtool_is_an_objection(platform: Platform, tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(spoilt(platform, "ledger", receiver="slack"))
    text = routing.build(platform)[routing.PATH]
    amtool = str(find("amtool"))
    proof = agrees_with_amtool(platform, text, amtool, config, Memory(None), thorough=False)
    assert any("by our reading ledger," in objection for objection in proof.objections)


# --- reading as Alertmanager reads --------------------------------------------------------------


@pytest.mark.parametrize(
    ("matcher", "value", "holds"),
    [
        ('a="x"', "x", True),
        ('a="x"', "xy", False),
        ('a=""', "", True),
        ('a!="x"', "", True),
        ('a=~"x|y"', "y", True),
        ('a=~"x|y"', "xy", False),
        ('a!~"x|y"', "z", True),
        ('a!~"x|y"', "x", False),
        ('a = "quo\\"ted"', 'quo"ted', True),
    ],
)
def test_a_matcher_is_read_as_alertmanager_does(matcher: str, value: str, holds: bool) -> None:
    (condition,) = conditions([matcher])
    assert condition.holds({"a": value} if value else {}) == holds


def test_a_matcher_that_is_not_understood_is_refused() -> None:
    with pytest.raises(UnreadableError, match="not understood"):
        conditions(["severity=critical"])
