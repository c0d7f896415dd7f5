"""What holds for each of the generated dashboards, with whatever config they were made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import promql_parser
import pytest
from drawn import (
    PLATFORMS,
    Json,
    bare,
    boards_of,
    cells,
    everything_on,
    expressions,
    full,
    ours,
    panels_of,
    rich,
    threshold_steps,
    tiny,
)

from model.escalation import UNACKED_AGE
from model.names import Scope, catalogue
from model.platform import Platform
from model.promql import Threshold
from rules.dashboards import build
from rules.dashboards.panels import PALETTE
from rules.dashboards.topics import Topic, alerts_about

COLUMNS = 24
# Prometheus writes it beside ALERTS.
ALERTS_FOR_STATE = "ALERTS_FOR_STATE"
# Percent with a decimal, bytes with one, days as they are.
DECIMALS = {"percentunit": 1, "bytes": 1, "dtdurations": 0}
CLEAR = "transparent"

BOARDS = [
    (platform, document)
    for platform in PLATFORMS.values()
    for document in boards_of(platform).values()
]
IDS = [f"{name}-{path.rsplit('/', 1)[1]}" for name in PLATFORMS for path in build(PLATFORMS[name])]
EACH = pytest.mark.parametrize(("platform", "board"), BOARDS, ids=IDS)


# --- what must not happen -----------------------------------------------------------------------


@EACH
def test_a_missing_figure_does_not_take_the_colour_of_a_good_one(
    platform: Platform, board: Json
) -> None:
    del platform
    for shown in panels_of(board):
        if shown["type"] in {"stat", "bargauge"}:
            colors = [color for _, color in threshold_steps(shown)]
            assert colors[0] not in colors[1:] or colors[0] == "#999999", shown["title"]


@EACH
def test_no_rate_has_a_fixed_range_but_an_alerts_own(platform: Platform, board: Json) -> None:
    # Another range would draw another line than the one that the alert compares.
    for shown in panels_of(board):
        if leads_to_a_runbook(shown, platform):
            continue
        for expression in asks(shown):
            ranges = re.findall(r"(?:rate|increase)\([^\[\]]*\[([^\]]*)\]", expression)
            assert set(ranges) <= {"$__rate_interval", "$__range"}, expression


@EACH
def test_no_counter_is_shown_without_a_rate(platform: Platform, board: Json) -> None:
    for shown in panels_of(board):
        # ServiceMetricsMissing asks whether it is there at all.
        if leads_to_a_runbook(shown, platform) and not threshold_steps(shown):
            continue
        for expression in asks(shown):
            for name, inside in metrics_in(promql_parser.parse(bare(expression))):
                if name.endswith(("_total", "_bucket")):
                    assert {"rate", "increase"} & set(inside), name


@EACH
def test_a_metric_outside_the_catalogue_is_not_asked_for(platform: Platform, board: Json) -> None:
    known = set(catalogue()) | {ALERTS_FOR_STATE, UNACKED_AGE}
    known |= {metric.name for metric in platform.sql_metrics}
    known |= {one.name for one in platform.recording_rules}
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in metrics_asked(board)}
    assert asked or not panels_of(board)
    assert {name for name in asked if name not in known} <= {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in known
    }


@EACH
def test_no_replica_is_shown_or_compared_on_its_own(platform: Platform, board: Json) -> None:
    """Three exporters that observe the same thing draw one line, not three."""
    aggregations = {"avg", "min", "max", "sum", "count"}
    one_fact = {one.name for one in platform.recording_rules} | {UNACKED_AGE}
    for name, inside in metrics_asked(board):
        # Prometheus' own, which a table only asks whether they are there.
        if name not in one_fact | {"ALERTS"}:
            assert aggregations & set(inside), name


@EACH
def test_what_every_replica_observes_is_never_summed(platform: Platform, board: Json) -> None:
    """With three of them there would be three times as many connections, keys or payments."""
    observed = {m.name for m in catalogue().values() if m.scope in (Scope.OBSERVED, Scope.LEDGER)}
    observed |= {metric.name for metric in platform.sql_metrics}
    for name, inside in metrics_asked(board):
        if name in observed:
            aggregations = [one for one in inside if one in {"avg", "min", "max", "sum", "count"}]
            assert aggregations[-1] in {"avg", "min", "max"}, (name, inside)


@EACH
def test_every_variable_that_is_used_is_declared_and_the_other_way_round(
    platform: Platform, board: Json
) -> None:
    del platform
    declared = {one["name"] for one in board["templating"]["list"]}
    used = set(
        re.findall(r"\$([a-z_]\w*)", " ".join([*expressions(board), annotation(board)["expr"]]))
    )
    used -= {"__rate_interval", "__range"}
    assert used | {"datasource"} == declared


# --- the file -----------------------------------------------------------------------------------


@EACH
def test_nothing_is_lost_on_the_way_through_the_schema(platform: Platform, board: Json) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    from rules.dashboards.sdk import dashboard as schema

    del platform
    again = json.loads(json.dumps(schema.Dashboard.from_json(board), cls=JSONEncoder))
    assert again == board


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
def test_the_same_config_gives_the_same_bytes(platform: Platform) -> None:
    first, again = build(platform), build(platform)
    assert first == again
    for text in first.values():
        assert text.endswith("}\n")
        assert not re.search(r"\b20\d\d-\d\d-\d\d", text)


@EACH
def test_it_holds_no_version_and_nobody_edits_it(platform: Platform, board: Json) -> None:
    assert {"version", "id", "iteration"}.isdisjoint(board)
    assert board["editable"] is False
    assert board["tags"] == ["monitoring", platform.name]
    assert board["title"]
    assert board["description"]


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
def test_uids_and_titles_are_unique(platform: Platform) -> None:
    boards = boards_of(platform).values()
    for key in ("uid", "title"):
        assert len({board[key] for board in boards}) == len(boards)


@EACH
def test_the_dashboards_lead_to_each_other_with_time_and_choices(
    platform: Platform, board: Json
) -> None:
    del platform
    [link] = [link for link in board["links"] if link["type"] == "dashboards"]
    assert link["tags"] == board["tags"]
    assert link["keepTime"]
    assert link["includeVars"]


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
def test_a_link_to_a_dashboard_leads_to_one_that_there_is(platform: Platform) -> None:
    boards = boards_of(platform)
    uids = {board["uid"] for board in boards.values()}
    leads = re.findall(r'"url": "/d/([\w-]+)', json.dumps(boards))
    assert leads or platform is PLATFORMS["bare"]
    assert set(leads) <= uids


def test_what_the_config_does_not_have_gets_no_dashboard() -> None:
    names = {path.rsplit("/", 1)[1] for path in build(tiny())}
    assert names == {
        "overview.json",
        "alerts.json",
        "service.json",
        "alerting.json",
        "monitoring.json",
    }
    added = {path.rsplit("/", 1)[1] for path in build(rich())} - names
    assert added == {"postgres.json", "redis.json", "business.json"}


# --- panels -------------------------------------------------------------------------------------


@EACH
def test_ids_are_unique_and_so_are_refids_within_a_panel(platform: Platform, board: Json) -> None:
    del platform
    ids = [shown["id"] for shown in everything_on(board)]
    assert len(set(ids)) == len(ids)
    for shown in panels_of(board):
        ref_ids = [target["refId"] for target in shown["targets"]]
        assert all(ref_ids)
        assert len(set(ref_ids)) == len(ref_ids)


@EACH
def test_panels_neither_overlap_nor_leave_the_grid(platform: Platform, board: Json) -> None:
    del platform
    placed = [(shown["title"], cells(shown)) for shown in everything_on(board)]
    for (one, covered), (other, also) in combinations(placed, 2):
        assert not covered & also, (one, other)
    assert all(x < COLUMNS for _, covered in placed for x, _ in covered)


@EACH
def test_every_panel_says_what_it_shows_and_what_to_do(platform: Platform, board: Json) -> None:
    del platform
    for shown in panels_of(board):
        assert shown["title"]
        assert len(shown["description"]) > 60, shown["title"]
        assert shown["fieldConfig"]["defaults"]["unit"]
        assert shown["targets"]
    titles = [shown["title"] for shown in panels_of(board)]
    assert len(set(titles)) == len(titles)


@EACH
def test_numbers_have_as_many_decimals_as_people_need(platform: Platform, board: Json) -> None:
    del platform
    for shown in panels_of(board):
        defaults = shown["fieldConfig"]["defaults"]
        assert defaults.get("decimals") == DECIMALS.get(defaults["unit"]), shown["title"]


@EACH
def test_every_panel_and_query_asks_the_chosen_data_source(platform: Platform, board: Json) -> None:
    del platform
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for shown in panels_of(board):
        assert shown["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in shown["targets"])
    assert annotation(board)["datasource"] == chosen


@EACH
def test_every_panel_over_time_has_a_legend(platform: Platform, board: Json) -> None:
    del platform
    for shown in panels_of(board):
        if shown["type"] in {"timeseries", "state-timeline"}:
            assert shown["options"]["legend"]["showLegend"] is True


@EACH
def test_every_expression_parses(platform: Platform, board: Json) -> None:
    del platform
    for expression in (*expressions(board), annotation(board)["expr"]):
        promql_parser.parse(bare(expression))


@EACH
def test_every_colour_that_is_set_is_one_that_everybody_tells_apart(
    platform: Platform, board: Json
) -> None:
    del platform
    found = set(re.findall(r"#[0-9A-Fa-f]{6}", json.dumps(board)))
    assert found <= set(PALETTE)


@EACH
def test_what_services_tell_is_rated_over_four_of_their_own_scrapes(
    platform: Platform, board: Json
) -> None:
    """They are scraped less often: over four of the exporter's scrapes there is no rate at all."""
    services = {"http_requests_total", "mints_total", "mints_failed_total"}
    for shown in panels_of(board):
        for target in shown["targets"]:
            names = {name for name, _ in metrics_in(promql_parser.parse(bare(target["expr"])))}
            if names & services and "$__rate_interval" in target["expr"]:
                assert target["interval"] == "15s", shown["title"]
    assert platform.watched_by.services_scrape_interval.total_seconds() == 15


