"""The dashboard of a service: is it well, how fast is it, why does it fail, what is it spending?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from model import names
from model.durations import minutes
from model.metric import Collapse, Metric
from model.platform import Platform
from model.promql import (
    Aggregate,
    Match,
    Or,
    Ratio,
    TimeUntil,
    collapsed,
    max_by,
    quantile_over_time,
    select,
    sum_by,
)
from model.targets import Service
from rules.dashboards import queries
from rules.dashboards.board import Board, Link, Variable, written
from rules.dashboards.choices import SERVICES
from rules.dashboards.objectives import budgets, burns, has_budgets
from rules.dashboards.page import Placed, Section, choose_one_service, evenly, link
from rules.dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    YELLOW,
    Panel,
    Query,
    Text,
    asked,
    color_lines,
    line_panel,
    stat_panel,
    timeline_panel,
    with_states,
)
from rules.dashboards.ranges import average, per_second, percentile, shown_percentile
from rules.dashboards.states import FAILING, STATES
from rules.dashboards.topics import Topic, conditions
from rules.dashboards.units import COUNT, LEFT, PER_SECOND, SECONDS, SHARE

UID = "monitoring-service"

_STATS_HEIGHT, _HEIGHT = 4, 8
_PERCENTILES = (("0.5", "median"), ("0.95", "95th percentile"), ("0.99", "99th percentile"))
# Over how long a percentile of single probes is taken: about as many as it takes to mean something.
_WINDOW = minutes(10)
_SLOWEST = 5
_PHASES: Mapping[str, str] = MappingProxyType(
    {
        "resolve": YELLOW,
        "connect": SKY_BLUE,
        "tls": PURPLE,
        "processing": BLUE,
        "transfer": ORANGE,
    }
)
_STATUSES: Mapping[str, str] = MappingProxyType(
    {"1..": PURPLE, "2..": GREEN, "3..": SKY_BLUE, "4..": ORANGE, "5..": VERMILLION}
)


def build(platform: Platform) -> str:
    """The dashboard's file."""
    about = "One service: whether it is well, how fast it answers, why it fails."
    return written(
        Board(
            uid=UID,
            title="Service",
            about=about,
            sections=_sections(platform),
            chosen=SERVICES.variable,
            variables=_variables(platform),
            links=_links(platform),
        ),
        platform,
    )


def _variables(platform: Platform) -> tuple[Variable, ...]:
    return (choose_one_service(platform),)


def _links(platform: Platform) -> tuple[Link, ...]:
    return (link("Health of every service", f"{platform.base_url}/health"),)


def _sections(platform: Platform) -> Iterator[Section]:
    yield Section(tuple(_stats(platform)), _STATS_HEIGHT)
    yield Section(evenly([_states(), _reasons(), _status_codes()]), _HEIGHT, "Health check")
    phases = [_phases(q, words) for q, words in _PERCENTILES]
    yield Section(evenly(phases), _HEIGHT, "How long the health check takes, by phase")
    if _exposes(names.HTTP_REQUESTS, platform):
        every = queries.services_are_scraped(platform)
        shown = (_requests, _failing_routes, _durations, _slowest_routes)
        requests = [panel(every) for panel in shown]
        yield Section(evenly(requests, 2), _HEIGHT, "Requests, as the service itself counts them")
    if has_budgets(platform):
        objectives = [budgets(platform), *burns(platform)]
        yield Section(evenly(objectives, 2), _HEIGHT, "Objectives")
    yield from conditions(Topic.SERVICE, platform)


def _exposes(metric: Metric, platform: Platform) -> bool:
    return any(metric in service.exposes for service in platform.services)


# --- now ----------------------------------------------------------------------------------------


def _stats(platform: Platform) -> Iterator[Placed]:
    panels = [_state(), _availability(), _latency(), _certificate(), _open_alerts(platform)]
    if _exposes(names.HTTP_REQUESTS, platform):
        panels[3:3] = [_traffic(queries.services_are_scraped(platform))]
    yield from evenly(panels, len(panels))


def _state() -> Panel:
    text = Text(
        "State",
        "What most replicas of the exporter see now. Down: Failure reasons says why. Unknown: "
        "nobody is probing it.",
    )
    colors = {queries.DOWN: VERMILLION, queries.DEGRADED: ORANGE, queries.UP: GREEN}
    panel = stat_panel(text, [Query(queries.service_states())], {**colors, queries.UNKNOWN: GREY})
    return with_states(panel, STATES)


def _availability() -> Panel:
    text = Text(
        "Available",
        "The share of the time shown in which the health check succeeded. Under 99.9 % more is "
        "failing than the objective of 30 days allows.",
    )
    success = SERVICES.of(names.PROBE_SUCCESS, kind=Service.kind)
    colors = {0: VERMILLION, 0.99: ORANGE, 0.999: GREEN}
    return stat_panel(text, [asked(collapsed(average(success)))], colors, SHARE)


def _latency() -> Panel:
    text = Text(
        "Health check, 95th percentile",
        "How long 95 of 100 health checks took at most in the time shown. Below, phases say where "
        "the time goes.",
    )
    duration = SERVICES.of(names.PROBE_DURATION, kind=Service.kind)
    colors = {0: GREEN, 1: ORANGE, 3: VERMILLION}
    return stat_panel(text, [asked(collapsed(shown_percentile("0.95", duration)))], colors, SECONDS)


