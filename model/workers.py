"""The workers of the ledger: how often each runs, and how long what they clean up is kept."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Self

from pydantic import model_validator

from model.declared import Declared, refused
from model.durations import Duration, days, hours, minutes, prometheus, seconds

# AlertLedgerDrift fires after so long: what reconciling mends must be mended by then.
_LONGEST_EVALUATION = minutes(5)
# What a restart may lose of the services' figures.
_LONGEST_AGGREGATION = hours(1)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Workers(Declared):
    """When the ledger's workers run.

    `alert_evaluation` and `metric_aggregation` are intervals; `cleanup` is a local time of day
    ("03:00") in the time zone of the business hours. Metrics older than `keep_metrics`, and alerts
    that ended longer ago than `keep_alerts`, go to the archives.
    """

    alert_evaluation: Duration = seconds(60)
    metric_aggregation: Duration = minutes(5)
    cleanup: str = "03:00"
    keep_metrics: Duration = days(90)
    keep_alerts: Duration = days(30)

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = [
            *_outside("alert_evaluation", self.alert_evaluation, _LONGEST_EVALUATION),
            *_outside("metric_aggregation", self.metric_aggregation, _LONGEST_AGGREGATION),
        ]
        if self.metric_aggregation % seconds(1):
            mistakes.append(
                f"metric_aggregation: {prometheus(self.metric_aggregation)} is not whole seconds"
            )
        if not _TIME.fullmatch(self.cleanup):
            mistakes.append(
                f'cleanup: "{self.cleanup}" is not a time of day; write one like "03:00"'
            )
        mistakes += [
            f"{setting}: {prometheus(length)} is under 1d, so that people would find nothing"
            for setting, length in (
                ("keep_metrics", self.keep_metrics),
                ("keep_alerts", self.keep_alerts),
            )
            if length < days(1)
        ]
        if mistakes:
            raise refused(mistakes)
        return self

    @property
    def cleanup_time(self) -> time:
        """The time of day of `cleanup`."""
        return time.fromisoformat(self.cleanup)


def _outside(setting: str, interval: timedelta, longest: timedelta) -> list[str]:
    if seconds(1) <= interval <= longest:
        return []
    return [f"{setting}: {prometheus(interval)} is not between 1s and {prometheus(longest)}"]