# --- alerts -------------------------------------------------------------------------------------


@EACH
def test_firing_alerts_are_drawn_on_every_dashboard_but_never_the_watchdog(
    platform: Platform, board: Json
) -> None:
    del platform
    drawn = annotation(board)
    assert drawn["enable"] is True
    assert 'alertstate="firing"' in drawn["expr"]
    assert 'severity!=""' in drawn["expr"]
    assert drawn["titleFormat"] == "{{alertname}}"


@pytest.mark.parametrize("platform", [full(), rich(), ours()], ids=["tiny", "rich", "config.py"])
def test_every_alert_stands_on_the_dashboard_of_its_topic_too(platform: Platform) -> None:
    boards = boards_of(platform)
    told = [alert for topic in Topic for alert in alerts_about(topic, platform)]
    assert sorted(alert.key for alert in told) == sorted(alert.key for alert in platform.alerts)
    for topic in Topic:
        board = boards.get(f"grafana/dashboards/{topic.value}.json")
        alerts = alerts_about(topic, platform)
        assert board is not None or not alerts
        leads = [name for shown in panels_of(board or {}) for name in runbooks(shown, platform)]
        assert sorted(leads) == sorted(alert.name for alert in alerts)


@EACH
def test_an_alerts_panel_has_the_alerts_own_expression_and_threshold(
    platform: Platform, board: Json
) -> None:
    for shown in panels_of(board):
        for name in runbooks(shown, platform):
            own = [alert.expr for alert in platform.alerts if alert.name == name]
            if not own or not all(isinstance(expr, Threshold) for expr in own):
                continue  # read_back and the proofs of the compiler compare these
            limits = {limit for limit, _ in threshold_steps(shown) if limit is not None}
            drawn = {unnarrowed(expression) for expression in asks(shown)}
            wanted = [
                ({float(expr.threshold)}, {with_hash(str(expr.inner), platform)})
                for expr in own
                if isinstance(expr, Threshold)
            ]
            assert (limits, drawn) in wanted, shown["title"]


