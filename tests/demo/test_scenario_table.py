"""Which alert has a scenario, and what is said of one that has none."""

from __future__ import annotations

import pytest

from demo.scenarios.table import ELSEWHERE, UnknownScenarioError, alerts, scenario_of
from demo.stack import ROOT
from model.load import load


def test_every_alert_of_the_config_has_a_scenario_or_a_reason_to_have_none() -> None:
    declared = {alert.name for alert in load(ROOT / "config.py").alerts}
    made = set(alerts())
    assert made | ELSEWHERE.keys() >= declared
    assert made & ELSEWHERE.keys() == set()


def test_no_scenario_and_no_reason_is_left_of_an_alert_that_is_gone() -> None:
    declared = {alert.name for alert in load(ROOT / "config.py").alerts}
    assert set(alerts()) | ELSEWHERE.keys() <= declared


def test_a_misspelt_alert_is_guessed_and_all_are_listed() -> None:
    with pytest.raises(UnknownScenarioError) as raised:
        scenario_of("ServiceDwon")
    assert 'did you mean "ServiceDown"?' in str(raised.value)
    for alert in alerts():
        assert f"  {alert}" in str(raised.value)


def test_an_alert_that_is_shown_elsewhere_says_where() -> None:
    for alert, reason in ELSEWHERE.items():
        with pytest.raises(UnknownScenarioError, match=alert) as raised:
            scenario_of(alert)
        assert reason in str(raised.value)
