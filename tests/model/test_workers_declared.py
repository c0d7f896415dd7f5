"""The workers' intervals: what may be declared, and how a mistake is told."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from model.durations import days, hours, minutes, seconds
from model.workers import Workers


def refusals(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Workers(**settings)
    return str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alert_evaluation": seconds(0.5)}, "alert_evaluation: 500ms is not between 1s and 5m"),
        ({"alert_evaluation": seconds(301)}, "alert_evaluation: 5m1s is not between 1s and 5m"),
        ({"metric_aggregation": seconds(0.9)}, "metric_aggregation: 900ms is not between"),
        ({"metric_aggregation": hours(1.01)}, "metric_aggregation: 1h36s is not between 1s and 1h"),
        ({"metric_aggregation": seconds(1.5)}, "metric_aggregation: 1s500ms is not whole seconds"),
        ({"cleanup": "3 am"}, 'cleanup: "3 am" is not a time of day; write one like "03:00"'),
        ({"cleanup": "24:00"}, 'cleanup: "24:00" is not a time of day'),
        ({"keep_metrics": hours(23)}, "keep_metrics: 23h is under 1d"),
        ({"keep_alerts": timedelta(0)}, "keep_alerts: 0s is under 1d"),
        ({"alert_evaluation": 60}, "60 has no unit; write seconds(60)"),
    ],
)
def test_a_mistake_is_told_with_what_would_be_right(settings: dict[str, Any], message: str) -> None:
    assert message in refusals(**settings)


def test_all_mistakes_are_told_at_once() -> None:
    told = refusals(alert_evaluation=hours(1), cleanup="?", keep_alerts=hours(1))
    assert all(setting in told for setting in ("alert_evaluation", "cleanup", "keep_alerts"))


@pytest.mark.parametrize("interval", [seconds(1), minutes(2), minutes(5)])
def test_the_runbooks_slower_intervals_can_be_declared(interval: timedelta) -> None:
    assert Workers(alert_evaluation=interval).alert_evaluation == interval
    assert Workers(metric_aggregation=minutes(10)).metric_aggregation == minutes(10)


def test_without_settings_they_are_those_of_the_runbook() -> None:
    workers = Workers()
    assert (workers.alert_evaluation, workers.metric_aggregation) == (minutes(1), minutes(5))
    assert (workers.cleanup_time, workers.keep_metrics) == (time(3), days(90))
    assert workers.keep_alerts == days(30)
