"""The dashboards: what a person in front of it relies on, read from the generated file."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from drawn import (
    DOWN,
    EVERY,
    EXPIRING,
    FEW,
    GONE,
    SLOW,
    Json,
    Show,
    alerts_board,
    bare,
    cells,
    dashboard,
    everything_on,
    exprs,
    full,
    ours,
    panel,
    panels_of,
    promtool_agrees,
    threshold_steps,
    tiny,
)

from model import CONFIG_SHA256, Alert, Platform, Postgres
from model.escalation import escalation_rules
from model.promql import Threshold
from rules.dashboards import ALERTS, OVERVIEW, build
from rules.output import HEADER
from rules.writer import leftovers, write

# A window of 1440 by 900 pixels: below Grafana's own bars and the variables there are rows of the
# grid, each 30 pixels high and 8 apart.
WINDOW_PIXELS, BARS_PIXELS, ROW_PIXELS, GAP_PIXELS = 900, 136, 30, 8
VISIBLE_ROWS = (WINDOW_PIXELS - BARS_PIXELS + GAP_PIXELS) // (ROW_PIXELS + GAP_PIXELS)
COLUMNS = 24

# --- what must not happen -----------------------------------------------------------------------


def test_nothing_probed_does_not_look_like_nothing_down() -> None:
    document = dashboard(full())
    for title in ("Services down", "Services degraded"):
        shown = panel(document, title)
        assert "vector(0)" not in shown["targets"][0]["expr"]
        assert shown["fieldConfig"]["defaults"]["noValue"] == "unknown"


def test_targets_that_nobody_probes_are_counted_even_if_no_exporter_is_left() -> None:
    [target] = panel(dashboard(full("a", "b", "c")), "No fresh result")["targets"]
    assert target["expr"] == "5 - (count(avg by (target) (probe_success)) or vector(0))"


def test_no_alert_is_hidden_by_the_choice_of_services() -> None:
    document = dashboard(full())
    asked = [e for title in ("Firing alerts", "Open alerts") for e in exprs(document, title)]
    assert not [expression for expression in asked if "$service" in expression]


def test_a_database_is_not_emptied_by_the_choice_of_services() -> None:
    document = dashboard(full())
    for title in ("Postgres", "Redis", "Postgres round trip, 95th percentile"):
        assert "$service" not in exprs(document, title)[0]


def test_a_count_that_an_alert_compares_is_not_narrowed() -> None:
    assert exprs(alerts_board(full()), "FewTargets") == ["count(avg by (target) (probe_success))"]


def test_an_alert_that_compares_with_no_number_is_shown_without_a_line() -> None:
    for name, expr in (("Gone", str(GONE.expr)), ("Watchdog", "vector(1)")):
        shown = panel(alerts_board(full()), name)
        assert "thresholds" not in shown["fieldConfig"]["defaults"]
        assert exprs(alerts_board(full()), name) == [expr]


def test_the_watchdog_is_not_listed_among_what_is_broken() -> None:
    [expression] = exprs(dashboard(full()), "Firing alerts")
    assert 'severity!=""' in expression


def test_what_the_config_does_not_have_is_not_shown() -> None:
    titles = {shown["title"] for shown in panels_of(dashboard(tiny()))}
    assert titles.isdisjoint({"Postgres", "Redis", "Postgres round trip, 95th percentile"})
    assert "Services down" in titles


def test_without_an_alert_a_limit_is_shown_without_a_line() -> None:
    document = dashboard(tiny(postgres=(Postgres(),)))
    shown = panel(document, "Postgres round trip, 95th percentile")
    assert "thresholds" not in shown["fieldConfig"]["defaults"]
    assert "[$__rate_interval]" in exprs(document, shown["title"])[0]


def test_a_python_that_turns_warnings_into_errors_can_build_it() -> None:
    code = "import rules.dashboards.overview"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_other_deprecations_are_not_silenced() -> None:
    code = (
        "import warnings, rules.dashboards.overview\n"
        "warnings.warn('Prefer using dashboardv2', DeprecationWarning)"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, timeout=60
    )
    assert b"DeprecationWarning" in ran.stderr


# --- the file -----------------------------------------------------------------------------------


def test_the_writer_knows_that_it_is_generated(tmp_path: Path) -> None:
    write(build(ours()), tmp_path)
    assert HEADER in (tmp_path / OVERVIEW).read_text(encoding="utf-8")
    assert leftovers({}, tmp_path) == sorted(build(ours()))


def test_it_says_what_it_is_and_nobody_edits_it() -> None:
    document = dashboard(full())
    assert document["uid"] == "monitoring-overview"
    assert document["editable"] is False
    assert document["tags"] == ["monitoring", "tiny"]
    assert document["time"] == {"from": "now-1h", "to": "now"}
    assert document["refresh"] == "10s"
    assert [link["url"] for link in document["links"] if link["type"] == "link"] == [
        "https://monitoring.example.com/health",
        "https://monitoring.example.com/runbooks",
    ]


# --- panels -------------------------------------------------------------------------------------


@EVERY
def test_what_is_broken_stands_on_the_first_screen_without_a_hole(platform: Platform) -> None:
    document = dashboard(platform)
    first_row = next(p["gridPos"]["y"] for p in everything_on(document) if p["type"] == "row")
    above = [p for p in panels_of(document) if p["gridPos"]["y"] < first_row]
    assert {"Services down", "Firing alerts", "State of every service"} <= {
        shown["title"] for shown in above
    }
    covered = set().union(*map(cells, above))
    assert covered == {(x, y) for x in range(COLUMNS) for y in range(first_row)}
    assert first_row <= VISIBLE_ROWS


# --- services -----------------------------------------------------------------------------------


def variable(document: Json, name: str) -> Json:
    variables: list[Json] = document["templating"]["list"]
    [found] = [each for each in variables if each["name"] == name]
    return found


def test_a_service_added_to_the_config_appears() -> None:
    before, after = (dashboard(full(*names)) for names in (("a", "b"), ("a", "b", "new-one")))
    assert variable(before, "service")["query"] == "a,b"
    assert variable(after, "service")["query"] == "a,b,new-one"
    assert "new-one" in [option["value"] for option in variable(after, "service")["options"]]
    assert exprs(before, "No fresh result") != exprs(after, "No fresh result")


def test_all_services_are_shown_until_some_are_chosen() -> None:
    service = variable(dashboard(full()), "service")
    assert (service["type"], service["multi"], service["includeAll"]) == ("custom", True, True)
    assert service["current"]["value"] == ["$__all"]
    assert service["allValue"] == ".*"
    assert [option["value"] for option in service["options"] if option["selected"]] == ["$__all"]


@pytest.mark.parametrize(
    "title",
    ["State of every service", "Failure reasons", "Time since the last result"],
)
def test_the_choice_of_services_narrows_what_is_about_one(title: str) -> None:
    assert 'target=~"$service"' in exprs(dashboard(full()), title)[0]


def test_the_choice_of_services_narrows_an_alerts_panel() -> None:
    assert 'target=~"$service"' in exprs(alerts_board(full()), "ServiceDown")[0]


def test_any_prometheus_may_be_the_data_source() -> None:
    source = variable(dashboard(full()), "datasource")
    assert (source["type"], source["query"]) == ("datasource", "prometheus")


STATES = {"well": 2, "ill": 1, "broken": 0, "forgotten": 3}


@pytest.mark.parametrize("replicas", [1, 3])
def test_the_timeline_reads_the_same_with_one_exporter_and_with_three(
    replicas: int, tmp_path: Path
) -> None:
    [states] = exprs(dashboard(full()), "State of every service")
    [down] = exprs(dashboard(full()), "Services down")
    [degraded] = exprs(dashboard(full()), "Services degraded")
    expected: dict[str, dict[str, float]] = {
        bare(states): {f'{{target="{target}"}}': state for target, state in STATES.items()},
        down: {"{}": 1},
        degraded: {"{}": 1},
    }
    series = [line for n in range(replicas) for line in observations(f"exporter-{n}:3017")]
    if replicas == 3:
        # One of them sees the opposite; the other two are most.
        series[0]["values"] = "0x10"
        series[2]["values"] = "1x10"
    promtool_agrees(series, expected, tmp_path)


def test_nothing_observed_is_no_state_and_no_zero(tmp_path: Path) -> None:
    document = dashboard(full("a", "b", "c"))
    expected: dict[str, dict[str, float]] = {
        bare(exprs(document, "State of every service")[0]): {},
        exprs(document, "Services down")[0]: {},
        exprs(document, "Services degraded")[0]: {},
        exprs(document, "No fresh result")[0]: {"{}": 5},
    }
    promtool_agrees([{"series": "up", "values": "0x10"}], expected, tmp_path)


def observations(instance: str) -> list[dict[str, str]]:
    """What one exporter says about a service in each of the states."""
    values = {
        "probe_success": {"well": 1, "ill": 1, "broken": 0},
        "monitoring_target_degraded": {"well": 0, "ill": 1, "broken": 0},
        "monitoring_target_info": dict.fromkeys(STATES, 1),
    }
    return [
        {
            "series": f'{metric}{{target="{target}",kind="http",instance="{instance}"}}',
            "values": f"{value}x10",
        }
        for metric, by_target in values.items()
        for target, value in by_target.items()
    ]


def test_a_services_states_have_words_and_colours_that_everybody_tells_apart() -> None:
    shown = panel(dashboard(full()), "State of every service")
    [mapping] = shown["fieldConfig"]["defaults"]["mappings"]
    assert {r["text"]: r["color"] for r in mapping["options"].values()} == {
        "down": "#D55E00",
        "degraded": "#E69F00",
        "up": "#009E73",
        "unknown": "#999999",
    }


def test_as_many_services_as_we_have_stand_on_one_page_of_the_timeline() -> None:
    platform = ours()
    shown = panel(dashboard(platform), "State of every service")
    assert shown["options"]["perPage"] >= len(platform.services)


# --- alerts -------------------------------------------------------------------------------------


def test_no_firing_alert_reads_none() -> None:
    shown = panel(dashboard(full()), "Firing alerts")
    assert shown["fieldConfig"]["defaults"]["noValue"] == "none"


def test_a_firing_alert_leads_to_its_runbook_and_says_since_when() -> None:
    shown = panel(dashboard(full()), "Firing alerts")
    overrides = {
        o["matcher"]["options"]: {p["id"]: p["value"] for p in o["properties"]}
        for o in shown["fieldConfig"]["overrides"]
    }
    [link] = overrides["Alert"]["links"]
    assert link["url"] == "https://monitoring.example.com/runbooks/${__value.raw}"
    assert overrides["Since"]["unit"] == "dateTimeFromNow"


def test_open_alerts_are_counted_for_each_severity_of_the_config() -> None:
    shown = panel(dashboard(full()), "Open alerts")
    assert [target["legendFormat"] for target in shown["targets"]] == ["critical", "warning"]


PANELS_OF_ALERTS: list[tuple[Show, str, Alert]] = [
    (alerts_board, "ServiceDown", DOWN),
    (alerts_board, "DatabaseSlow", SLOW),
    (alerts_board, "CertificateExpiring", EXPIRING),
    (alerts_board, "FewTargets", FEW),
    (dashboard, "Postgres round trip, 95th percentile", SLOW),
    (dashboard, "Time until a certificate expires", EXPIRING),
]
DRAWN = pytest.mark.parametrize(("show", "title", "alert"), PANELS_OF_ALERTS)


@DRAWN
def test_the_line_is_drawn_where_the_alert_fires(show: Show, title: str, alert: Alert) -> None:
    expr = alert.expr
    assert isinstance(expr, Threshold)
    below = expr.comparison.value.startswith("<")
    [(base, lower), (limit, upper)] = threshold_steps(panel(show(full()), title))
    assert base is None
    assert limit is not None
    assert Decimal(str(limit)) == expr.threshold
    assert (lower, upper) == (("#D55E00", "transparent") if below else ("transparent", "#D55E00"))


@DRAWN
def test_a_panel_draws_what_the_alert_compares(show: Show, title: str, alert: Alert) -> None:
    expr = alert.expr
    assert isinstance(expr, Threshold)
    [drawn] = exprs(show(full()), title)
    unnarrowed = drawn.replace(',target=~"$service"', "").replace('{target=~"$service"}', "")
    assert unnarrowed == str(expr.inner)


@EVERY
def test_every_alert_and_every_escalation_has_exactly_one_panel(platform: Platform) -> None:
    runbooks = [
        link["url"].rsplit("/", 1)[1]
        for shown in panels_of(alerts_board(platform))
        for link in shown["links"]
        if "/runbooks/" in link["url"]
    ]
    alerts = [alert.name for alert in platform.alerts]
    assert sorted(runbooks) == sorted(alerts + [rule.name for rule in escalation_rules(platform)])


def test_a_ladder_is_drawn_with_a_line_for_each_of_its_times() -> None:
    document = alerts_board(ours())
    steps = threshold_steps(panel(document, "AlertUnacknowledgedTeamLead"))
    assert steps == [(None, "transparent"), (300, "#D55E00"), (900, "#D55E00")]
    assert exprs(document, "AlertUnacknowledgedTeamLead") == [
        'alertledger:unacked_age_seconds{severity="critical"}',
        'alertledger:unacked_age_seconds{severity="error"}',
    ]


def test_durations_read_as_durations() -> None:
    document = alerts_board(full())
    units = {p["title"]: p["fieldConfig"]["defaults"]["unit"] for p in panels_of(document)}
    assert units["DatabaseSlow"] == "s"
    assert units["CertificateExpiring"] == "dtdurations"
    assert units["ServiceDown"] == "short"


def test_the_hash_of_the_config_is_the_one_that_the_rules_have() -> None:
    platform = ours()
    [expression] = exprs(alerts_board(platform), "ConfigDrift")
    assert platform.sha256 in expression
    assert CONFIG_SHA256 not in build(platform)[ALERTS]