def _traffic(every: str) -> Panel:
    text = Text(
        "Requests per second",
        "What the service answers now, as it says itself; none where it tells nothing of its "
        "requests. If it falls to 0, nobody reaches it.",
    )
    rate = sum_by(per_second(SERVICES.of(names.HTTP_REQUESTS)), "service")
    panel = stat_panel(text, [asked(rate, "{{service}}", every)], {0: SKY_BLUE}, PER_SECOND)
    return panel.no_value("none")


def _certificate() -> Panel:
    text = Text(
        "Certificate expires in",
        "How long the first certificate of the chain is still valid; none where the service is "
        "probed without TLS. Renew it before clients refuse it.",
    )
    expiry = TimeUntil(collapsed(SERVICES.of(names.PROBE_SSL_EARLIEST_CERT_EXPIRY)))
    colors = {-1e9: VERMILLION, 0: ORANGE, 14 * 86400: GREEN}
    return stat_panel(text, [asked(expiry)], colors, LEFT).no_value("none")


def _open_alerts(platform: Platform) -> Panel:
    text = Text(
        "Open alerts",
        "Alerts that are firing about the service; none is good. The panels at the end have what "
        "each compares, and lead to what to do.",
    )
    firing = select(names.ALERTS, alertstate="firing").where(Match.NOT_EQUAL, severity="")
    chosen = firing.where(Match.REGEX, service=SERVICES.variable)
    count = Aggregate(Collapse.SUM, chosen, ("service",))
    return stat_panel(text, [asked(count, "{{service}}")], {1: VERMILLION}).no_value("none")


# --- over time ----------------------------------------------------------------------------------


def _states() -> Panel:
    text = Text(
        "State over time",
        "Since when it is as it is. Down: the health check fails. Degraded: it answers, and calls "
        "itself so. Unknown: there is no recent result.",
    )
    return timeline_panel(text, [Query(queries.service_states())], STATES, 24)


def _reasons() -> Panel:
    text = Text(
        "Failure reasons",
        "Why the health check fails, and since when; none when it does not. Refused: nothing "
        "listens, restart it. Timed out: it hangs or is overloaded, look at what it depends on.",
    )
    query = Query(queries.failure_reasons(), legend="{{target}}: {{reason}}")
    return timeline_panel(text, [query], FAILING, 12).no_value("none")


def _status_codes() -> Panel:
    text = Text(
        "Status code of the health check",
        "What the health check was answered with; 0 is no answer. 503 is the service's own word "
        "that it is ill: its answer's body says why.",
    )
    code = max_by(SERVICES.of(names.PROBE_HTTP_STATUS_CODE), "target")
    return line_panel(text, [asked(code)], COUNT)


def _phases(q: str, words: str) -> Panel:
    text = Text(
        f"Phases, {words}",
        f"The {words} of each phase over 10 minutes. Resolve: look at the name server. Connect: "
        "the network, or a full accept queue. Processing: the service itself, and what it depends "
        "on. Transfer: a large answer, or a slow network.",
    )
    phases = quantile_over_time(q, SERVICES.of(names.PROBE_HTTP_DURATION), _WINDOW)
    panel = line_panel(text, [asked(collapsed(phases), "{{target}} {{phase}}")], SECONDS)
    return color_lines(panel, {f"{phase}$": color for phase, color in _PHASES.items()})


# --- its own requests ---------------------------------------------------------------------------


def _requests(every: str) -> Panel:
    text = Text(
        "Requests by status code",
        "What the service answers, as it counts itself. If those with 5xx rise: Failing routes "
        "says where. If all fall: do clients still reach it?",
    )
    rate = sum_by(per_second(SERVICES.of(names.HTTP_REQUESTS)), "service", "status_code")
    panel = line_panel(text, [asked(rate, "{{service}} {{status_code}}", every)], PER_SECOND)
    return color_lines(panel, {f" {code}$": color for code, color in _STATUSES.items()})


def _failing_routes(every: str) -> Panel:
    text = Text(
        "Failing routes",
        "The share of each route's requests that end with a server error; none without requests. "
        "Begin with the highest: what was deployed, and what does that route depend on?",
    )
    by = ("service", "route")
    requests = SERVICES.of(names.HTTP_REQUESTS)
    total = sum_by(per_second(requests), *by)
    bad = sum_by(per_second(requests.where(Match.REGEX, status_code="5..")), *by)
    share = Ratio(Or(bad, total * 0), total, at_least="0.001")
    panel = line_panel(text, [asked(share, "{{service}} {{route}}", every)], SHARE)
    return panel.no_value("none")


def _durations(every: str) -> Panel:
    text = Text(
        "How long requests take",
        "Percentiles of all requests that the service answers. If only the 99th rises, a few are "
        "slow: Slowest routes says which. If the median does, all are: look at its dependencies.",
    )
    histogram = SERVICES.of(names.HTTP_REQUEST_DURATION)
    asks = [
        asked(percentile(q, histogram, "service"), f"{{{{service}}}} {words}", every)
        for q, words in _PERCENTILES
    ]
    return line_panel(text, asks, SECONDS)


def _slowest_routes(every: str) -> Panel:
    text = Text(
        f"Slowest routes, the top {_SLOWEST}",
        "The 95th percentile of the routes that are slowest at each moment. Begin with the "
        "highest: a missing index, or a call to another service?",
    )
    histogram = SERVICES.of(names.HTTP_REQUEST_DURATION)
    slowest = queries.top(_SLOWEST, percentile("0.95", histogram, "service", "route"))
    return line_panel(text, [asked(slowest, "{{service}} {{route}}", every)], SECONDS)
