"""How panels look in Grafana: their queries, colours and legends, whatever they show.

The SDK's builders leave out queries' refIds and data sources, and hide legends; this module sets
them, and `page` the panels' ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from string import ascii_uppercase
from typing import Protocol, Self, TypeVar

from model.promql import Expr
from rules.dashboards.sdk import (
    Builder,
    Dataquery,
    PromQueryFormat,
    bargauge,
    board,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
    ui,
)
from rules.dashboards.units import COUNT, decimals

# From which number on a colour is shown.
Colors = Mapping[float, str] | Mapping[int, str]

# Okabe and Ito's colours, which people of every colour vision tell apart.
GREEN, ORANGE, VERMILLION = "#009E73", "#E69F00", "#D55E00"
YELLOW, SKY_BLUE, GREY = "#F0E442", "#56B4E9", "#999999"
BLUE, PURPLE = "#0072B2", "#CC79A7"
# In an order in which neighbours differ in lightness as well.
PALETTE = (BLUE, ORANGE, SKY_BLUE, VERMILLION, GREEN, PURPLE, YELLOW, GREY)
_CLEAR = "transparent"

# Grafana names the lines after the labels in which they differ.
AUTO = "__auto"

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel: its expression, and the name of its lines."""

    expr: str
    legend: str = "{{target}}"
    as_table: bool = False
    # How often what it asks for is scraped, if not as often as the exporter is.
    every: str | None = None


def asked(expr: Expr | str, legend: str = "{{target}}", every: str | None = None) -> Query:
    """A query of an expression."""
    return Query(str(expr), legend, every=every)


@dataclass(frozen=True, slots=True)
class Text:
    """What a panel says about itself: its title, and what to do when it looks bad."""

    title: str
    description: str


@dataclass(frozen=True, slots=True)
class State:
    """What a number stands for: a word, and a colour that goes with it."""

    word: str
    color: str


class Panel(Protocol):
    """What the SDK's builders of panels have in common."""

    def build(self) -> dashboard.Panel: ...
    def id(self, id_val: int) -> Self: ...
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: common.DataSourceRef) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def decimals(self, decimals: float) -> Self: ...
    def override_by_regexp(
        self, regexp: str, properties: list[dashboard.DynamicConfigValue]
    ) -> Self: ...
    def override_by_query(
        self, query_ref_id: str, properties: list[dashboard.DynamicConfigValue]
    ) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def grid_pos(self, grid_pos: dashboard.GridPos) -> Self: ...
    def links(self, links: list[Builder[dashboard.DashboardLink]]) -> Self: ...
    def targets(self, targets: list[Builder[Dataquery]]) -> Self: ...


P = TypeVar("P", bound=Panel)


