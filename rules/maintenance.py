"""Alerts about a target do not fire while the target is in maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from model import names
from model.alerts import Alert
from model.promql import Expr, observed
from model.promql.base import SETS
from model.raw import Raw

# What an alert is about, by the label that says so.
TARGET, SERVICE = "target", "service"
# Most replicas of the exporter agree; with as many for as against, the alert fires.
_MAJORITY = "0.5"


@dataclass(frozen=True)
class Renamed(Expr):
    """The results with the label `old` under the name `new` too."""

    inner: Expr
    old: str
    new: str

    @cached_property
    def labels(self) -> frozenset[str]:
        return self.inner.labels | {self.new}

    def __str__(self) -> str:
        return f'label_replace({self.inner}, "{self.new}", "$1", "{self.old}", "(.+)")'


def outside_maintenance(alert: Alert) -> str:
    """The condition of an alert, without what is in maintenance.

    One that is about no single target or service is left as it is: a window must silence no more
    than its own targets.
    """
    condition, about = str(alert.expr), about_by(alert)
    if about is None:
        return condition
    in_maintenance: Expr = observed(names.MAINTENANCE) > _MAJORITY
    if about == SERVICE:
        in_maintenance = Renamed(in_maintenance, TARGET, SERVICE)
    if isinstance(alert.expr, Raw) or alert.expr.precedence <= SETS:
        condition = f"({condition})"
    return f"{condition} unless on ({about}) {in_maintenance}"


def about_by(alert: Alert) -> str | None:
    """The label that says what an alert is about; None if none does.

    Of raw PromQL the labels are not known here: there the alert's own label `service` tells.
    """
    if isinstance(alert.expr, Raw):
        return next((one for one in (TARGET, SERVICE) if f"$labels.{one} " in alert.service), None)
    return next((label for label in (TARGET, SERVICE) if label in alert.expr.labels), None)
