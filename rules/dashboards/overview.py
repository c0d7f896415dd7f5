"""The overview: what is broken, since when and who has it on one screen; the reasons below it."""

from __future__ import annotations

from collections.abc import Iterator

from model import names
from model.links import OVERVIEW_UID, runbook_url
from model.names import Metric
from model.platform import Platform
from model.promql import observed
from rules.dashboards import queries
from rules.dashboards.alerts import alert_on, condition_panel
from rules.dashboards.board import Board, written
from rules.dashboards.objectives import has_budgets, lowest_budgets
from rules.dashboards.page import (
    COLUMNS,
    FIRST_SCREEN,
    Placed,
    Section,
    choose_services,
    evenly,
    link,
)
from rules.dashboards.panels import (
    GREEN,
    ORANGE,
    VERMILLION,
    Panel,
    Query,
    Text,
    bar_panel,
    color_by_name,
    lead_to,
    line_panel,
    override,
    sort_table,
    stat_panel,
    table_panel,
    timeline_panel,
    with_states,
    words,
)
from rules.dashboards.response import NOBODY, UNKNOWN, WHO, alerts_and_who, waiting_or_not
from rules.dashboards.service import UID as SERVICE_UID
from rules.dashboards.severities import severity_colors
from rules.dashboards.states import ANSWERS, FAILING, STATES
from rules.dashboards.units import SHARE

UID = OVERVIEW_UID

_STATS_HEIGHT = 4
_FIRST_HEIGHT = FIRST_SCREEN - _STATS_HEIGHT
_HEIGHT = 8
# As many bands of the timeline as stay readable; with more services it has pages.
_BANDS = 24
_TABLE_WIDTH = 10
# What is neither a service nor a query of ours.
_DEPENDENCIES = frozenset({"tcp", "postgres", "redis", "sentinel", "json"})
# Where a service's name leads to, in a table and on a chart.
_SERVICE = f"/d/{SERVICE_UID}?var-service="
_OF_VALUE, _OF_LINE = f"{_SERVICE}${{__value.raw}}", f"{_SERVICE}${{__field.labels.target}}"


def build(platform: Platform) -> str:
    """The overview's file."""
    narrows = "Narrows the timeline and what is below it; what is beside and above it is of all."
    return written(
        Board(
            uid=UID,
            title="Monitoring overview",
            about="What is broken, since when, and who has it.",
            sections=_sections(platform),
            variables=(choose_services(platform, narrows),),
            links=(link("Health of every service", f"{platform.base_url}/health"),),
        ),
        platform,
    )


def _sections(platform: Platform) -> Iterator[Section]:
    table = Placed(_firing_alerts(platform), _TABLE_WIDTH)
    timeline = Placed(_states_of_services(), COLUMNS - _TABLE_WIDTH)
    yield Section(tuple(_stats(platform)), _STATS_HEIGHT)
    yield Section((table, timeline), _FIRST_HEIGHT)
    worst = [_slowest_probes(), _most_failing(), _failure_reasons(), _result_age()]
    yield Section(evenly(worst, 2), _HEIGHT, "The slowest and the most failing")
    kinds = [kind for kind in dict.fromkeys(platform.kinds.values()) if kind in _DEPENDENCIES]
    around = [_dependencies(kinds)] if kinds else []
    if has_budgets(platform):
        around.append(lowest_budgets(platform))
    if around:
        yield Section(evenly(around), _HEIGHT, "Dependencies, and what objectives leave")
    limits = _limits(platform)
    yield Section(evenly(limits), _HEIGHT, "Limits that are drawing near")
    yield Section(evenly(_exporter()), _HEIGHT, "The exporter itself")


# --- the first screen ---------------------------------------------------------------------------


