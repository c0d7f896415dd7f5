"""What every dashboard has: its data source, links, alerts as annotations, and its sections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from model import names
from model.platform import Platform
from model.promql import Aggregate, Match, select
from rules.dashboards.page import (
    Section,
    as_json,
    datasource_variable,
    lay_out,
    link,
    other_dashboards,
    page,
)
from rules.dashboards.panels import SOURCE, VERMILLION, Text
from rules.dashboards.sdk import Builder, board, dashboard
from rules.output import HEADER

# Whom an annotation is about, as the labels of its alert say.
_TOLD = ("alertname", "service", "severity")

Variable = Builder[dashboard.VariableModel]
Link = Builder[dashboard.DashboardLink]


@dataclass(frozen=True)
class Board:
    """A dashboard: `about` says what it answers, `alerts` is a regular expression of names.

    Alerts of these names are drawn as annotations while they fire; with `chosen`, only those
    about the services that the variable names.
    """

    uid: str
    title: str
    about: str
    sections: Iterable[Section]
    alerts: str = ".+"
    chosen: str | None = None
    variables: tuple[Variable, ...] = ()
    links: tuple[Link, ...] = ()


def written(one: Board, platform: Platform) -> str:
    """The dashboard's file."""
    tags = ["monitoring", platform.name]
    made = page(one.uid, Text(one.title, f"{one.about} This file is {HEADER}."), tags)
    made.with_variable(datasource_variable())
    for variable in one.variables:
        made.with_variable(variable)
    for leads in (*one.links, link("Runbooks", f"{platform.base_url}/runbooks")):
        made.link(leads)
    made.link(other_dashboards(tags))
    made.annotation(_annotation(one))
    lay_out(made, one.sections)
    return as_json(made)


def firing(alerts: str, chosen: str | None = None) -> str:
    """Alerts of these names that fire and that people are told of, each once."""
    found = select(names.ALERTS, alertstate="firing").where(Match.NOT_EQUAL, severity="")
    if alerts != ".+":
        found = found.where(Match.REGEX, alertname=alerts)
    if chosen is not None:
        found = found.where(Match.REGEX, service=chosen)
    return str(Aggregate(names.ALERTS.collapse, found, _TOLD))


def _annotation(one: Board) -> board.AnnotationQuery:
    return (
        board.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color(VERMILLION)
        .expr(firing(one.alerts, one.chosen))
        .title_format("{{alertname}}")
        .text_format("{{service}}: {{severity}}")
        .tag_keys("severity")
    )
