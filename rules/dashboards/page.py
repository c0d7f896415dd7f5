"""How a dashboard is put together in Grafana: its grid, variables, links and file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from pydantic_core import to_json

from model.platform import Platform
from rules.dashboards.choices import SERVICES, Choice
from rules.dashboards.panels import Panel, Text
from rules.dashboards.sdk import Builder, board, dashboard

COLUMNS = 24
# How many of the grid's rows a window of 1440 by 900 pixels shows below Grafana's own bars.
FIRST_SCREEN = 20


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel and how many columns it takes."""

    panel: Panel
    width: int


@dataclass(frozen=True, slots=True)
class Section:
    """Panels of one height, below a heading if they have one."""

    panels: tuple[Placed, ...]
    height: int
    heading: str | None = None


def page(uid: str, text: Text, tags: list[str]) -> board.Dashboard:
    """A dashboard without panels, which nobody edits in Grafana: the last hour, kept fresh."""
    return (
        board.Dashboard(text.title)
        .uid(uid)
        .description(text.description)
        .tags(tags)
        .readonly()
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    )


def link(title: str, url: str) -> board.DashboardLink:
    """A link to a page outside Grafana."""
    return (
        board.DashboardLink(title)
        .type(dashboard.DashboardLinkType.LINK)
        .url(url)
        .tooltip(title)
        .icon("external link")
        .target_blank(target_blank=True)
    )


def dashboard_link(title: str, url: str) -> board.DashboardLink:
    """A link to one of the other dashboards, with the time and the choices of this one."""
    return (
        board.DashboardLink(title)
        .type(dashboard.DashboardLinkType.LINK)
        .url(url)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def other_dashboards(tags: list[str]) -> board.DashboardLink:
    """Links to the dashboards that have these tags."""
    return (
        board.DashboardLink("Dashboards")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags(tags)
        .as_dropdown(as_dropdown=False)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def evenly(panels: Iterable[Panel], at_most: int = 3) -> tuple[Placed, ...]:
    """Panels side by side, as wide as the grid allows."""
    side_by_side = list(panels)
    width = COLUMNS // max(1, min(len(side_by_side), at_most))
    return tuple(Placed(panel, width) for panel in side_by_side)


def lay_out(page: board.Dashboard, sections: Iterable[Section]) -> None:
    """Put the sections' panels on the grid one below the other, and number them."""
    top = number = 0
    for section in sections:
        if section.heading is not None:
            number += 1
            page.with_row(
                board.Row(section.heading)
                .id(number)
                .grid_pos(dashboard.GridPos(h=1, w=COLUMNS, x=0, y=top))
            )
            top += 1
        for panel, place in _places(section, top):
            number += 1
            page.with_panel(cast("Builder[dashboard.Panel]", panel.id(number).grid_pos(place)))
            top = place.y
        top += section.height


def datasource_variable() -> board.DatasourceVariable:
    """Which Prometheus to ask; Grafana's default one at first."""
    return (
        board.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes the monitoring service.")
        .type("prometheus")
    )


def choice_variable(
    name: str, text: Text, options: list[str], at_first: str | None = None
) -> board.CustomVariable:
    """A variable with fixed options, of which people choose some; all at first, or one."""
    every = dashboard.VariableOption(selected=at_first is None, text="All", value="$__all")
    choices = [dashboard.VariableOption(selected=o == at_first, text=o, value=o) for o in options]
    shown = ("All", "$__all") if at_first is None else (at_first, at_first)
    return (
        board.CustomVariable(name)
        .label(text.title)
        .description(text.description)
        .values(",".join(options))
        .options([every, *choices])
        .current(dashboard.VariableOption(selected=True, text=[shown[0]], value=[shown[1]]))
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .allow_custom_value(allow_custom_value=False)
    )


def one_of(name: str, text: Text, options: tuple[str, ...]) -> board.CustomVariable:
    """A variable of which exactly one option is chosen, at first the first."""
    return (
        board.CustomVariable(name)
        .label(text.title)
        .description(text.description)
        .values(",".join(options))
        .options(
            [dashboard.VariableOption(selected=o == options[0], text=o, value=o) for o in options]
        )
        .current(dashboard.VariableOption(selected=True, text=options[0], value=options[0]))
        .allow_custom_value(allow_custom_value=False)
    )


def choose_services(platform: Platform, description: str) -> board.CustomVariable:
    """The variable that narrows a dashboard to some services."""
    names = [service.name for service in platform.services]
    return choice_variable(SERVICES.name, Text("Service", description), names)


def choose_one_service(platform: Platform) -> board.CustomVariable:
    """As choose_services, with one chosen at first: figures of one service are easier to read."""
    names = [service.name for service in platform.services]
    text = Text("Service", "Which service the panels are about; several are drawn side by side.")
    return choice_variable(SERVICES.name, text, names, at_first=names[0])


def choose(choice: Choice, title: str, names: list[str]) -> board.CustomVariable:
    """The variable of a choice among the config's targets of a kind."""
    return choice_variable(choice.name, Text(title, f"Which {title} the panels are about."), names)


def as_json(page: board.Dashboard) -> str:
    """The dashboard's file, beginning with what it is."""
    document = page.build().to_json()
    # The writer knows a generated file by its beginning.
    first = {key: document.pop(key) for key in ("uid", "title", "description")}
    ordered = {**first, **document}
    text = to_json(ordered, indent=2, fallback=lambda model: model.to_json())
    return text.decode() + "\n"


def _places(section: Section, top: int) -> Iterator[tuple[Panel, dashboard.GridPos]]:
    left = 0
    for placed in section.panels:
        if left + placed.width > COLUMNS:
            left, top = 0, top + section.height
        yield placed.panel, dashboard.GridPos(h=section.height, w=placed.width, x=left, y=top)
        left += placed.width