def stat_panel(
    text: Text, queries: Iterable[Query], colors: Colors, unit: str = COUNT
) -> stat.Panel:
    """Numbers on a coloured ground; `colors` are those from a number on, grey is unknown."""
    panel = _dressed(stat.Panel(), text, queries, instant=True)
    # Grafana gives a missing value the lowest colour: it is not to look like a good one.
    steps = [(None, GREY), *colors.items()]
    return (
        measured(panel, unit)
        .no_value("unknown")
        .thresholds(_steps(steps))
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(ui.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def bar_panel(text: Text, queries: Iterable[Query], colors: Colors, unit: str) -> bargauge.Panel:
    """A bar for each line, as long as its number now; `colors` as those of a stat."""
    return (
        measured(_dressed(bargauge.Panel(), text, queries, instant=True), unit)
        .thresholds(_steps([(None, GREY), *colors.items()]))
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .value_mode(common.BarGaugeValueMode.TEXT)
        .orientation(common.VizOrientation.HORIZONTAL)
        .reduce_options(ui.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def measured(panel: P, unit: str) -> P:
    """Give a panel its unit, and as many decimals as people need of that."""
    shown = decimals(unit)
    return panel.unit(unit) if shown is None else panel.unit(unit).decimals(shown)


def color_lines(panel: P, colors: Mapping[str, str]) -> P:
    """Give lines whose names match a regular expression a colour of their own."""
    for pattern, color in colors.items():
        panel.override_by_regexp(f"/{pattern}/", [_fixed(color)])
    return panel


def lead_to(panel: P, title: str, url: str) -> P:
    """Let each of a panel's lines lead somewhere; `url` may use Grafana's variables."""
    leads = [{"title": title, "url": url}]
    return panel.override_by_regexp("/.*/", [dashboard.DynamicConfigValue("links", leads)])


def with_states(panel: stat.Panel, states: Mapping[int, State]) -> stat.Panel:
    """A stat that shows words instead of numbers."""
    return panel.mappings([_mapping(states)])


def color_by_name(panel: stat.Panel, name: str, colors: Colors) -> None:
    """Give one line of a stat colours of its own."""
    steps = _steps([(None, GREY), *colors.items()]).build()
    panel.override_by_name(name, [dashboard.DynamicConfigValue("thresholds", steps)])


def timeline_panel(
    text: Text, queries: Iterable[Query], states: Mapping[int, State], per_page: int
) -> statetimeline.Panel:
    """A band for each line, coloured and labelled by its state."""
    return (
        _dressed(statetimeline.Panel(), text, queries)
        .unit("short")
        .mappings([_mapping(states)])
        .thresholds(_steps([(None, GREY)]))
        .color_scheme(board.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(merge_values=True)
        .fill_opacity(90)
        .line_width(0)
        .row_height(0.85)
        .per_page(per_page)
        .legend(_legend())
        .tooltip(_tooltip(common.TooltipDisplayMode.SINGLE))
    )


def line_panel(text: Text, queries: Iterable[Query], unit: str) -> timeseries.Panel:
    """Lines over time, with what they are now in the legend."""
    asks = list(queries)
    panel = measured(_dressed(timeseries.Panel(), text, asks), unit)
    if len(asks) > 1:
        _color_queries(panel, asks)
    return (
        panel.color_scheme(
            board.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
        )
        .line_width(1)
        .fill_opacity(0)
        .axis_soft_min(0)
        .show_points(common.VisibilityMode.AUTO)
        .legend(_legend())
        .tooltip(_tooltip(common.TooltipDisplayMode.MULTI))
    )


def draw_limits(
    panel: timeseries.Panel, comparison: str, limits: Iterable[Decimal]
) -> timeseries.Panel:
    """Draw the numbers that an alert compares with, and shade the side on which it fires."""
    numbers = sorted(limits)
    if comparison in ("<", "<="):
        colors = [VERMILLION] * len(numbers) + [_CLEAR]
    else:
        colors = [_CLEAR] + [VERMILLION] * len(numbers)
    style = ui.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE_AND_AREA)
    steps = list(zip((None, *map(float, numbers)), colors, strict=True))
    return panel.thresholds(_steps(steps)).thresholds_style(style)


def table_panel(text: Text, query: Query, columns: dict[str, str], empty: str) -> table.Panel:
    """The rows that a query has now; `columns` are its fields, in order, by their titles."""
    arranged = {
        "excludeByName": {"Time": True},
        "indexByName": {field: index for index, field in enumerate(columns)},
        "renameByName": dict(columns),
    }
    panel = _dressed(table.Panel(), text, [replace(query, as_table=True)], instant=True)
    return (
        panel.unit("short")
        .no_value(empty)
        .with_transformation(dashboard.DataTransformerConfig("organize", options=arranged))
        .show_header(show_header=True)
        .cell_height(common.TableCellHeight.SM)
    )


def sort_table(panel: table.Panel, column: str) -> table.Panel:
    """Show the greatest of a column first."""
    return panel.sort_by([ui.TableSortByFieldState().display_name(column).desc(desc=True)])


def override(panel: table.Panel, column: str, **properties: object) -> table.Panel:
    """Give a column a unit, links, a width or mappings of its own."""
    values = [dashboard.DynamicConfigValue(name, value) for name, value in properties.items()]
    return panel.override_by_name(column, values)


def words(colors: dict[str, str]) -> list[dashboard.ValueMap]:
    """Mappings that colour words."""
    results = {
        word: dashboard.ValueMappingResult(text=word, color=color, index=index)
        for index, (word, color) in enumerate(colors.items())
    }
    return [dashboard.ValueMap(results)]


def _color_queries(panel: P, queries: list[Query]) -> None:
    """Queries of one line each have colours that everybody tells apart."""
    for query, ref_id, color in zip(queries, ascii_uppercase, PALETTE, strict=False):
        if "{{" not in query.legend and query.legend != AUTO:
            panel.override_by_query(ref_id, [_fixed(color)])


def _fixed(color: str) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


def _dressed(panel: P, text: Text, queries: Iterable[Query], *, instant: bool = False) -> P:
    targets: list[Builder[Dataquery]] = [
        _target(query, ref_id, instant=instant)
        for ref_id, query in zip(ascii_uppercase, queries, strict=False)
    ]
    dressed = panel.title(text.title).description(text.description).datasource(SOURCE)
    return dressed.targets(targets)


def _target(query: Query, ref_id: str, *, instant: bool) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .ref_id(ref_id)
        .datasource(SOURCE)
        .expr(query.expr)
        .legend_format(query.legend)
        .format(PromQueryFormat.TABLE if query.as_table else PromQueryFormat.TIME_SERIES)
    )
    if query.every is not None:
        # Grafana makes $__rate_interval four times this.
        target.interval(query.every)
    return target.instant() if instant else target.range()


def _steps(steps: Iterable[tuple[float | None, str]]) -> board.ThresholdsConfig:
    return (
        board.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value, color) for value, color in steps])
    )


def _mapping(states: Mapping[int, State]) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        {
            str(number): dashboard.ValueMappingResult(state.word, state.color, index=index)
            for index, (number, state) in enumerate(states.items())
        }
    )


def _legend() -> ui.VizLegendOptions:
    return (
        ui.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(common.LegendDisplayMode.LIST)
        .calcs(["lastNotNull"])
        .placement(common.LegendPlacement.BOTTOM)
    )


def _tooltip(mode: common.TooltipDisplayMode) -> ui.VizTooltipOptions:
    return ui.VizTooltipOptions().mode(mode).sort(common.SortOrder.DESCENDING)
