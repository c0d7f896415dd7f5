"""Service level objectives: error ratios a window, burn rates, and what is left of the budget.

Source: Google, The Site Reliability Workbook, chapter 5, "Alerting on SLOs". Names of the recorded
series are sloth's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Self

from pydantic import model_validator

from model.declared import Declared, refused
from model.durations import Duration, days, hours, minutes, prometheus
from model.metric import Metric
from model.promql.aggregation import collapsed, sum_by
from model.promql.arithmetic import Ratio
from model.promql.base import Expr
from model.promql.ranges import avg_over_time, increase
from model.promql.recording import Recorded, Recording, recorded
from model.promql.selectors import Selector, bucket, count_of
from model.promql.sets import And, Or


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """A pair of windows, and the burn rate over both at which people are told.

    A factor of 1 uses up the budget in exactly the objective's period; the short window makes the
    alert end soon after the errors do.
    """

    long: timedelta
    short: timedelta
    factor: Decimal

    @property
    def name(self) -> str:
        """The long window, as a label says it."""
        return prometheus(self.long)


# 2 % of 30 days' budget in an hour, 5 % in 6 hours, 10 % in a day and in 3 days.
BURN_WINDOWS = (
    BurnWindow(hours(1), minutes(5), Decimal("14.4")),
    BurnWindow(hours(6), minutes(30), Decimal(6)),
    BurnWindow(days(1), hours(2), Decimal(3)),
    BurnWindow(days(3), hours(6), Decimal(1)),
)


@dataclass(frozen=True)
class Events:
    """Availability as a share of events: `bad` ones of `total`, both counters, `by` some labels.

    `at_least` is how many events an hour a window has to hold on average: under that there is no
    ratio, and so no alert.
    """

    bad: Selector
    total: Selector
    by: tuple[str, ...]
    at_least: int

    def errors(self, window: timedelta) -> Expr:
        """The share of bad events; 0 where no event was bad."""
        total = sum_by(increase(self.total, window), *self.by)
        bad = Or(sum_by(increase(self.bad, window), *self.by), total * 0)
        return Ratio(bad, total, at_least=_volume(self.at_least, window))


@dataclass(frozen=True)
class Latency:
    """The share of events that take longer than `le`, a bound of the histogram."""

    histogram: Metric
    le: str
    by: tuple[str, ...]
    at_least: int

    def errors(self, window: timedelta) -> Expr:
        """The share of slow events."""
        total = sum_by(increase(count_of(self.histogram), window), *self.by)
        fast = sum_by(increase(bucket(self.histogram, self.le), window), *self.by)
        return Ratio(total - fast, total, at_least=_volume(self.at_least, window))


@dataclass(frozen=True)
class Uptime:
    """Availability as a share of time: how long a gauge of 0 and 1 was 1, such as probe_success."""

    gauge: Selector

    def errors(self, window: timedelta) -> Expr:
        """The share of time that it was 0."""
        return 1 - collapsed(avg_over_time(self.gauge, window))


class Slo(Declared):
    """An objective, such as 99.9 % of requests, from which recording rules and conditions come.

        API = Slo(
            name="api-availability",
            group="slo-api",
            objective="0.999",
            sli=Events(bad=…, total=…, by=("service",), at_least=100),
        )
        alerts = tuple(
            Alert(name="ErrorBudgetBurn", expr=API.burns(window), labels=API.labels(window), …)
            for window in BURN_WINDOWS
        )

    `period` is what the budget is counted over.
    """

    noun: ClassVar[str | None] = "SLO"
    name: str
    group: str
    objective: Decimal
    sli: Events | Latency | Uptime
    period: Duration = days(30)

    @model_validator(mode="before")
    @classmethod
    def _no_float(cls, settings: dict[str, object]) -> dict[str, object]:
        objective = settings.get("objective")
        if isinstance(objective, float):
            raise refused([f'objective: {objective} is a float; write "{objective}"'])
        return settings

    @model_validator(mode="after")
    def _check(self) -> Self:
        mistakes = []
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            mistakes.append(f'name: "{self.name}" is not lower-case letters, digits and "-"')
        if not 0 < self.objective < 1:
            mistakes.append(f"objective: {self.objective} is not between 0 and 1, such as 0.999")
        if mistakes:
            raise refused(mistakes)
        return self

    @property
    def budget(self) -> Decimal:
        """The share of errors that the objective allows."""
        return 1 - self.objective

    def ratio(self, window: timedelta) -> Recording:
        """The share of errors over a window, as a recording rule."""
        return Recording(
            name=f"slo:sli_error:ratio_rate{prometheus(window)}",
            group=self.group,
            expr=self.sli.errors(window),
            labels={"slo": self.name},
        )

    def labels(self, window: BurnWindow) -> dict[str, str]:
        """What tells the alert of one window from those of the others."""
        return {"window": window.name}

    def burns(self, window: BurnWindow) -> And:
        """Whether the budget is used up that much faster than allowed, over both windows."""
        limit = self.budget * window.factor
        return And(self._errors(window.long) > limit, self._errors(window.short) > limit)

    def budget_left(self) -> Recording:
        """The share of the period's budget that is left, under 0 when it is overspent.

        An average of the ratio of 5 minutes, as sloth does it: a ratio over 30 days would read
        millions of samples at each evaluation. Even so it is half a million a series, so it has a
        group of its own, which is evaluated every two minutes.
        """
        spent = collapsed(avg_over_time(self._errors(minutes(5)), self.period))
        return Recording(
            name="slo:period_error_budget_remaining:ratio",
            group=f"{self.group}-budget",
            interval=minutes(2),
            expr=1 - spent * Decimal(f"{1 / self.budget:.12g}"),
            labels={"slo": self.name},
        )

    def _errors(self, window: timedelta) -> Recorded:
        return recorded(self.ratio(window))


def _volume(an_hour: int, window: timedelta) -> int:
    return max(1, an_hour * window // hours(1))