def asks(shown: Json) -> list[str]:
    return [target["expr"] for target in shown["targets"]]


def runbooks(shown: Json, platform: Platform) -> list[str]:
    """The alerts whose pages a panel leads to."""
    start = f"{platform.base_url}/runbooks/"
    links = shown.get("links") or ()
    return [link["url"].removeprefix(start) for link in links if link["url"].startswith(start)]


def leads_to_a_runbook(shown: Json, platform: Platform) -> bool:
    return bool(runbooks(shown, platform))


def annotation(board: Json) -> Json:
    [found] = board["annotations"]["list"]
    assert isinstance(found, dict)
    return found


def unnarrowed(expression: str) -> str:
    return re.sub(r',\w+=~"\$\w+"|\{\w+=~"\$\w+"\}', "", expression)


def with_hash(text: str, platform: Platform) -> str:
    from model import CONFIG_SHA256

    return text.replace(CONFIG_SHA256, platform.sha256)


def metrics_asked(board: Json) -> list[tuple[str, tuple[str, ...]]]:
    """Every metric that the dashboard asks for, with the functions and aggregations around it."""
    parsed = (promql_parser.parse(bare(expression)) for expression in expressions(board))
    return [found for expression in parsed for found in metrics_in(expression)]


def metrics_in(node: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    match node:
        case promql_parser.VectorSelector():
            assert node.name is not None
            yield node.name, inside
        case promql_parser.MatrixSelector():
            yield from metrics_in(node.vector_selector, inside)
        case promql_parser.AggregateExpr():
            yield from metrics_in(node.expr, (*inside, str(node.op)))
        case promql_parser.ParenExpr():
            yield from metrics_in(node.expr, inside)
        case promql_parser.BinaryExpr():
            yield from metrics_in(node.lhs, inside)
            yield from metrics_in(node.rhs, inside)
        case promql_parser.Call():
            for argument in node.args:
                yield from metrics_in(argument, (*inside, node.func.name))


# --- error budgets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "title"),
    [("overview", "Error budget left, the lowest"), ("service", "Error budget left")],
)
def test_what_is_left_of_the_error_budget_of_each_objective_is_drawn(file: str, title: str) -> None:
    platform = ours()
    objectives = {
        one.labels["slo"]
        for one in platform.recording_rules
        if one.name == "slo:period_error_budget_remaining:ratio"
    }
    board = json.loads(build(platform)[f"grafana/dashboards/{file}.json"])
    (panel,) = [one for one in board["panels"] if one["title"] == title]
    asked = " ".join(target["expr"] for target in panel["targets"])
    assert set(re.findall(r'error_budget_remaining:ratio\{slo="(\w+)"', asked)) == objectives
    assert len(objectives) == 3
