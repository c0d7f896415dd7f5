"""Which alert has a scenario, and what is said of one that has none."""

from __future__ import annotations

import pytest

from demo.scenarios.table import ELSEWHERE, SCENARIOS, UnknownScenarioError, alerts, scenario_of
from demo.stack import ROOT
from model.escalation import escalation_rules
from model.load import load


def declared() -> set[tuple[str, ...]]:
    """Each alert by its name and constant labels, and each that the ladder yields by its name."""
    platform = load(ROOT / "config.py")
    ladder = {(rule.name,) for rule in escalation_rules(platform)}
    return ladder | {(alert.name, *alert.labels.values()) for alert in platform.alerts}


def made() -> set[tuple[str, ...]]:
    """Those that a scenario makes fire."""
    platform = load(ROOT / "config.py")
    fired = [(name, labels) for one in SCENARIOS for name, labels in one.fires.items()]
    ladder = {(rule.name,) for rule in escalation_rules(platform)}
    return {(name,) for name, _ in fired if (name,) in ladder} | {
        (alert.name, *alert.labels.values())
        for alert in platform.alerts
        if any(
            name == alert.name and alert.labels.items() <= labels.items() for name, labels in fired
        )
    }


def test_every_alert_of_the_config_and_of_its_ladder_has_a_scenario_or_a_reason() -> None:
    assert declared() - made() == set(ELSEWHERE)


def test_no_scenario_is_left_of_an_alert_that_is_gone() -> None:
    assert set(alerts()) <= {name for name, *_ in declared()}


def test_a_misspelt_alert_is_guessed_and_all_are_listed() -> None:
    with pytest.raises(UnknownScenarioError) as raised:
        scenario_of("ServiceDwon")
    assert 'did you mean "ServiceDown"?' in str(raised.value)
    for alert in alerts():
        assert f"  {alert}" in str(raised.value)


def test_alerts_of_one_name_are_told_apart_by_their_labels() -> None:
    scenario, name = scenario_of("ErrorBudgetBurn:3d:latency")
    assert name == "ErrorBudgetBurn"
    assert {"3d", "latency"} <= {*scenario.fires[name].values()}


def test_labels_that_no_alert_of_the_name_has_are_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownScenarioError, match="HighMemoryUsage:exporter") as raised:
        scenario_of("HighMemoryUsage:1h")
    assert "there is no scenario 'HighMemoryUsage:1h'" in str(raised.value)


def test_one_of_several_alerts_of_a_name_is_found_by_its_cause() -> None:
    scenario, name = scenario_of("DataLossRisk:backup_too_old")
    assert scenario.fires[name] == {"cause": "backup_too_old"}


def test_an_alert_that_is_shown_elsewhere_says_where() -> None:
    with pytest.raises(UnknownScenarioError, match="test_isolation"):
        scenario_of("ExporterIsolated")