def _stats(platform: Platform) -> Iterator[Placed]:
    beside = [Placed(panel, 2) for panel in _stores(platform) if panel is not None]
    if platform.ledger is not None:
        beside.insert(0, Placed(waiting_or_not(), 5))
    yield Placed(_services_down(), 3)
    yield Placed(_services_degraded(), 3)
    yield Placed(_targets_unknown(platform), 3)
    yield Placed(_open_alerts(platform), COLUMNS - 9 - sum(placed.width for placed in beside))
    yield from beside


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
        "holds, which is before the alert fired; and who has it. An alert's name leads to its "
        "runbook, a service's to its dashboard. If nobody has it yet, take it.",
    )
    columns = {"alertname": "Alert", "service": "Service", "severity": "Severity", "Value": "Since"}
    query = Query(queries.alerts_since())
    if platform.ledger is not None:
        columns[WHO] = "Who has it"
        query = Query(alerts_and_who())
    panel = table_panel(text, query, columns, empty="none")
    runbook = {
        "title": "Runbook",
        "url": runbook_url("${__value.raw}", platform),
        "targetBlank": True,
    }
    override(panel, "Alert", links=[runbook])
    override(panel, "Service", links=[{"title": "Service", "url": _OF_VALUE}])
    override(
        panel,
        "Severity",
        mappings=words(severity_colors(platform)),
        **{"custom.cellOptions": {"type": "color-text"}, "custom.width": 80},
    )
    override(panel, "Since", unit="dateTimeFromNow", **{"custom.width": 120})
    if platform.ledger is not None:
        waits = words({NOBODY: VERMILLION, UNKNOWN: ORANGE})
        text_cell = {"custom.cellOptions": {"type": "color-text"}, "custom.width": 110}
        override(panel, "Who has it", mappings=waits, **text_cell)
    return sort_table(panel, "Since")


def _states_of_services() -> Panel:
    text = Text(
        "State of every service",
        "What most replicas of the exporter see, by name. Down: the health check fails. Degraded: "
        "it answers so. Unknown: the exporter is to probe it and has no fresh result. A gap: "
        "Prometheus could not reach the exporter for more than an hour. A band leads to the "
        "service's own dashboard.",
    )
    panel = timeline_panel(text, [Query(queries.service_states())], STATES, _BANDS)
    return lead_to(panel, "Service", _OF_LINE)


# --- below it -----------------------------------------------------------------------------------


def _slowest_probes() -> Panel:
    text = Text(
        f"Probe duration, the {queries.SLOWEST} slowest services",
        "How long the health check took, for the services that were slowest on average over the "
        "time shown. If one rises: compare it with the state of its dependencies; at the probe's "
        "timeout the service counts as down.",
    )
    return line_panel(text, [Query(queries.slowest_probes())], "s")


def _most_failing() -> Panel:
    text = Text(
        f"Most failing, the {queries.SLOWEST} worst services",
        "The share of the time shown in which the health check failed; none is good. Failure "
        "reasons says why; a bar leads to the service's own dashboard.",
    )
    colors = {0: ORANGE, 0.1: VERMILLION}
    panel = bar_panel(text, [Query(queries.most_failing())], colors, SHARE).no_value("none")
    return lead_to(panel, "Service", _OF_LINE)


def _dependencies(kinds: list[str]) -> Panel:
    text = Text(
        "Dependencies",
        "What services depend on: databases, and what others run. If one is down, look there "
        "before you look at the services; the provider's own page says when it will be back.",
    )
    asks = [Query(queries.states_of(kind)) for kind in kinds]
    return timeline_panel(text, asks, STATES, _BANDS // 2)


def _failure_reasons() -> Panel:
    text = Text(
        "Failure reasons",
        "Why probes fail, and since when; none when all succeed. Refused: nothing listens, restart "
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
        "How long the first certificate in each service's chain is still valid; none when no "
        "service is probed over TLS. Renew it before clients refuse it.",
    )
    return line_panel(text, [Query(queries.certificate_left())], "dtdurations").no_value("none")


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
