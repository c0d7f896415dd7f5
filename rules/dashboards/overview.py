"""The overview: what is broken, since when, and how bad, on one screen; the reasons below it."""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.links import OVERVIEW_UID, runbook_url
from model.names import Metric
from model.platform import Platform
from model.promql import observed
from rules.dashboards import queries
from rules.dashboards.alerts import alert_on, condition_panel
from rules.dashboards.page import (
    COLUMNS,
    FIRST_SCREEN,
    Placed,
    Section,
    as_json,
    choose_services,
    datasource_variable,
    evenly,
    lay_out,
    link,
    other_dashboards,
    page,
)
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    VERMILLION,
    Panel,
    Query,
    Text,
    color_by_name,
    line_panel,
    override,
    sort_table,
    stat_panel,
    table_panel,
    timeline_panel,
    with_states,
    words,
)
from rules.dashboards.severities import severity_colors
from rules.dashboards.states import ANSWERS, FAILING, STATES
from rules.output import HEADER

UID = OVERVIEW_UID

_STATS_HEIGHT = 4
_FIRST_HEIGHT = FIRST_SCREEN - _STATS_HEIGHT
_HEIGHT = 8
# As many bands of the timeline as stay readable; with more services it has pages.
_BANDS = 24
_TABLE_WIDTH = 9


def build(platform: Platform) -> str:
    """The overview's file."""
    about = f"What is broken, since when, and how bad. This file is {HEADER}."
    tags = ["monitoring", platform.name]
    overview = page(UID, Text("Monitoring overview", about), tags)
    overview.with_variable(datasource_variable())
    narrows = "Narrows the timeline and what is below it; what is beside and above it is of all."
    overview.with_variable(choose_services(platform, narrows))
    overview.link(link("Health of every service", f"{platform.base_url}/health"))
    overview.link(link("Runbooks", f"{platform.base_url}/runbooks"))
    overview.link(other_dashboards(tags))
    lay_out(overview, _sections(platform))
    return as_json(overview)


def _sections(platform: Platform) -> Iterator[Section]:
    table = Placed(_firing_alerts(platform), _TABLE_WIDTH)
    timeline = Placed(_states_of_services(), COLUMNS - _TABLE_WIDTH)
    yield Section(tuple(_stats(platform)), _STATS_HEIGHT)
    yield Section((table, timeline), _FIRST_HEIGHT)
    probes = (_slowest_probes(), _failure_reasons(), _result_age())
    yield Section(evenly(probes), _HEIGHT, "Probes")
    limits = _limits(platform)
    yield Section(evenly(limits), _HEIGHT, "Limits that are drawing near")
    yield Section(evenly(_exporter()), _HEIGHT, "The exporter itself")


# --- the first screen ---------------------------------------------------------------------------


def _stats(platform: Platform) -> Iterator[Placed]:
    answers = [panel for panel in _stores(platform) if panel is not None]
    yield Placed(_services_down(), 4)
    yield Placed(_services_degraded(), 4)
    yield Placed(_targets_unknown(platform), 4)
    yield Placed(_open_alerts(platform), COLUMNS - 12 - 3 * len(answers))
    yield from (Placed(panel, 3) for panel in answers)


def _services_down() -> Panel:
    text = Text(
        "Services down",
        "Services whose health check fails at most replicas of the exporter. If it is not 0: the "
        "timeline says which and since when, Failure reasons says why.",
    )
    return stat_panel(text, [Query(queries.services_down())], {0: GREEN, 1: VERMILLION})


def _services_degraded() -> Panel:
    text = Text(
        "Services degraded",
        "Services that answer and call themselves degraded. If it is not 0: the body of the "
        "service's health check says which of its dependencies is in trouble.",
    )
    return stat_panel(text, [Query(queries.services_degraded())], {0: GREEN, 1: ORANGE})


def _targets_unknown(platform: Platform) -> Panel:
    text = Text(
        "No fresh result",
        f"Of the config's {len(platform.targets)} targets (services, databases and others), those "
        "of which no recent result is known: they may be up or down. If it is not 0: is every "
        "exporter up, and does it run with the config that this dashboard was made from?",
    )
    query = Query(queries.targets_unknown(platform))
    # Fewer than none: the exporter probes targets that this config no longer has.
    return stat_panel(text, [query], {-len(platform.targets): ORANGE, 0: GREEN, 1: ORANGE})


def _open_alerts(platform: Platform) -> Panel:
    text = Text(
        "Open alerts",
        "Alerts that are firing, of all services, by severity. If one is not 0: the table below "
        "names them; begin with the most severe, its name leads to its runbook.",
    )
    severities = [severity.name for severity in platform.severities]
    counts = [Query(queries.alerts_firing(name), legend=name) for name in severities]
    panel = stat_panel(text, counts, {0: GREEN, 1: VERMILLION})
    for name, color in severity_colors(platform).items():
        color_by_name(panel, name, {0: GREEN, 1: color})
    return panel


def _stores(platform: Platform) -> tuple[Panel | None, Panel | None]:
    return (
        _answers("Postgres", names.PG_UP) if platform.postgres else None,
        _answers("Redis", names.REDIS_UP) if platform.redis else None,
    )


def _answers(title: str, metric: Metric) -> Panel:
    text = Text(
        title,
        f"Whether a new connection to {title} can be made and used, as most replicas of the "
        "exporter see it. If it is down: Failure reasons tells refused from timed out. Unknown "
        "means that nobody is probing it.",
    )
    colors = {0: VERMILLION, 1: GREEN}
    panel = stat_panel(text, [Query(queries.mostly(observed(metric)))], colors)
    return with_states(panel, ANSWERS)


def _firing_alerts(platform: Platform) -> Panel:
    text = Text(
        "Firing alerts",
        "What people have been told, of all services, the newest first; since when the condition "
        "holds, which is before the alert fired. An alert's name leads to its runbook.",
    )
    columns = {"alertname": "Alert", "service": "Service", "severity": "Severity", "Value": "Since"}
    panel = table_panel(text, Query(queries.alerts_since()), columns, empty="none")
    runbook = {
        "title": "Runbook",
        "url": runbook_url("${__value.raw}", platform),
        "targetBlank": True,
    }
    override(panel, "Alert", links=[runbook])
    override(
        panel,
        "Severity",
        mappings=words(severity_colors(platform)),
        **{"custom.cellOptions": {"type": "color-text"}, "custom.width": 90},
    )
    override(panel, "Since", unit="dateTimeFromNow", **{"custom.width": 130})
    return sort_table(panel, "Since")


def _states_of_services() -> Panel:
    text = Text(
        "State of every service",
        "What most replicas of the exporter see, by name. Down: the health check fails. Degraded: "
        "it answers so. Unknown: the exporter is to probe it and has no fresh result. A gap: "
        "Prometheus could not reach the exporter for more than an hour.",
    )
    return timeline_panel(text, [Query(queries.service_states())], STATES, _BANDS)


# --- below it -----------------------------------------------------------------------------------


def _slowest_probes() -> Panel:
    text = Text(
        f"Probe duration, the {queries.SLOWEST} slowest services",
        "How long the health check took, for the services that were slowest on average over the "
        "time shown. If one rises: compare it with the state of its dependencies; at the probe's "
        "timeout the service counts as down.",
    )
    return line_panel(text, [Query(queries.slowest_probes())], "s")


def _failure_reasons() -> Panel:
    text = Text(
        "Failure reasons",
        "Why probes fail, and since when; empty when none does. Refused: nothing listens, restart "
        "it. Timed out: it hangs or is overloaded, look at what it depends on.",
    )
    query = Query(queries.failure_reasons(), legend="{{target}}: {{reason}}")
    return timeline_panel(text, [query], FAILING, _BANDS // 2).no_value("none")


def _result_age() -> Panel:
    text = Text(
        "Time since the last result",
        "How old each target's latest result is, at the replica that has the newest. It rises to "
        "the probe's interval and falls again; if it only rises, the exporter is stuck.",
    )
    return line_panel(text, [Query(queries.result_age())], "s")


def _limits(platform: Platform) -> Iterator[Panel]:
    if platform.postgres:
        yield _round_trip(platform)
    yield _certificates(platform)


def _round_trip(platform: Platform) -> Panel:
    title = "Postgres round trip, 95th percentile"
    if alert := alert_on(names.PG_ROUND_TRIP, platform):
        return condition_panel(alert, platform, title)
    text = Text(
        title,
        "How long a trivial query takes, there and back. If it rises: look for long-running "
        "queries, and for a pool that has no free connection.",
    )
    return line_panel(text, [Query(queries.round_trip_p95())], "s")


def _certificates(platform: Platform) -> Panel:
    title = "Time until a certificate expires"
    if alert := alert_on(names.PROBE_SSL_EARLIEST_CERT_EXPIRY, platform):
        return condition_panel(alert, platform, title)
    text = Text(
        title,
        "How long the first certificate in each service's chain is still valid; empty when no "
        "service is probed over TLS. Renew it before clients refuse it.",
    )
    return line_panel(text, [Query(queries.certificate_left())], "dtdurations")


def _exporter() -> Iterator[Panel]:
    text = Text(
        "Probes per second",
        "Probes that ended, of all replicas together, by result. If it falls to 0, nobody is "
        "looking: is the exporter up, and can Prometheus reach it?",
    )
    probes = Query(queries.per_second(names.PROBES, ("result",)), legend="{{result}}")
    yield line_panel(text, [probes], "cps")
    text = Text(
        "Errors inside the exporter",
        "Mistakes of the exporter itself; a failed probe is not one. If it is not 0: its log names "
        "them.",
    )
    errors = Query(queries.per_second(names.ERRORS, ("component",)), legend="{{component}}")
    yield line_panel(text, [errors], "cps").no_value("none")
    text = Text(
        "Delay of the event loop",
        "The longest delay, at the worst replica. If it exceeds 0.1 s, probe times are no longer "
        "true: give the exporter more CPU, or divide the targets into shards.",
    )
    delay = Query(queries.worst(names.EVENT_LOOP_LAG), legend="longest delay")
    yield line_panel(text, [delay], "s")
